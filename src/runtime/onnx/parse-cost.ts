/**
 * What parsing an ONNX file would cost, counted from its wire format before any object is created. A field of two bytes may become an object
 * of 500: 60 MiB of empty fields take seconds and gigabytes. The count follows the schema into every nesting, creates nothing, and stops
 * at its limit.
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';

/** Memory of a parsed value, about: what V8 takes for it, and its place in a list. The time of parsing is in proportion to it. */
const costBytes = { message: 512, unknown: 192, bytes: 128, bigint: 64, number: 8 } as const;

/** Parsing this takes one to two seconds. It is 32 Mi integers of 64 bits, as in a forest of five million nodes. */
export const parseCostBytesMax = 2 * 2 ** 30;

/** As of the parser. A deeper file is left to it, because it rejects one at once. */
const depthMax = 100;

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

interface FieldCost {
  readonly costBytes: number;
  /** The wire type of one value. */
  readonly wireType: number;
  readonly isList: boolean;
  /** Of a message. */
  readonly message: DescMessage | null;
}

/** Costs of a message's fields, by number. */
type MessageCosts = readonly (FieldCost | undefined)[];

/** An estimate of the memory that a parse takes, and whether the bytes can be of the schema at all. */
export interface ParseCost {
  /** Up to the limit, or to where the count ended. */
  readonly costBytes: number;
  /** Why the bytes are not of the schema, such as a field of a wrong wire type. Cut off files are left to the parser. */
  readonly defect: string | null;
}

/** Counts the model in `bytes` until its cost is above `maxBytes`. */
export function parseCostOf(bytes: Uint8Array, maxBytes: number): ParseCost {
  const counter = new Counter(bytes, maxBytes);
  const defect = counter.count();
  return { costBytes: counter.costBytes, defect };
}

class Counter {
  readonly #bytes: Uint8Array;
  readonly #maxBytes: number;
  position = 0;
  costBytes = 0;
  /** The message being read, and those around it: their costs, and where they end. */
  #costs: MessageCosts = costsOf(ModelProtoSchema);
  #end: number;
  readonly #outer: { readonly costs: MessageCosts; readonly end: number }[] = [];

  constructor(bytes: Uint8Array, maxBytes: number) {
    this.#bytes = bytes;
    this.#maxBytes = maxBytes;
    this.#end = bytes.length;
  }

  /** Returns the first defect; null if there is none, or if the parser will find it. */
  count(): string | null {
    const { length } = this.#bytes;
    while (this.position < length && this.costBytes <= this.#maxBytes) {
      if (this.position >= this.#end) {
        const { costs, end } = this.#outer.pop() as { costs: MessageCosts; end: number };
        this.#costs = costs;
        this.#end = end;
        continue;
      }
      const tag = this.#varint();
      const field = this.#costs[tag >>> 3];
      if (field === undefined) this.costBytes += costBytes.unknown;
      else if (field.message !== null && (tag & 7) === wire.bytes) {
        this.costBytes += field.costBytes;
        if (!this.#enter(field.message)) return null;
        continue;
      }
      const defect = this.#skip(tag, field);
      if (defect !== null) return defect;
    }
    return null;
  }

  /** False if the file nests deeper than the parser goes. */
  #enter(message: DescMessage): boolean {
    const length = this.#varint();
    this.#outer.push({ costs: this.#costs, end: this.#end });
    this.#costs = costsOf(message);
    this.#end = this.position + length;
    return this.#outer.length < depthMax;
  }

  #skip(tag: number, field: FieldCost | undefined): string | null {
    const wireType = tag & 7;
    if (field !== undefined) {
      const isPacked = field.isList && field.wireType !== wire.bytes && wireType === wire.bytes;
      if (isPacked) {
        this.#packed(field);
        return null;
      }
      if (wireType !== field.wireType) return `field ${tag >>> 3} has the wire type ${wireType}, expected ${field.wireType}`;
      this.costBytes += field.costBytes;
    }
    switch (wireType) {
      case wire.varint:
        this.#varint();
        return null;
      case wire.fixed64:
        this.position += 8;
        return null;
      case wire.fixed32:
        this.position += 4;
        return null;
      case wire.bytes: {
        const length = this.#varint();
        this.position += length;
        return null;
      }
      default:
        return `field ${tag >>> 3} has the wire type ${wireType}, which ONNX does not use`;
    }
  }

  /** Numbers in one field. Of varints every byte without a following one ends a number. */
  #packed({ costBytes: each, wireType }: FieldCost): void {
    const length = this.#varint();
    const end = Math.min(this.position + length, this.#bytes.length);
    if (wireType === wire.varint) {
      const leftMax = (this.#maxBytes - this.costBytes) / each + 1;
      let count = 0;
      let at = this.position;
      for (; at < end && count < leftMax; at++) count += ((this.#bytes[at] as number) >> 7) ^ 1;
      this.position = at;
      this.costBytes += count * each;
    } else {
      this.costBytes += ((end - this.position) / (wireType === wire.fixed64 ? 8 : 4)) * each;
      this.position = end;
    }
  }

  /** The lower 32 bits, as the parser reads tags and lengths. */
  #varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[this.position++];
      if (byte === undefined) return 0;
      if (shift < 32) value |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    return value >>> 0;
  }
}

const costsByMessage = new Map<DescMessage, MessageCosts>();

function costsOf(message: DescMessage): MessageCosts {
  let costs = costsByMessage.get(message);
  if (costs === undefined) {
    const byNumber: FieldCost[] = [];
    for (const field of message.fields) byNumber[field.number] = costOf(field);
    costs = byNumber;
    costsByMessage.set(message, costs);
  }
  return costs;
}

function costOf(field: DescField): FieldCost {
  const isList = field.fieldKind === 'list';
  if (field.message !== undefined) return { costBytes: costBytes.message, wireType: wire.bytes, isList, message: field.message };
  // The parser stores an unknown value of an enum as an object.
  if (field.scalar === undefined) return { costBytes: costBytes.unknown, wireType: wire.varint, isList, message: null };
  return { ...scalarCost(field.scalar), isList, message: null };
}

/** ONNX has no other kinds. */
function scalarCost(scalar: ScalarType): Pick<FieldCost, 'costBytes' | 'wireType'> {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return { costBytes: costBytes.bytes, wireType: wire.bytes };
    case ScalarType.FLOAT:
      return { costBytes: costBytes.number, wireType: wire.fixed32 };
    case ScalarType.DOUBLE:
      return { costBytes: costBytes.number, wireType: wire.fixed64 };
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return { costBytes: costBytes.bigint, wireType: wire.varint };
    default:
      return { costBytes: costBytes.number, wireType: wire.varint };
  }
}
