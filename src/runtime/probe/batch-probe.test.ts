import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../../errors.ts';
import { SeededRandom } from '../../random.ts';
import {
  bytesOf,
  type Datatype,
  decodeStrings,
  elementsOf,
  encodeStrings,
  jsonSignature,
  rowCount,
  type Signature,
  type Tensor,
} from '../../tensor.ts';
import { probeBatchability } from './batch-probe.ts';
import { sampleInputs } from './sample-inputs.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};

const scoresSignature: Signature = { ...signature, outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }] };

function answer(values: readonly number[]): Tensor[] {
  return [{ name: 'y', datatype: 'FP32', shape: [values.length], data: bytesOf(Float32Array.from(values)) }];
}

const chance = new SeededRandom(7);

/** A model that returns each row's sum, changed by `disturb(value, row, rows)`. */
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

for (const { what, disturb, reason = null, note = null } of [
  { what: 'treats each row independently', disturb: (value: number) => value },
  { what: 'differs in the last digits only', disturb: (value: number, _: number, rows: number) => value * (1 + rows * 1e-6) },
  {
    what: 'rounds differently in larger batches',
    disturb: (value: number, _: number, rows: number) => value * (1 + rows * 0.01),
    note: /rounded differently: output 'y' differed by up to 1\.9 %/,
  },
  { what: 'returns NaN for any input', disturb: () => Number.NaN },
  {
    what: 'divides by the number of rows',
    disturb: (value: number, _: number, rows: number) => value / rows,
    reason: /depends on the size of its batch \(output 'y' differs by 50 %\)/,
  },
  {
    what: 'treats the third row differently',
    disturb: (value: number, row: number) => (row === 2 ? 0 : value),
    reason: /depends on the size of its batch/,
  },
  { what: 'is random', disturb: (value: number) => value + chance.next(), reason: /two different results.*model\.eval\(\)/ },
]) {
  test(`a model that ${what} is ${reason === null ? '' : 'not '}batchable${note === null ? '' : ', with a note'}`, async () => {
    const result = await probeBatchability(signature, model(disturb), { random: new SeededRandom(1) });
    assert.equal(result.batchable, reason === null, result.reason);
    if (reason !== null) assert.match(result.reason, reason);
    if (note === null) assert.equal(result.note, null);
    else assert.match(result.note ?? '', note);
  });
}

test('a place in the batch that changes the result by more than rounding is found', async () => {
  const run = model((value, row) => (row === 1 ? value * 1.2 : value));
  const { batchable, reason } = await probeBatchability(signature, run, { random: new SeededRandom(1) });
  assert.equal(batchable, false);
  assert.match(reason, /depends on the size of its batch/);
});

/** A model whose rows are classes: `scores(sum, others)` of a row, by its own sum and the sum of all others. */
function classifier(scores: (sum: number, others: number, rows: number) => readonly number[]) {
  return async ([x]: readonly Tensor[]): Promise<Tensor[]> => {
    const { data, shape } = x as Tensor;
    const values = elementsOf('FP32', data) as Float32Array;
    const rows = rowCount(shape);
    const sums = Array.from({ length: rows }, (_, row) => (values[2 * row] as number) + (values[2 * row + 1] as number));
    const all = sums.reduce((total, sum) => total + sum, 0);
    const table = sums.flatMap((sum) => scores(sum, all - sum, rows));
    return [{ name: 'y', datatype: 'FP32', shape: [rows, table.length / rows], data: bytesOf(Float32Array.from(table)) }];
  };
}

test('scores may be rounded by more than their own size, if the largest stays the largest', async () => {
  const run = classifier((_sum, _others, rows) => [0.9, 0.001 * rows]);
  const { batchable, note } = await probeBatchability(scoresSignature, run, { random: new SeededRandom(1) });
  assert.equal(batchable, true);
  assert.match(note ?? '', /output 'y' differed by up to 0\.22 %/);
  const unlike = classifier((_sum, _others, rows) => [0.5, 0.4999 + 0.0002 * rows]);
  assert.equal(
    (await probeBatchability(scoresSignature, unlike, { random: new SeededRandom(1) })).batchable,
    true,
    'within 5 % of each score',
  );
  const halved = classifier((_sum, _others, rows) => [0.9 / rows, 0.1 / rows]);
  assert.match((await probeBatchability(scoresSignature, halved, { random: new SeededRandom(1) })).reason, /size of its batch/);
});

test('the smallest influence of the other rows is a coupling, even if it would pass as rounding', async () => {
  const run = classifier((sum, others) => [sum + 0.001 * others, sum]);
  const { batchable, reason } = await probeBatchability(scoresSignature, run, { random: new SeededRandom(1) });
  assert.equal(batchable, false);
  assert.match(reason, /depends on the other rows of its batch \(output 'y'\).*model\.eval\(\)/);
});

test('real rows are used before generated ones, and may be the only ones that the model takes', async () => {
  const rows = [2, 3, 4].map((value): Tensor[] => [
    { name: 'x', datatype: 'FP32', shape: [1, 2], data: bytesOf(Float32Array.of(value, value)) },
  ]);
  const used = new Set<number>();
  const run = async (inputs: readonly Tensor[]): Promise<Tensor[]> => {
    const values = elementsOf('FP32', (inputs[0] as Tensor).data) as Float32Array;
    for (const value of values) used.add(value);
    if (values.length === 2 && (values[0] as number) < 1) throw new PlatformError('invalid_request', 'at least 1, please');
    return model((value) => value)(inputs);
  };
  const { batchable } = await probeBatchability(signature, run, { random: new SeededRandom(1), realRows: rows });
  assert.equal(batchable, true);
  for (const value of [2, 3, 4]) assert(used.has(value), `${value}`);
});

/** A model that answers each JSON row by `answerTo(row, rows)`, with real rows of one text each. */
function jsonProbe(texts: readonly string[], answerTo: (row: string, rows: readonly string[]) => string) {
  const tensorOf = (name: string, rows: readonly string[]): Tensor[] => [
    { name, datatype: 'BYTES', shape: [rows.length], data: encodeStrings(rows) },
  ];
  const run = async ([request]: readonly Tensor[]): Promise<Tensor[]> => {
    const rows = decodeStrings((request as Tensor).data);
    for (const row of rows) JSON.parse(row);
    return tensorOf(
      'response',
      rows.map((row) => answerTo(row, rows)),
    );
  };
  const realRows = texts.map((text) => tensorOf('request', [text]));
  return probeBatchability(jsonSignature, run, { random: new SeededRandom(1), realRows });
}

const reviews = ['{"n":1}', '{"n":2}', '{"n":3}'];

for (const { what, texts = reviews, answerTo, batchable = true, reason, note = null } of [
  { what: 'is batchable with rows of its sample', answerTo: (row: string) => `{"seen":${row}}`, reason: /no result depended/ },
  {
    what: 'may round the numbers in its texts',
    answerTo: (_: string, rows: readonly string[]) => `{"label":"1.0","score":${0.9 + rows.length * 1e-3}}`,
    reason: /no result depended/,
    note: /rounded differently: output 'response' differed by up to 0\.22 %/,
  },
  {
    what: 'is not batchable if a text depends on the other rows',
    answerTo: (_: string, rows: readonly string[]) => JSON.stringify(rows),
    batchable: false,
    reason: /depends on the (size|other rows)/,
  },
  {
    what: 'is believed without rows to compare, and the reason says so',
    texts: ['{"n":1}', '{"n":1}'],
    answerTo: () => assert.fail('the model must not run'),
    reason: /This was not tested: no sample with three different rows/,
  },
] as const satisfies readonly {
  what: string;
  texts?: readonly string[];
  answerTo: (row: string, rows: readonly string[]) => string;
  batchable?: boolean;
  reason: RegExp;
  note?: RegExp;
}[]) {
  test(`a model that takes rows of JSON ${what}`, async () => {
    const result = await jsonProbe(texts, answerTo);
    assert.equal(result.batchable, batchable, result.reason);
    assert.match(result.reason, reason);
    if (note === null) assert.equal(result.note, null);
    else assert.match(result.note ?? '', note);
  });
}

test('a worker that is lost is no reason not to batch: the inspection fails', async () => {
  const lost = new Error('the worker is gone');
  await assert.rejects(
    probeBatchability(signature, () => Promise.reject(lost), { random: new SeededRandom(1) }),
    lost,
  );
});

test('rows too large to share a run are not generated', async () => {
  const large: Signature = { ...signature, inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2 ** 23] }] };
  const run = (): Promise<Tensor[]> => assert.fail('the model must not run');
  const { batchable, reason } = await probeBatchability(large, run, { random: new SeededRandom(1) });
  assert.equal(batchable, false);
  assert.match(reason, /more than 16 MiB of inputs/);
});

test('a model that fails on two rows is not batchable, with its error as the reason', async () => {
  const run = async ([x]: readonly Tensor[]) => {
    if (rowCount((x as Tensor).shape) > 1) throw new PlatformError('model_failed', 'only one, please');
    return answer([1]);
  };
  const { batchable, reason } = await probeBatchability(signature, run, { random: new SeededRandom(1) });
  assert.equal(batchable, false);
  assert.match(reason, /2 rows together fail: only one, please/);
});

test('a model that rejects every generated row is not batchable, because nothing is proven', async () => {
  const run = async (): Promise<Tensor[]> => Promise.reject(new PlatformError('invalid_request', 'I want cats'));
  const { batchable, reason } = await probeBatchability(signature, run, { random: new SeededRandom(1) });
  assert.equal(batchable, false);
  assert.match(reason, /could not be tested.*I want cats/);
});

test('a scalar input can be shared, a fixed number of rows cannot', async () => {
  const scalar: Signature = { ...signature, inputs: [...signature.inputs, { name: 'times', datatype: 'INT64', shape: [] }] };
  assert.equal(
    (
      await probeBatchability(
        scalar,
        model((value) => value),
        { random: new SeededRandom(1) },
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
        { random: new SeededRandom(1) },
      )
    ).reason,
    /fixed first dimension of 1.*dynamic_axes=\{'x': \{0: 'batch'\}, 'y': \{0: 'batch'\}\}/,
  );
});

test('generated inputs have the requested rows, the fixed sizes and plausible values', () => {
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
