/** Lines that gather as bytes: where they can be written as such, that takes a fraction of what strings take that are put together and encoded. */

export class LineBytes {
  #bytes: Buffer;
  #length = 0;
  #lines = 0;

  constructor(bytes = 64 * 1024) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#length;
  }

  get lines(): number {
    return this.#lines;
  }

  /** What it takes of memory. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** A whole line with its end. */
  add(line: string): void {
    this.#reserve(3 * line.length);
    this.#length += this.#bytes.write(line, this.#length);
    this.#lines++;
  }

  /** One whose middle is a text of ASCII; false, and nothing is added, where that is not so. */
  addAround(head: Uint8Array, text: string, tail: Uint8Array): boolean {
    this.#reserve(head.length + text.length + tail.length);
    const bytes = this.#bytes;
    let at = this.#length + head.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (!isPlain(code)) return false;
      bytes[at++] = code;
    }
    bytes.set(head, this.#length);
    bytes.set(tail, at);
    this.#length = at + tail.length;
    this.#lines++;
    return true;
  }

  /** The bytes, until the next change. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = this.#lines = 0;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Stands for itself in JSON, too. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code < 0x7f && code !== 0x22 && code !== 0x5c;
}
