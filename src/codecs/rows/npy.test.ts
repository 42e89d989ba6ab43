import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Datatype, encodeStrings, type Signature } from '../../tensor.ts';
import { packElements, unpackElements } from './elements.ts';
import { decodeNpy, npyFile, parseNpy } from './npy.ts';

/** A file as written by numpy.save. */
function npy(descriptor: string, shape: string, data: Uint8Array, { fortran = false, version = 1 } = {}): Uint8Array {
  const text = `{'descr': '${descriptor}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`;
  const prefix = version === 1 ? 10 : 12;
  const header = `${text.padEnd(Math.ceil((prefix + text.length + 1) / 64) * 64 - prefix - 1)}\n`;
  const length = Buffer.alloc(prefix - 8);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([version, 0]), length, Buffer.from(header), data]);
}

const model = (datatype: Datatype, ...shape: number[]): Signature => ({ inputs: [{ name: 'x', datatype, shape }], outputs: [] });
const bytes = (array: Float32Array | Float64Array | BigInt64Array): Uint8Array => new Uint8Array(array.buffer);

test('reads files of numpy.save in both versions of the format', () => {
  for (const version of [1, 2]) {
    const array = parseNpy(npy('<f4', '(2, 3)', bytes(new Float32Array([1, 2, 3, 4, 5, 6])), { version }));
    assert.deepEqual([array.datatype, array.shape, Array.from(unpackElements('FP32', array.data))], ['FP32', [2, 3], [1, 2, 3, 4, 5, 6]]);
  }
});

for (const { what, signature, file, shape, values } of [
  {
    what: 'rows of the same type',
    signature: model('FP32', -1, 2),
    file: npy('<f4', '(2, 2)', bytes(new Float32Array([1, 2, 3, 4]))),
    shape: [2, 2],
    values: [1, 2, 3, 4],
  },
  {
    what: 'one row without its first dimension',
    signature: model('FP32', -1, 2),
    file: npy('<f4', '(2,)', bytes(new Float32Array([1, 2]))),
    shape: [1, 2],
    values: [1, 2],
  },
  {
    what: 'doubles for a model of floats',
    signature: model('FP32', -1, 2),
    file: npy('<f8', '(1, 2)', bytes(new Float64Array([0.5, 2]))),
    shape: [1, 2],
    values: [0.5, 2],
  },
  {
    what: 'whole doubles for a model of integers',
    signature: model('INT32', -1),
    file: npy('<f8', '(2,)', bytes(new Float64Array([5, 2]))),
    shape: [2],
    values: [5, 2],
  },
  {
    what: '64-bit integers for a model of floats',
    signature: model('FP32', -1, 1),
    file: npy('<i8', '(2, 1)', bytes(new BigInt64Array([5n, 2n]))),
    shape: [2, 1],
    values: [5, 2],
  },
  {
    what: 'images without the channel',
    signature: model('UINT8', -1, 1, 2, 2),
    file: npy('|u1', '(1, 2, 2)', Uint8Array.of(1, 2, 3, 4)),
    shape: [1, 1, 2, 2],
    values: [1, 2, 3, 4],
  },
  {
    what: 'booleans',
    signature: model('BOOL', -1, 2),
    file: npy('|b1', '(1, 2)', Uint8Array.of(1, 0)),
    shape: [1, 2],
    values: [true, false],
  },
]) {
  test(`takes ${what}`, () => {
    const [invocation, ...others] = decodeNpy(signature, file);
    const [input] = invocation?.inputs ?? [];
    assert(input !== undefined && others.length === 0);
    assert.deepEqual([input.shape, Array.from(unpackElements(input.datatype, input.data))], [shape, values]);
  });
}

const two = bytes(new Float32Array([1, 2]));
for (const { what, file, says } of [
  { what: 'a file that is not npy', file: Buffer.from('1,2,3,4,5,6'), says: /not an npy file/ },
  { what: 'a file cut off in its header', file: npy('<f4', '(2,)', two).subarray(0, 40), says: /ends within its header/ },
  { what: 'a file cut off in its data', file: npy('<f4', '(3,)', two), says: /needs 12 bytes, the file holds 8/ },
  { what: 'Fortran order', file: npy('<f4', '(1, 2)', two, { fortran: true }), says: /ascontiguousarray/ },
  { what: 'big-endian numbers', file: npy('>f4', '(2,)', two), says: /npy arrays of >f4 are not read: convert with array.astype/ },
  { what: 'objects', file: npy('|O', '(2,)', two), says: /\|O/ },
  { what: 'another shape', file: npy('|u1', '(2, 4)', new Uint8Array(8)), says: /got an array of shape \[2,4\]/ },
]) {
  test(`rejects ${what} with the reason`, () => {
    assert.throws(() => decodeNpy(model('FP32', -1, 2), file), { code: 'invalid_request', message: says });
  });
}

test('rejects numbers that the model cannot hold', () => {
  assert.throws(() => decodeNpy(model('INT32', -1), npy('<f8', '(1,)', bytes(new Float64Array([1.5])))), /whole number/);
});

test('a model with one row per request gets a request per row', () => {
  const each = decodeNpy(model('FP32', 1, 2), npy('<f4', '(2, 2)', bytes(new Float32Array([1, 2, 3, 4]))));
  assert.deepEqual(
    each.map(({ inputs: [input] }) => [input?.shape, Array.from(unpackElements('FP32', input?.data as Uint8Array))]),
    [
      [
        [1, 2],
        [1, 2],
      ],
      [
        [1, 2],
        [3, 4],
      ],
    ],
  );
});

test('written files round-trip, with the alignment of numpy', () => {
  for (const [datatype, shape, values] of [
    ['FP32', [2, 1], [1.5, -2]],
    ['INT64', [2], [9_007_199_254_740_993n, -1n]],
    ['BOOL', [], [true]],
    ['FP16', [1, 2], [0.5, 65_504]],
  ] as const) {
    const file = npyFile({ datatype, shape, data: packElements('x', datatype, values) });
    const array = parseNpy(file);
    assert.deepEqual([array.datatype, array.shape, Array.from(unpackElements(array.datatype, array.data))], [datatype, shape, values]);
    assert.equal((file.length - array.data.length) % 64, 0);
  }
});

test('text is written as an array of text', () => {
  const file = npyFile({ datatype: 'BYTES', shape: [2], data: encodeStrings(['a', 'é😀']) });
  assert.match(file.toString('latin1'), /^\x93NUMPY\x01\x00.{2}\{'descr': '<U2', 'fortran_order': False, 'shape': \(2,\), \} +\n/s);
  assert.deepEqual([...new Uint32Array(new Uint8Array(file.subarray(-16)).buffer)], [0x61, 0, 0xe9, 0x1f600]);
});
