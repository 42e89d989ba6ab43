/**
 * Buffers log lines as bytes until they are written. Blocks are reused: thousands of separate line objects per second, waiting for the
 * disk, would survive the young generation and cause a full garbage collection every second.
 */

/** One write plus some headroom. */
const blockBytes = 288 * 1024;
/** Largest UTF-8 size of one UTF-16 code unit. */
const bytesPerUnitMax = 3;

export class LineBlock {
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
