/**
 * Reads the protobuf wire format from untrusted bytes. Written by hand, because inference messages are read for every request: tensors are
 * views, and no unused object is created.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { invalidRequest } from '../oip/request-errors.ts';

/** Encoding of a field's value. Groups (3 and 4) predate proto3 and are not used. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Throws at the first malformed byte. Views stay valid as long as the bytes do. */
export class ProtobufReader {
  readonly #bytes: Buffer;
  #position = 0;
  readonly #end: number;
  /** The last varint, as two halves of 32 bits. */
  low = 0;
  high = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** A field's number and wire type: `number * 8 + type`. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw broken('a field has the number 0');
    return tag;
  }

  /** Reads a varint into `low` and `high`. */
  varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw broken('a number has more than 10 bytes');
  }

  /** The lower 32 bits of a varint, as required for 32-bit fields. */
  uint32(): number {
    const byte = this.#position < this.#end ? (this.#bytes[this.#position] as number) : 0x80;
    if (byte < 0x80) {
      this.#position++;
      return byte;
    }
    this.varint();
    return this.low;
  }

  boolean(): boolean {
    this.varint();
    return (this.low | this.high) !== 0;
  }

  /** A signed 64-bit integer: a number if that is exact, otherwise a bigint. */
  int64(): number | bigint {
    this.varint();
    if (this.high === 0) return this.low;
    return narrowed(BigInt.asIntN(64, (BigInt(this.high) << 32n) | BigInt(this.low)));
  }

  uint64(): number | bigint {
    this.varint();
    return this.high === 0 ? this.low : narrowed((BigInt(this.high) << 32n) | BigInt(this.low));
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#advance(8));
  }

  /** The content of a length-delimited field, as a view. */
  view(): Buffer {
    const length = this.uint32();
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The bytes of a value of any wire type: the content of a length-delimited field, else the encoded number. */
  value(tag: number): Buffer {
    if ((tag & 7) === wireTypes.bytes) return this.view();
    const start = this.#position;
    this.skip(tag);
    return this.#bytes.subarray(start, this.#position);
  }

  /** Reads a string. Throws `invalid_request` if it is longer than `bytesMax`. */
  string(bytesMax: number): string {
    const view = this.view();
    if (view.length > bytesMax) throw broken(`a string has ${view.length} bytes, at most ${bytesMax} are read`);
    if (isAscii(view)) return view.toString('latin1');
    if (!isUtf8(view)) throw broken('a string is not valid UTF-8');
    return view.toString('utf8');
  }

  /** Skips the value of an unknown field. */
  skip(tag: number): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.varint();
        return;
      case wireTypes.fixed64:
        this.#advance(8);
        return;
      case wireTypes.bytes:
        this.#advance(this.uint32());
        return;
      case wireTypes.fixed32:
        this.#advance(4);
        return;
      default:
        throw broken(`field ${tag >>> 3} has the wire type ${tag & 7}`);
    }
  }

  #byte(): number {
    if (this.#position >= this.#end) throw broken('it ends in the middle of a number');
    return this.#bytes[this.#position++] as number;
  }

  /** Returns the start of the next `length` bytes. */
  #advance(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) throw broken(`a field needs ${length} bytes, ${this.#end - start} are left`);
    this.#position = start + length;
    return start;
  }
}

function narrowed(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The `invalid_request` for bytes that violate the wire format. */
export function broken(why: string): Error {
  return invalidRequest(`the message is not valid protobuf of its type: ${why}`);
}
