/**
 * An append-only file of lines with almost no cost for the writer: lines are buffered and written in the background. Memory and disk use
 * are bounded and no method throws: if the disk is too slow or full, lines are dropped and counted.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';

/** A write call takes about 30 us, regardless of its size. */
const flushBytes = 256 * 1024;
/** A line is written at most about this time after it was added. */
export const flushAfterMs = 200;
/** Limit of buffered bytes; beyond it lines are dropped. */
const pendingBytesMax = 8 * 1024 * 1024;

/** Size and number of the files. */
export interface LineFileOptions {
  readonly clock: Clock;
  /** The file is rotated at this size. */
  readonly fileBytesMax: number;
  /** Number of retained files, including the current one: `x.log`, `x.log.1`, `x.log.2`. */
  readonly files: number;
  /** Called once when writing starts to fail. */
  readonly onWriteFailure: (error: unknown) => void;
}

/** `write` only copies the line into a block; all else happens in the background. */
export class LineFile {
  readonly #path: string;
  readonly #options: LineFileOptions;
  /** Only the last block has room. */
  #pending: LineBlock[] = [];
  #pendingBytes = 0;
  /** A written block, for reuse. */
  #spare: LineBlock | null = null;
  #cancelTimer: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #dropped = 0;
  /** Dropped lines not yet reported by a line in the file. */
  #unreported = 0;
  #failing = false;

  constructor(path: string, options: LineFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Lines lost because the disk was too slow or failed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `line` includes its line end. */
  write(line: string): void {
    if (this.#pendingBytes > pendingBytesMax) return this.#discard(1);
    this.#pendingBytes += this.#blockFor(line).add(line);
    if (this.#pendingBytes >= flushBytes) this.#start();
    else this.#startLater();
  }

  /** Resolves when all lines so far are in the file or lost. */
  async flush(): Promise<void> {
    await this.#writing;
    this.#start();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined); // there is nowhere to report it
  }

  #blockFor(line: string): LineBlock {
    const last = this.#pending.at(-1);
    if (last?.fits(line) === true) return last;
    const block = this.#spare?.fits(line) === true ? this.#spare : new LineBlock(line);
    if (block === this.#spare) this.#spare = null;
    this.#pending.push(block);
    return block;
  }

  #start(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#writing !== null || this.#pending.length === 0) return;
    this.#writing = this.#drain().finally(() => {
      this.#writing = null;
      if (this.#pending.length > 0) this.#startLater();
    });
  }

  #startLater(): void {
    this.#cancelTimer ??= this.#options.clock.after(flushAfterMs, () => this.#start());
  }

  /**
   * Lines that arrive during a write wait for the next timer, unless they fill a write. Otherwise every write would be followed by one of a
   * few lines.
   */
  async #drain(): Promise<void> {
    do {
      const blocks = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      let written = 0;
      try {
        const reported = this.#unreported;
        if (reported > 0) await this.#append(Buffer.from(this.#gapLine()));
        this.#unreported -= reported;
        for (const block of blocks) {
          await this.#append(block.bytes);
          written++;
          this.#failing = false;
        }
      } catch (error) {
        for (const { lines } of blocks.slice(written)) this.#discard(lines);
        const broken = this.#file;
        this.#file = null;
        await broken?.close().catch(() => undefined);
        if (!this.#failing) this.#options.onWriteFailure(error);
        this.#failing = true;
      }
      this.#spare = blocks[0]?.emptied() ?? null;
    } while (this.#pendingBytes >= flushBytes);
  }

  #discard(lines: number): void {
    this.#dropped += lines;
    this.#unreported += lines;
  }

  /** Marks in the file where lines are missing, and how many. */
  #gapLine(): string {
    const message = `${this.#unreported} lines are missing here: they could not be written`;
    // A full disk may have cut the last line: start a new one.
    return `\n${JSON.stringify({ at: this.#options.clock.wallMs(), level: 40, message })}\n`;
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#file !== null && this.#fileBytes + bytes.byteLength > this.#options.fileBytesMax) await this.#rotate(this.#file);
    this.#file ??= await this.#open();
    for (let written = 0; written < bytes.byteLength; ) {
      const { bytesWritten } = await this.#file.write(bytes, written);
      written += bytesWritten;
      this.#fileBytes += bytesWritten;
    }
  }

  async #open(): Promise<FileHandle> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const file = await open(this.#path, 'a', 0o600);
    this.#fileBytes = (await file.stat()).size;
    if (this.#fileBytes < this.#options.fileBytesMax) return file;
    await this.#rotate(file);
    return this.#open();
  }

  async #rotate(file: FileHandle): Promise<void> {
    this.#file = null;
    await file.close();
    for (let number = this.#options.files - 1; number >= 1; number--) {
      const older = number === 1 ? this.#path : `${this.#path}.${number - 1}`;
      await rename(older, `${this.#path}.${number}`).catch(() => undefined); // does not exist yet
    }
  }
}

/**
 * Buffers log lines as bytes until they are written. Blocks are reused: thousands of separate line objects per second, waiting for the
 * disk, would survive the young generation and cause a full garbage collection every second.
 */

/** One write plus some headroom. */
const blockBytes = 288 * 1024;
/** Largest UTF-8 size of one UTF-16 code unit. */
const bytesPerUnitMax = 3;

class LineBlock {
  readonly #buffer: Buffer;
  #length = 0;
  #lines = 0;

  /** Has room for a line of any length. */
  constructor(line: string) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(blockBytes, line.length * bytesPerUnitMax));
  }

  get lines(): number {
    return this.#lines;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  fits(line: string): boolean {
    return this.#buffer.length - this.#length >= line.length * bytesPerUnitMax;
  }

  /** Returns the number of bytes added. */
  add(line: string): number {
    const bytes = this.#buffer.write(line, this.#length);
    this.#length += bytes;
    this.#lines++;
    return bytes;
  }

  /** Empties the block for reuse; null if it was enlarged for a long line. */
  emptied(): LineBlock | null {
    if (this.#buffer.length > blockBytes) return null;
    this.#length = this.#lines = 0;
    return this;
  }
}
