/**
 * Reads the output of a process line by line and retains the last lines, to explain the end of the process. A Python worker marks which call
 * printed a line (`python/penstock_worker/logs.py`); the marks are removed here.
 */
import type { Readable } from 'node:stream';
import type { Clock } from '../../clock.ts';

const linesMax = 20;
/** Longer lines are split, so a process that never ends its line cannot fill the memory. */
const lineLengthMax = 1000;

const markStart = '\u001e@';
const mark = new RegExp(`${markStart}(\\d{1,10})\u001e`, 'g');

/** Output that is read at once, and then per second. */
const bytesBurst = 4 * 1024 ** 2;
const bytesPerSecond = 512 * 1024;
const linesBurst = 5000;
const linesPerSecond = 500;
/** A process that was ended is reported at most this much later. */
const pauseMs = 100;

type FlowClock = Pick<Clock, 'nowMs' | 'after'>;

/** Limits what the output of foreign code costs the server. */
class OutputFlow {
  readonly #clock: FlowClock;
  #bytes = bytesBurst;
  #lines = linesBurst;
  #skipped = 0;
  #atMs: number;

  constructor(clock: FlowClock) {
    this.#clock = clock;
    this.#atMs = clock.nowMs();
  }

  /** Pauses the stream for a moment if it has sent too much. */
  slow(stream: Readable, bytes: number): void {
    const nowMs = this.#clock.nowMs();
    const seconds = (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#bytes = Math.min(bytesBurst, this.#bytes + seconds * bytesPerSecond) - bytes;
    this.#lines = Math.min(linesBurst, this.#lines + seconds * linesPerSecond);
    if (this.#bytes >= 0) return;
    stream.pause();
    this.#clock.after(pauseMs, () => stream.resume());
  }

  /** Null if a line is dropped; otherwise the number of lines that were dropped before it. */
  admit(): number | null {
    if (this.#lines < 1) {
      this.#skipped++;
      return null;
    }
    this.#lines--;
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }
}

/** Retains a limited number of lines. */
export class LastLines {
  readonly #lines: string[] = [];

  /**
   * Reads a stream; each line is also passed on at once, with the number of the call that printed it, if it is marked. With a clock, a flood
   * is read slowly, so its writer waits, and of its lines only some are passed on.
   */
  follow(stream: Readable, onLine: (line: string, call: number | null) => void, clock?: FlowClock): void {
    const flow = clock === undefined ? null : new OutputFlow(clock);
    let open = '';
    let call: number | null = null;
    const withoutMarks = (line: string): string =>
      line.replace(mark, (_, number: string) => {
        call = Number(number) || null;
        return '';
      });
    const take = (printed: string) => {
      const line = printed.includes(markStart) ? withoutMarks(printed) : printed;
      if (line.trim() === '') return;
      this.#lines.push(line);
      if (this.#lines.length > linesMax) this.#lines.shift();
      const skipped = flow === null ? 0 : flow.admit();
      if (skipped === null) return;
      if (skipped > 0) onLine(`(${skipped} lines were dropped: at most ${linesPerSecond} per second are retained)`, null);
      onLine(line, call);
    };
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      flow?.slow(stream, text.length);
      const pieces = (open + text).split('\n');
      open = pieces.pop() as string;
      for (const piece of pieces) take(piece.slice(0, lineLengthMax));
      for (; open.length > lineLengthMax; open = open.slice(lineLengthMax)) take(open.slice(0, lineLengthMax));
    });
    stream.on('close', () => take(open));
    stream.on('error', () => undefined); // the pipe of a process that was killed
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}
