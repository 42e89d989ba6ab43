import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Datatype, datatypes } from '../../tensor.ts';
import { packElements, unpackElements } from './elements.ts';

const samples: Record<Datatype, readonly unknown[]> = {
  BOOL: [true, false, true],
  INT8: [-128, 0, 127],
  INT16: [-32768, 0, 32767],
  INT32: [-2147483648, 0, 2147483647],
  INT64: [-9007199254740993n, 0n, 2n ** 63n - 1n],
  UINT8: [0, 1, 255],
  UINT16: [0, 1, 65535],
  UINT32: [0, 1, 4294967295],
  UINT64: [0n, 1n, 2n ** 64n - 1n],
  FP16: [0, 0.5, -65504],
  FP32: [0, 0.5, -(2 ** 100)],
  FP64: [0, 0.1, -1e300],
  BF16: [0, 0.5, -256],
  BYTES: ['', 'zwölf', '漢字'],
};

for (const datatype of Object.keys(datatypes) as Datatype[]) {
  test(`${datatype}: round-trips`, () => {
    assert.deepEqual(Array.from(unpackElements(datatype, packElements('x', datatype, samples[datatype]))), samples[datatype]);
  });
}

for (const { datatype, value, says } of [
  { datatype: 'FP32', value: '1.5', says: /must be a number, got "1.5"/ },
  { datatype: 'FP32', value: null, says: /element 0 must be a number, got null/ },
  { datatype: 'INT32', value: 1.5, says: /whole number from -2147483648 to 2147483647, got 1.5/ },
  { datatype: 'UINT8', value: 256, says: /whole number from 0 to 255, got 256/ },
  { datatype: 'INT64', value: 2 ** 53, says: /beyond 2\^53 as text/ },
  { datatype: 'INT64', value: '9223372036854775808', says: /whole number/ },
  { datatype: 'UINT64', value: -1, says: /from 0/ },
  { datatype: 'BOOL', value: 2, says: /true or false, got 2/ },
  { datatype: 'BYTES', value: 7, says: /must be a string, got 7/ },
] as const) {
  test(`${datatype} rejects ${JSON.stringify(value)}`, () => {
    assert.throws(() => packElements('x', datatype, [value]), { code: 'invalid_request', message: says });
  });
}

test('a 64-bit integer beyond 2^53 can be written as text', () => {
  assert.deepEqual(Array.from(unpackElements('INT64', packElements('x', 'INT64', ['9007199254740993', 5]))), [9007199254740993n, 5n]);
});
