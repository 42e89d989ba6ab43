/**
 * A file of lines that costs the writer next to nothing: lines gather in memory and are written behind its back. It
 * is bounded everywhere (memory, disk) and never throws: where the disk does not follow, lines are dropped and counted.
 */
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import { LineBlock } from './line-block.ts';

/** Handing bytes to the disk takes some 30 us, whatever their number. */
const flushBytes = 256 * 1024;
export const flushAfterMs = 200;
/** What may wait for a slow disk; beyond it lines are dropped. */
const pendingBytesMax = 8 * 1024 * 1024;

export interface LineFileOptions {
  readonly clock: Clock;
  /** A file of this size makes room for a new one… */
  readonly fileBytesMax: number;
  /** …and so many are kept, the current one included: `x.log`, `x.log.1`, `x.log.2`. */
  readonly files: number;
  /** Told once when writing begins to fail. */
  readonly onTrouble: (error: unknown) => void;
}

export class LineFile {
  readonly #path: string;
  readonly #options: LineFileOptions;
  /** The last one has room. */
  #pending: LineBlock[] = [];
  #pendingBytes = 0;
  /** One that was written, for the next lines. */
  #spare: LineBlock | null = null;
  #cancelTimer: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #dropped = 0;
  /** Of the dropped ones: those that no line in the file tells of yet. */
  #untold = 0;
  #failing = false;

  constructor(path: string, options: LineFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Lines that were lost because the disk did not follow. */
  get dropped(): number {
    return this.#dropped;
  }

  /** A line with its line end. */
  write(line: string): void {
    if (this.#pendingBytes > pendingBytesMax) return this.#lose(1);
    this.#pendingBytes += this.#blockFor(line).add(line);
    if (this.#pendingBytes >= flushBytes) this.#start();
    else this.#startLater();
  }

  /** Resolves when everything written so far is in the file, or lost. */
  async flush(): Promise<void> {
    await this.#writing;
    this.#start();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined); // a log has nobody to tell
  }

  #blockFor(line: string): LineBlock {
    const last = this.#pending.at(-1);
    if (last?.hasRoomFor(line) === true) return last;
    const block = this.#spare?.hasRoomFor(line) === true ? this.#spare : new LineBlock(line);
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

  /** What comes meanwhile waits, unless it is worth a write: else each write would be followed by one of a few lines, as long as any come. */
  async #drain(): Promise<void> {
    do {
      const blocks = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      let written = 0;
      try {
        const told = this.#untold;
        if (told > 0) await this.#append(Buffer.from(this.#gapLine()));
        this.#untold -= told;
        for (const block of blocks) {
          await this.#append(block.bytes);
          written++;
          this.#failing = false;
        }
      } catch (error) {
        for (const { lines } of blocks.slice(written)) this.#lose(lines);
        const broken = this.#file;
        this.#file = null;
        await broken?.close().catch(() => undefined);
        if (!this.#failing) this.#options.onTrouble(error);
        this.#failing = true;
      }
      this.#spare = blocks[0]?.emptied() ?? null;
    } while (this.#pendingBytes >= flushBytes);
  }

  #lose(lines: number): void {
    this.#dropped += lines;
    this.#untold += lines;
  }

  /** Whoever reads the file sees that there is something missing, and where. */
  #gapLine(): string {
    const message = `${this.#untold} lines are missing here: they could not be written`;
    // A full disk may have taken half a line: this one begins a new one.
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
      await rename(older, `${this.#path}.${number}`).catch(() => undefined); // not there yet
    }
  }
}
