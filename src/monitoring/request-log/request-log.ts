/** The log of requests: a line each; of thousands a second, for some. */
import type { Clock } from '../../clock.ts';
import { flushAfterMs, type LineFile } from '../line-file.ts';
import { LineSampler, type RequestEnd } from './line-sampler.ts';
import { formatRequestLine, type RequestLine } from './request-line.ts';

/** More than a server has endpoints. */
const samplersMax = 10_000;
/** So many lines wait to be put together in a row, or for so long: one by one each would bring the code that does into the processor's caches. */
const waitingMax = 64;
const waitMs = 100;
/** Of a disk that follows: so long after its answer a request's line is in the file. Whoever is killed takes those along that are not. */
export const requestLineMsMax = waitMs + flushAfterMs;

export class RequestLog {
  readonly #file: Pick<LineFile, 'write'>;
  readonly #clock: Clock;
  readonly #linesPerSecondMax: number;
  /** By endpoint: one that is busy leaves out nothing of another. */
  readonly #samplers = new Map<string, LineSampler>();
  readonly #waiting: { readonly line: RequestLine; readonly weight: number }[] = [];
  #cancelTimer: (() => void) | null = null;

  /** Of more plain lines of an endpoint than `linesPerSecondMax` a second, one in so many is kept; see `LineSampler`. */
  constructor(file: Pick<LineFile, 'write'>, clock: Clock, linesPerSecondMax: number) {
    this.#file = file;
    this.#clock = clock;
    this.#linesPerSecondMax = linesPerSecondMax;
  }

  /** For how many requests of its endpoint a line of this one is to stand; 0 where it has none. To be asked once for each, in order. */
  weightOf(endpoint: string, end: RequestEnd): number {
    return this.#samplerOf(endpoint).weightOf(end);
  }

  /** Never throws. The line is in the file a moment later; see `write`. */
  add(line: RequestLine, weight: number): void {
    this.#waiting.push({ line, weight });
    if (this.#waiting.length >= waitingMax) this.write();
    else this.#cancelTimer ??= this.#clock.after(waitMs, () => this.write());
  }

  /** Hands the lines that wait to the file. */
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
