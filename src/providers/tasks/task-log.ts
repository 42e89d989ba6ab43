/** Writes the output of a task to a file of JSON lines. If the disk is full, the output waits, and so does the task. */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { Clock } from '../../clock.ts';
import { LineSplitter } from './line-splitter.ts';
import type { TaskLine } from './task.ts';

const bytesMaxDefault = 1024 ** 3;

/** Nothing is dropped: what cannot be written waits in memory up to a limit, and then stops the task's output. */
export class TaskLog {
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #bytesMax: number;
  readonly #fd: number;
  readonly #splitters = { out: new LineSplitter(), err: new LineSplitter() };
  /** Written so far, in whole lines. */
  #bytes: number;
  /** Lines that are not written yet. */
  #pending: Buffer[] = [];
  #isFull = false;

  constructor(path: string, clock: Pick<Clock, 'wallMs'>, bytesMax = bytesMaxDefault) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#fd = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  /** False if the lines could not be written: call `flush` until it returns true, before more is taken. */
  take(from: 'out' | 'err', chunk: Buffer): boolean {
    this.#add(from, this.#splitters[from].push(chunk));
    return this.flush();
  }

  /** Call at the end of the output: lines without an end are lines, too. */
  end(): boolean {
    for (const from of ['out', 'err'] as const) {
      const line = this.#splitters[from].end();
      if (line !== null) this.#add(from, [line]);
    }
    return this.flush();
  }

  flush(): boolean {
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      if (!this.#write(next)) return false;
      this.#pending.shift();
    }
    return true;
  }

  /** Whether the disk is full. */
  get isWaiting(): boolean {
    return this.#pending.length > 0;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #add(from: TaskLine['from'], lines: readonly string[]): void {
    if (lines.length === 0 || this.#isFull) return;
    const at = Math.round(this.#clock.wallMs());
    const texts: string[] = [];
    let bytes = this.#bytes + this.#pending.reduce((sum, { length }) => sum + length, 0);
    for (const line of lines) {
      const text = `${JSON.stringify({ at, from, line } satisfies TaskLine)}\n`;
      bytes += Buffer.byteLength(text);
      if (bytes > this.#bytesMax) {
        this.#isFull = true;
        const remark = `the output of this task exceeds ${Math.round(this.#bytesMax / 1024 ** 2)} MiB: further lines are dropped. Print less`;
        texts.push(`${JSON.stringify({ at, from: 'task', line: remark } satisfies TaskLine)}\n`);
        break;
      }
      texts.push(text);
    }
    this.#pending.push(Buffer.from(texts.join('')));
  }

  /** Writes all or nothing. */
  #write(bytes: Buffer): boolean {
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written);
      this.#bytes += bytes.length;
      return true;
    } catch {
      this.#removePart();
      return false;
    }
  }

  /** Works on a full disk. */
  #removePart(): void {
    try {
      ftruncateSync(this.#fd, this.#bytes);
    } catch {
      // A device, or the disk fails altogether.
    }
  }
}
