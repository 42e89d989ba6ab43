/** Writes the wire form of protocol buffers into one piece of memory, whose size is known beforehand to be enough. */

/** Of a varint of 64 bits. */
export const varintBytesMax = 10;

/** How many bytes a length, a tag or a size takes. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

export class ProtobufWriter {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax);
  }

  /** What was written. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#position);
  }

  byte(value: number): void {
    this.#bytes[this.#position++] = value;
  }

  /** A whole number from 0 to 2^53. */
  varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#position++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#position++] = rest;
  }

  /** A number of 64 bits, given as two halves. */
  varint64(low: number, high: number): void {
    let [lower, upper] = [low >>> 0, high >>> 0];
    while (upper > 0 || lower >= 0x80) {
      this.#bytes[this.#position++] = (lower & 0x7f) | 0x80;
      lower = ((lower >>> 7) | (upper << 25)) >>> 0;
      upper >>>= 7;
    }
    this.#bytes[this.#position++] = lower;
  }

  double(value: number): void {
    this.#position = this.#bytes.writeDoubleLE(value, this.#position);
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#position);
    this.#position += bytes.byteLength;
  }

  /** A field that has a length: its tag, its length, its content. */
  field(tag: number, content: Uint8Array): void {
    this.byte(tag);
    this.varint(content.byteLength);
    this.raw(content);
  }
}
