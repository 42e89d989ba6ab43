import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import { bytesOf, type Datatype, elementsOf, rowCount, type Signature, type Tensor } from '../tensor.ts';
import { probeBatchability } from './batch-probe.ts';
import { sampleInputs } from './sample-inputs.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};

function answer(values: readonly number[]): Tensor[] {
  return [{ name: 'y', datatype: 'FP32', shape: [values.length], data: bytesOf(Float32Array.from(values)) }];
}

const chance = new SeededRandom(7);

/** A model that gives each row's sum, disturbed by `disturb(value, row, rows)`. */
function model(disturb: (value: number, row: number, rows: number) => number) {
  return async ([x]: readonly Tensor[]) => {
    const { data, shape } = x as Tensor;
    const values = elementsOf('FP32', data) as Float32Array;
    const rows = rowCount(shape);
    return answer(
      Array.from({ length: rows }, (_, row) => disturb((values[2 * row] as number) + (values[2 * row + 1] as number), row, rows)),
    );
  };
}

for (const { what, disturb, reason } of [
  { what: 'answers each row by itself', disturb: (value: number) => value, reason: null },
  { what: 'differs in the last digits only', disturb: (value: number, _: number, rows: number) => value * (1 + rows * 1e-6), reason: null },
  { what: 'gives NaN whatever it is given', disturb: () => Number.NaN, reason: null },
  {
    what: 'divides by the rows',
    disturb: (value: number, _: number, rows: number) => value / rows,
    reason: /depends on the other rows.*'y'/,
  },
  {
    what: 'treats the third row otherwise',
    disturb: (value: number, row: number) => (row === 2 ? 0 : value),
    reason: /depends on the other rows/,
  },
  { what: 'draws at random', disturb: (value: number) => value + chance.next(), reason: /two different results/ },
]) {
  test(`a model that ${what} is ${reason === null ? '' : 'not '}batchable`, async () => {
    const result = await probeBatchability(signature, model(disturb), new SeededRandom(1));
    assert.equal(result.batchable, reason === null, result.reason);
    if (reason !== null) assert.match(result.reason, reason);
  });
}

test('a model that fails on two rows is not batchable, and the reason is its own', async () => {
  const run = async ([x]: readonly Tensor[]) => {
    if (rowCount((x as Tensor).shape) > 1) throw new PlatformError('model_failed', 'only one, please');
    return answer([1]);
  };
  const { batchable, reason } = await probeBatchability(signature, run, new SeededRandom(1));
  assert.equal(batchable, false);
  assert.match(reason, /2 rows together fail: only one, please/);
});

test('a model that refuses every made-up row is not batchable, since nothing is proven', async () => {
  const run = async (): Promise<Tensor[]> => Promise.reject(new PlatformError('invalid_request', 'I want cats'));
  const { batchable, reason } = await probeBatchability(signature, run, new SeededRandom(1));
  assert.equal(batchable, false);
  assert.match(reason, /could not be proven.*I want cats/);
});

test('a scalar input may be shared, rows of fixed number may not', async () => {
  const scalar: Signature = { ...signature, inputs: [...signature.inputs, { name: 'times', datatype: 'INT64', shape: [] }] };
  assert.equal(
    (
      await probeBatchability(
        scalar,
        model((value) => value),
        new SeededRandom(1),
      )
    ).batchable,
    true,
  );
  const fixed: Signature = { ...signature, inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }] };
  assert.match(
    (
      await probeBatchability(
        fixed,
        model((value) => value),
        new SeededRandom(1),
      )
    ).reason,
    /fixed first dimension of 1/,
  );
});

test('made-up inputs have the asked rows, the fixed sizes and plausible values', () => {
  const all: Datatype[] = ['BOOL', 'INT8', 'INT64', 'UINT64', 'FP16', 'FP32', 'FP64', 'BYTES'];
  const inputs = all.map((datatype) => ({ name: datatype, datatype, shape: [-1, 3, -1] }));
  for (const { datatype, shape, data } of sampleInputs({ inputs, outputs: [] }, 2, new SeededRandom(3))) {
    assert.deepEqual(shape, [2, 3, 16]);
    if (datatype === 'BYTES') continue;
    assert.equal(elementsOf(datatype, data).length, 96);
    if (datatype.startsWith('FP') && datatype !== 'FP16') {
      assert(elementsOf(datatype, data).every((value) => value >= 0 && value < 1));
    } else if (datatype !== 'FP16') {
      assert(elementsOf(datatype, data).every((value) => Number(value) === 0 || Number(value) === 1));
    }
  }
});
