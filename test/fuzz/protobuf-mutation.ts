/**
 * Mutates protobuf messages by their structure, without a schema: fields are changed, dropped, repeated, moved into each other, and
 * written with right or wrong lengths.
 */
import type { FuzzRandom } from './fuzz-random.ts';

interface Field {
  readonly number: number;
  readonly type: number;
  /** For wire type 2, a message if it parses as one, otherwise bytes. For other types, the bytes of the value. */
  readonly value: readonly Field[] | Buffer;
}

const bytesType = 2;
const depthMax = 12;

/** A mutation of a message; sometimes only its bytes are mutated. */
export function mutateMessage(random: FuzzRandom, message: Uint8Array): Buffer {
  const bytes = Buffer.from(message);
  if (random.chance(0.15)) return random.mutate(bytes);
  let fields = readFields(bytes, depthMax) ?? [];
  for (let i = random.pick([1, 1, 2, 4]); i > 0; i--) fields = mutateFields(random, fields);
  const written = writeFields(fields, random.chance(0.1) ? random : null);
  return random.chance(0.05) ? random.mutate(written, 1) : written;
}

/** Null if the bytes are not a message. */
function readFields(bytes: Buffer, depth: number): Field[] | null {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    if (tag === null || tag.value < 8n || tag.value > 0xffff_ffffn) return null;
    at = tag.end;
    const number = Number(tag.value >> 3n);
    const type = Number(tag.value & 7n);
    const start = at;
    if (type === 0) {
      const value = readVarint(bytes, at);
      if (value === null) return null;
      at = value.end;
    } else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else if (type === bytesType) {
      const length = readVarint(bytes, at);
      if (length === null || length.value > BigInt(bytes.length)) return null;
      const content = bytes.subarray(length.end, length.end + Number(length.value));
      if (content.length < Number(length.value)) return null;
      at = length.end + content.length;
      // Large contents are weights or tensors and would only parse as noise.
      const inner = depth > 0 && content.length > 0 && content.length < 4096 ? readFields(content, depth - 1) : null;
      fields.push({ number, type, value: inner ?? content });
      continue;
    } else return null;
    if (at > bytes.length) return null;
    fields.push({ number, type, value: bytes.subarray(start, at) });
  }
  return fields;
}

function readVarint(bytes: Buffer, start: number): { value: bigint; end: number } | null {
  let value = 0n;
  for (let at = start; at < bytes.length && at < start + 10; at++) {
    const byte = bytes[at] as number;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return null;
}

function mutateFields(random: FuzzRandom, fields: readonly Field[]): Field[] {
  if (fields.length === 0) return [randomField(random)];
  const at = random.int(0, fields.length - 1);
  const field = fields[at] as Field;
  const replacedBy = (...others: Field[]): Field[] => [...fields.slice(0, at), ...others, ...fields.slice(at + 1)];
  if (isMessage(field) && random.chance(0.75)) return replacedBy({ ...field, value: mutateFields(random, field.value) });
  switch (random.int(0, 8)) {
    case 0:
      return replacedBy();
    case 1:
      return replacedBy(field, field);
    case 2:
      return replacedBy({ ...field, number: random.pick([1, 2, 3, 4, 5, 6, 7, 15, 16, 100, 19_000, 2 ** 29 - 1]) });
    case 3:
      return replacedBy({ ...field, type: random.pick([0, 1, 2, 3, 4, 5, 6, 7]) });
    case 4:
      return replacedBy(field, randomField(random));
    case 5:
      // The message nested in itself.
      return replacedBy({
        number: field.number,
        type: bytesType,
        value: random.chance(0.5) ? [...fields] : nested(field, random.pick([3, 50, 500])),
      });
    case 6:
      return replacedBy(random.pick(fields), ...Array.from({ length: random.pick([1, 10, 300]) }, () => field));
    default:
      return replacedBy({ ...field, value: mutateValue(random, field) });
  }
}

function nested(field: Field, depth: number): Field[] {
  let inner: Field[] = [field];
  for (let i = 0; i < depth; i++) inner = [{ number: field.number, type: bytesType, value: inner }];
  return inner;
}

function mutateValue(random: FuzzRandom, { type, value }: Field): readonly Field[] | Buffer {
  if (type === 0) return random.pick(varints);
  if (type === 1 || type === 5) return random.bytes(type === 1 ? 8 : 4);
  const bytes = Buffer.isBuffer(value) ? value : writeFields(value, null);
  if (random.chance(0.3)) return Buffer.from(random.text());
  return random.chance(0.3) ? random.bytes(random.int(0, 40)) : random.mutate(bytes);
}

function randomField(random: FuzzRandom): Field {
  const number = random.pick([1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 536_870_911]);
  const type = random.pick([0, 2, 1, 5]);
  return { number, type, value: type === 0 ? random.pick(varints) : random.bytes(type === 1 ? 8 : type === 5 ? 4 : random.int(0, 20)) };
}

/** Small, huge, negative, overlong, too long, and unterminated. */
const varints: readonly Buffer[] = [
  varint(0n),
  varint(1n),
  varint(2n),
  varint(127n),
  varint(2n ** 31n - 1n),
  varint(2n ** 31n),
  varint(2n ** 32n),
  varint(2n ** 40n),
  varint(2n ** 53n),
  varint(2n ** 63n - 1n),
  varint(2n ** 63n),
  varint(2n ** 64n - 1n),
  Buffer.from([0x80, 0x80, 0x00]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
  Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
  Buffer.alloc(20, 0xff),
];

export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/** `lying` writes some lengths wrongly. */
function writeFields(fields: readonly Field[], lying: FuzzRandom | null): Buffer {
  const parts: Buffer[] = [];
  for (const { number, type, value } of fields) {
    parts.push(varint(BigInt(number) * 8n + BigInt(type)));
    const content = Buffer.isBuffer(value) ? value : writeFields(value, lying);
    if (type === bytesType) {
      const isWrong = lying?.chance(0.2) === true;
      const length = isWrong
        ? (lying?.pick([0n, 1n, BigInt(content.length) + 1n, 2n ** 31n, 2n ** 32n + 4n, 2n ** 63n]) ?? 0n)
        : BigInt(content.length);
      parts.push(varint(length));
    }
    parts.push(content);
  }
  return Buffer.concat(parts);
}

function isMessage(field: Field): field is Field & { readonly value: readonly Field[] } {
  return !Buffer.isBuffer(field.value);
}
