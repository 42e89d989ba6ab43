/**
 * Output of a model's process. A limited number of lines per second is passed on, and the last lines are retained to explain the end of the
 * process.
 */
import type { Readable } from 'node:stream';
import { LastLines } from './last-lines.ts';

/** Lines in a burst, and lines per second after it. Further lines are only counted. */
const burstLines = 500;
const linesPerSecond = 100;

/** A token bucket: a burst passes, and what exceeds the rate is counted in one line. */
export class ProcessLog {
  readonly #lines = new LastLines();
  readonly #nowMs: () => number;
  readonly #print: (line: string) => void;
  #budget = burstLines;
  #countedAtMs: number;
  #skipped = 0;

  constructor(nowMs: () => number, print: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#print = print;
    this.#countedAtMs = nowMs();
  }

  follow(stream: Readable): void {
    this.#lines.follow(stream, (line) => this.#consume(line));
  }

  /** The last lines, as a part of error messages. */
  toString(): string {
    return this.#lines.toString();
  }

  #consume(line: string): void {
    const nowMs = this.#nowMs();
    this.#budget = Math.min(burstLines, this.#budget + ((nowMs - this.#countedAtMs) * linesPerSecond) / 1000);
    this.#countedAtMs = nowMs;
    if (this.#budget < 1) {
      this.#skipped++;
      return;
    }
    this.#budget--;
    if (this.#skipped > 0) this.#print(`(${this.#skipped} lines were dropped: at most ${linesPerSecond} per second are retained)`);
    this.#skipped = 0;
    this.#print(line);
  }
}
