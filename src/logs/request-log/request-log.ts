/** The request log: one line per request, sampled under high load. */
import type { Clock } from '../../clock.ts';
import { flushAfterMs, type LineFile } from '../line-file.ts';
import { LineSampler, type RequestEnd } from './line-sampler.ts';
import { formatRequestLine, type RequestLine } from './request-line.ts';

/** More than the endpoints of a server. */
const samplersMax = 10_000;
/**
 * Lines are formatted in batches of this size or after this delay: formatting them one by one would evict the serving code from the
 * processor caches.
 */
const waitingMax = 64;
const waitMs = 100;
/** Longest time from a response to its line in the file, if the disk keeps up. A kill loses lines that are not written. */
export const requestLineMsMax = waitMs + flushAfterMs;

/** Lines are formatted later than they are added, off the path of the request. */
export class RequestLog {
  readonly #file: Pick<LineFile, 'write'>;
  readonly #clock: Clock;
  readonly #linesPerSecondMax: number;
  /** By endpoint, so a busy one does not displace lines of others. */
  readonly #samplers = new Map<string, LineSampler>();
  readonly #waiting: { readonly line: RequestLine; readonly weight: number }[] = [];
  #cancelTimer: (() => void) | null = null;

  /** Samples ordinary lines of an endpoint beyond `linesPerSecondMax` a second, see `LineSampler`. */
  constructor(file: Pick<LineFile, 'write'>, clock: Clock, linesPerSecondMax: number) {
    this.#file = file;
    this.#clock = clock;
    this.#linesPerSecondMax = linesPerSecondMax;
  }

  /** Number of requests the line represents; 0 if it is not logged. Call once per request, in order. */
  weightOf(endpoint: string, end: RequestEnd): number {
    return this.#samplerOf(endpoint).weightOf(end);
  }

  /** Never throws. The line is written shortly afterwards, see `write`. */
  add(line: RequestLine, weight: number): void {
    this.#waiting.push({ line, weight });
    if (this.#waiting.length >= waitingMax) this.write();
    else this.#cancelTimer ??= this.#clock.after(waitMs, () => this.write());
  }

  /** Passes buffered lines to the file. */
  write(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const { line, weight } of this.#waiting) this.#file.write(formatRequestLine(weight === 1 ? line : { ...line, oneOf: weight }));
    this.#waiting.length = 0;
  }

  #samplerOf(endpoint: string): LineSampler {
    let sampler = this.#samplers.get(endpoint);
    if (sampler === undefined) {
      if (this.#samplers.size >= samplersMax) this.#samplers.clear();
      this.#samplers.set(endpoint, (sampler = new LineSampler(this.#linesPerSecondMax)));
    }
    return sampler;
  }
}
