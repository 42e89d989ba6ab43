/**
 * Datatypes of the protocol and the bytes of their elements: little-endian, as in the binary extension. Read from the protocol's text and
 * not shared with any server, so that a server's mistake is not the suite's.
 */

/** Bytes of one element, null if variable; and the name of the datatype in the model `test-dtypes`. */
const facts = {
  BOOL: { bytes: 1, word: 'bool' },
  INT8: { bytes: 1, word: 'int8' },
  INT16: { bytes: 2, word: 'int16' },
  INT32: { bytes: 4, word: 'int32' },
  INT64: { bytes: 8, word: 'int64' },
  UINT8: { bytes: 1, word: 'uint8' },
  UINT16: { bytes: 2, word: 'uint16' },
  UINT32: { bytes: 4, word: 'uint32' },
  UINT64: { bytes: 8, word: 'uint64' },
  FP16: { bytes: 2, word: 'float16' },
  FP32: { bytes: 4, word: 'float32' },
  FP64: { bytes: 8, word: 'float64' },
  BF16: { bytes: 2, word: '' },
  BYTES: { bytes: null, word: 'string' },
} as const;

export type Datatype = keyof typeof facts;
type Sized = Exclude<Datatype, 'BYTES'>;

export const datatypes = Object.keys(facts) as readonly Datatype[];

export function isDatatype(word: unknown): word is Datatype {
  return typeof word === 'string' && Object.hasOwn(facts, word);
}

/** In the names of the inputs of `test-dtypes`. */
export function wordOf(datatype: Datatype): string {
  return facts[datatype].word;
}

/** A scalar (`[]`) has one. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

type Method = 'Int8' | 'Int16' | 'Int32' | 'BigInt64' | 'Uint8' | 'Uint16' | 'Uint32' | 'BigUint64' | 'Float32' | 'Float64';

/** FP16 and BF16 are read and written as their bits. */
const methods: Readonly<Record<Sized, Method>> = {
  BOOL: 'Uint8',
  INT8: 'Int8',
  INT16: 'Int16',
  INT32: 'Int32',
  INT64: 'BigInt64',
  UINT8: 'Uint8',
  UINT16: 'Uint16',
  UINT32: 'Uint32',
  UINT64: 'BigUint64',
  FP16: 'Uint16',
  FP32: 'Float32',
  FP64: 'Float64',
  BF16: 'Uint16',
};

/** The values of the bytes; 64-bit integers are bigints. Throws if the bytes are not a whole number of elements. */
export function valuesOf(datatype: Sized, data: Uint8Array): (number | bigint)[] {
  const { bytes } = facts[datatype];
  if (data.length % bytes !== 0) throw new Error(`${data.length} bytes are not a whole number of ${datatype} elements`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const method = `get${methods[datatype]}` as const;
  return Array.from({ length: data.length / bytes }, (_, index) => view[method](index * bytes, true));
}

export function bytesOfValues(datatype: Sized, values: readonly unknown[]): Buffer {
  const { bytes } = facts[datatype];
  const data = Buffer.alloc(values.length * bytes);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const method = methods[datatype];
  for (const [index, value] of values.entries()) {
    if (method === 'BigInt64' || method === 'BigUint64') view[`set${method}`](index * bytes, BigInt(value as number), true);
    else view[`set${method}`](index * bytes, Number(value), true);
  }
  return data;
}

/** BYTES: each element is its length as uint32, then its UTF-8 bytes. */
export function bytesOfTexts(texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** Throws if a length exceeds the data, or an element is not UTF-8. */
export function textsOf(data: Uint8Array): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const texts: string[] = [];
  for (let offset = 0; offset < data.length; ) {
    const start = offset + 4;
    const end = start <= data.length ? start + view.getUint32(offset, true) : Number.POSITIVE_INFINITY;
    if (end > data.length)
      throw new Error(`BYTES element ${texts.length}: its length runs past the end of the data (${data.length} bytes)`);
    texts.push(decoder.decode(data.subarray(start, end)));
    offset = end;
  }
  return texts;
}
