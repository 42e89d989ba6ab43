/** The log of requests: a line each; of thousands a second, for some. */
import type { LineFile } from '../line-file.ts';
import { LineSampler, type RequestEnd } from './line-sampler.ts';
import { formatRequestLine, type RequestLine } from './request-line.ts';

/** More than a server has endpoints. */
const samplersMax = 10_000;

export class RequestLog {
  readonly #file: Pick<LineFile, 'write'>;
  readonly #linesPerSecondMax: number;
  /** By endpoint: one that is busy leaves out nothing of another. */
  readonly #samplers = new Map<string, LineSampler>();

  /** Of more plain lines of an endpoint than `linesPerSecondMax` a second, one in so many is kept; see `LineSampler`. */
  constructor(file: Pick<LineFile, 'write'>, linesPerSecondMax: number) {
    this.#file = file;
    this.#linesPerSecondMax = linesPerSecondMax;
  }

  /** For how many requests of its endpoint a line of this one is to stand; 0 where it has none. To be asked once for each, in order. */
  weightOf(endpoint: string, end: RequestEnd): number {
    return this.#samplerOf(endpoint).weightOf(end);
  }

  /** Never throws. */
  add(line: RequestLine, weight: number): void {
    this.#file.write(formatRequestLine(weight === 1 ? line : { ...line, oneOf: weight }));
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
