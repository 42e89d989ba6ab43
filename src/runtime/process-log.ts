/** What the process of a model prints: a few lines are passed on each second, the last ones are kept for the reason of its end. */
import type { Readable } from 'node:stream';
import { LastLines } from './last-lines.ts';

/** So many lines at once, and so many each second from then on; more are counted. */
const burstLines = 500;
const linesPerSecond = 100;

export class ProcessLog {
  readonly #lines = new LastLines();
  readonly #nowMs: () => number;
  readonly #print: (line: string) => void;
  #allowance = burstLines;
  #countedAtMs: number;
  #leftOut = 0;

  constructor(nowMs: () => number, print: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#print = print;
    this.#countedAtMs = nowMs();
  }

  follow(stream: Readable): void {
    this.#lines.follow(stream, (line) => this.#take(line));
  }

  /** The last lines, for a reason. */
  toString(): string {
    return this.#lines.toString();
  }

  #take(line: string): void {
    const nowMs = this.#nowMs();
    this.#allowance = Math.min(burstLines, this.#allowance + ((nowMs - this.#countedAtMs) * linesPerSecond) / 1000);
    this.#countedAtMs = nowMs;
    if (this.#allowance < 1) {
      this.#leftOut++;
      return;
    }
    this.#allowance--;
    if (this.#leftOut > 0) this.#print(`(${this.#leftOut} lines were left out: at most ${linesPerSecond} a second are kept)`);
    this.#leftOut = 0;
    this.#print(line);
  }
}
