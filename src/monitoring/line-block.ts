/**
 * Lines one after another, as bytes, until they are written. A block is used again and again: thousands of lines a second that each wait
 * for the disk by themselves outlive the collector's young generation, and make it go through everything there is every second.
 */

/** One write's worth, and then some. */
const blockBytes = 288 * 1024;
/** Of UTF-8, for each of JavaScript's code units. */
const bytesPerUnitMax = 3;

export class LineBlock {
  readonly #buffer: Buffer;
  #length = 0;
  #lines = 0;

  /** Has room for this line, however long. */
  constructor(line: string) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(blockBytes, line.length * bytesPerUnitMax));
  }

  get lines(): number {
    return this.#lines;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  hasRoomFor(line: string): boolean {
    return this.#buffer.length - this.#length >= line.length * bytesPerUnitMax;
  }

  /** How many bytes it took. */
  add(line: string): number {
    const bytes = this.#buffer.write(line, this.#length);
    this.#length += bytes;
    this.#lines++;
    return bytes;
  }

  /** Itself, for other lines; null where it is as large as few lines need. */
  emptied(): LineBlock | null {
    if (this.#buffer.length > blockBytes) return null;
    this.#length = this.#lines = 0;
    return this;
  }
}
