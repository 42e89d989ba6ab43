/** Writes the protobuf wire format into one buffer of sufficient, precomputed size. */

/** Maximum length of a 64-bit varint. */
export const varintBytesMax = 10;

/** Number of bytes of this value as a varint. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** The caller computes the size first; writing beyond it is a bug. */
export class ProtobufWriter {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax);
  }

  /** The bytes written so far. */
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

  /** A 64-bit number, as two halves of 32 bits. */
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

  /** A length-delimited field: tag, length, content. */
  field(tag: number, content: Uint8Array): void {
    this.byte(tag);
    this.varint(content.byteLength);
    this.raw(content);
  }
}
