import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { type Datatype, datatypes, elementCount, encodeStrings, type Signature, type Tensor } from '../../tensor.ts';
import { merge, shapeBucketOf, split } from './batch-tensors.ts';

const anyDatatype = fc.constantFrom(...(Object.keys(datatypes) as Datatype[]));

/** Requests of one to four rows with random content, all of the same datatype and row shape. */
const requests = fc
  .record({ datatype: anyDatatype, rowShape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }) })
  .chain(({ datatype, rowShape }) =>
    fc.array(
      fc.integer({ min: 1, max: 4 }).chain((rows) => tensorOf(datatype, [rows, ...rowShape])),
      { minLength: 1, maxLength: 6 },
    ),
  );

function tensorOf(datatype: Datatype, shape: readonly number[]): fc.Arbitrary<Tensor> {
  const count = elementCount(shape);
  const { bytes } = datatypes[datatype];
  const data: fc.Arbitrary<Uint8Array> =
    bytes === null
      ? fc.array(fc.string({ unit: 'grapheme', maxLength: 5 }), { minLength: count, maxLength: count }).map(encodeStrings)
      : fc.uint8Array({ minLength: count * bytes, maxLength: count * bytes });
  return data.map((content) => ({ name: 'x', datatype, shape, data: content }));
}

function specOf(tensor: Tensor): Signature {
  return { inputs: [{ name: 'x', datatype: tensor.datatype, shape: [-1, ...tensor.shape.slice(1)] }], outputs: [] };
}

test('splitting a merged batch returns each request its own rows, for every datatype and shape', () => {
  fc.assert(
    fc.property(requests, (tensors) => {
      const rowsOf = tensors.map(({ shape }) => shape[0] as number);
      const rows = rowsOf.reduce((sum, each) => sum + each, 0);
      const merged = merge(
        specOf(tensors[0] as Tensor),
        tensors.map((tensor) => [tensor]),
        rows,
      );
      const answers = split(
        merged.map(({ parts, ...tensor }) => ({ ...tensor, data: Buffer.concat(parts) })),
        rowsOf,
      );
      for (const [i, tensor] of tensors.entries()) {
        const [answer] = answers[i] as Tensor[];
        assert.deepEqual(answer?.shape, tensor.shape);
        assert.deepEqual(Buffer.from(answer?.data ?? []), Buffer.from(tensor.data));
      }
    }),
  );
});

test('rejects an output whose rows do not match the rows of the batch', () => {
  const output: Tensor = { name: 'y', datatype: 'UINT8', shape: [3], data: new Uint8Array(3) };
  assert.throws(
    () => split([output], [1, 1]),
    new PlatformError('model_failed', "output 'y' has shape [3], expected 2 rows, one for each row of the batch"),
  );
});

describe('requests that may share a batch', () => {
  const rows = (length: number): Tensor => ({ name: 'x', datatype: 'UINT8', shape: [1, length], data: new Uint8Array(length) });
  const scalar = (value: number): Tensor => ({ name: 'n', datatype: 'UINT8', shape: [], data: Uint8Array.of(value) });

  test('all requests, if only the batch dimension varies', () => {
    assert.equal(shapeBucketOf({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1, 4] }], outputs: [] }), null);
  });

  test('requests of equal length, if another dimension varies', () => {
    const bucket = shapeBucketOf({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1, -1] }], outputs: [] });
    assert(bucket !== null);
    assert.equal(bucket([rows(4)]), bucket([rows(4)]));
    assert.notEqual(bucket([rows(4)]), bucket([rows(5)]));
  });

  test('requests with equal scalars, if an input has no batch dimension', () => {
    const bucket = shapeBucketOf({
      inputs: [
        { name: 'x', datatype: 'UINT8', shape: [-1, 4] },
        { name: 'n', datatype: 'UINT8', shape: [] },
      ],
      outputs: [],
    });
    assert(bucket !== null);
    assert.equal(bucket([rows(4), scalar(1)]), bucket([rows(4), scalar(1)]));
    assert.notEqual(bucket([rows(4), scalar(1)]), bucket([rows(4), scalar(2)]));
  });
});
