import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elementsOf, type Signature, type Tensor } from '../../tensor.ts';
import { checkCsvHeader } from './csv.ts';
import { decodeRows } from './decode-body.ts';
import { anyRows } from './invocation.ts';

/** One input of three numbers, and the same columns as an input each, the last of them text. */
const numbers: Signature = { inputs: [{ name: 'x', datatype: 'FP64', shape: [-1, 3], columns: ['age', 'fare', 'sex'] }], outputs: [] };
const floats: Signature = { inputs: [{ ...numbers.inputs[0], name: 'x', datatype: 'FP32', shape: [-1, 3] }], outputs: [] };
const mixed: Signature = {
  inputs: [
    { name: 'age', datatype: 'FP64', shape: [-1] },
    { name: 'fare', datatype: 'FP64', shape: [-1] },
    { name: 'sex', datatype: 'INT64', shape: [-1] },
  ],
  outputs: [],
};

/** The rows as lists, by column. */
function rowsOf(signature: Signature, body: unknown, contentType = 'application/json', label?: string): unknown[][] {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const [invocation] = decodeRows({ signature, contentType, body: Buffer.from(text), label, limits: anyRows });
  const { inputs, rows } = invocation as { inputs: readonly Tensor[]; rows: number };
  const columns = inputs.map(({ datatype, data }) => Array.from(elementsOf(datatype as 'FP64', data) as Float64Array, Number));
  if (inputs.length > 1) return Array.from({ length: rows }, (_, row) => columns.map((each) => each[row]));
  return Array.from({ length: rows }, (_, row) => (columns[0] as number[]).slice(3 * row, 3 * row + 3));
}

const wanted = [
  [30, 7.5, 1],
  [40, 9, 0],
];

for (const [name, signature] of Object.entries({ 'one input': numbers, '32-bit floats': floats, 'an input each': mixed })) {
  for (const { what, body, type } of [
    { what: 'CSV under a header in any order', body: 'sex,age,fare\n1,30,7.5\n0,40,9\n', type: 'text/csv' },
    { what: 'CSV under a header in its order', body: 'age,fare,sex\n30,7.5,1\n40,9,0', type: 'text/csv' },
    { what: 'CSV without a header in its order', body: '30,7.5,1\n40,9,0', type: 'text/csv' },
    {
      what: 'instances by name',
      body: {
        instances: [
          { sex: 1, fare: 7.5, age: 30 },
          { age: 40, sex: 0, fare: 9 },
        ],
      },
    },
    {
      what: 'a bare list of rows by name',
      body: [
        { sex: 1, fare: 7.5, age: 30 },
        { age: 40, sex: 0, fare: 9 },
      ],
    },
    {
      what: 'dataframe_records',
      body: {
        dataframe_records: [
          { sex: 1, fare: 7.5, age: 30 },
          { age: 40, sex: 0, fare: 9 },
        ],
      },
    },
    {
      what: 'dataframe_split',
      body: {
        dataframe_split: {
          index: [0, 1],
          columns: ['fare', 'sex', 'age'],
          data: [
            [7.5, 1, 30],
            [9, 0, 40],
          ],
        },
      },
    },
    { what: 'inputs by name', body: { inputs: { fare: [7.5, 9], sex: [1, 0], age: [30, 40] } } },
  ]) {
    test(`${name} takes ${what}`, () => assert.deepEqual(rowsOf(signature, body, type), wanted));
  }
}

test('one input takes rows without names in its order, and its own name', () => {
  assert.deepEqual(rowsOf(numbers, { instances: wanted }), wanted);
  assert.deepEqual(rowsOf(numbers, { inputs: wanted }), wanted);
  assert.deepEqual(rowsOf(numbers, { instances: wanted.map((x) => ({ x })) }), wanted);
  assert.deepEqual(rowsOf(numbers, { inputs: [{ name: 'x', datatype: 'FP64', shape: [2, 3], data: wanted }] }), wanted);
});

test('a label column is not an input', () => {
  assert.deepEqual(rowsOf(numbers, 'sex,survived,age,fare\n1,1,30,7.5\n0,0,40,9', 'text/csv', 'survived'), wanted);
});

test('many rows by name are within the limits of values', () => {
  const names = Array.from({ length: 30 }, (_, column) => `column ${column}`);
  const wide: Signature = { inputs: [{ name: 'x', datatype: 'FP64', shape: [-1, 30], columns: names }], outputs: [] };
  const row = Object.fromEntries(names.map((name, column) => [name, column]));
  const body = Buffer.from(JSON.stringify({ instances: Array.from({ length: 20_000 }, () => row) }));
  const limits = { rowsMax: 65_536, requestsMax: 4096 };
  const [invocation] = decodeRows({ signature: wide, contentType: 'application/json', body, label: undefined, limits });
  assert.equal(invocation?.rows, 20_000);
});

for (const { what, body, type, message } of [
  {
    what: 'a column that is missing',
    body: { instances: [{ age: 3, fare: 1 }] },
    message: /instances\[0\] lacks the column 'sex': it takes age, fare, sex/,
  },
  {
    what: 'a column that is missing in a later row',
    body: { dataframe_records: [{ age: 3, fare: 1, sex: 0 }, { sex: 1 }] },
    message: /instances\[1\] lacks the columns 'age', 'fare'/,
  },
  {
    what: 'a column that the model does not know',
    body: { instances: [{ age: 3, fare: 1, sex: 0, name: 2 }] },
    message: /instances\[0\]: the model does not know the column 'name': it takes age, fare, sex/,
  },
  { what: 'a CSV column that is missing', body: 'age,sex\n1,2', type: 'text/csv', message: /\(missing: fare\)/ },
  { what: 'a CSV column that is not known', body: 'age,sex,fare,name\n1,2,3,4', type: 'text/csv', message: /\(not known: name\)/ },
  { what: 'a CSV column that comes twice', body: 'age,sex,fare,age\n1,2,3,4', type: 'text/csv', message: /\(more than once: age\)/ },
  {
    what: 'a header of other names',
    body: 'a,b,c\n1,2,3',
    type: 'text/csv',
    message: /names none of the model's inputs: it takes age, fare, sex/,
  },
  { what: 'a split without columns', body: { dataframe_split: { data: [[1]] } }, message: /must be \{"columns"/ },
  {
    what: 'a split with a short row',
    body: { dataframe_split: { columns: ['age'], data: [[1], []] } },
    message: /row 1 .* has 0 values, expected 1/,
  },
  {
    what: 'a split that names a column twice',
    body: { dataframe_split: { columns: ['age', 'age'], data: [] } },
    message: /names a column twice/,
  },
  { what: 'a split without rows', body: { dataframe_split: { columns: ['age'], data: [] } }, message: /'instances' is empty/ },
  { what: 'records that are not objects', body: { dataframe_records: [1] }, message: /must be a list of objects/ },
  {
    what: 'inputs of unequal columns',
    body: { inputs: { age: [1, 2], fare: [1], sex: [0, 0] } },
    message: /the column 'fare' must be a list of as many/,
  },
  { what: 'inputs that are not lists', body: { inputs: { age: 1 } }, message: /the column 'age' must be a list/ },
  { what: 'a document with another field', body: { dataframe_records: [], params: {} }, message: /unknown field 'dataframe_records'/ },
]) {
  test(`rows by name are rejected for ${what}`, () => {
    assert.throws(() => rowsOf(numbers, body, type), { code: 'invalid_request', message });
  });
}

test('the header of a file is checked before its rows', () => {
  checkCsvHeader(numbers, ['fare', 'sex', 'AGE']);
  assert.throws(() => checkCsvHeader(numbers, ['fare', 'sex']), { code: 'invalid_request', message: /missing: age/ });
});

test('a frame for a table of unnamed columns is read by its positions', () => {
  const unnamed: Signature = { inputs: [{ name: 'x', datatype: 'FP64', shape: [-1, 3] }], outputs: [] };
  for (const columns of [
    ['a', 'b', 'c'],
    [0, 1, 2],
  ]) {
    assert.deepEqual(rowsOf(unnamed, { dataframe_split: { columns, data: wanted } }), wanted);
  }
  assert.throws(() => rowsOf(unnamed, { dataframe_split: { columns: ['a', 'b'], data: [[1, 2]] } }), { code: 'invalid_request' });
  assert.throws(() => rowsOf(unnamed, { dataframe_records: [{ a: 1, b: 2, c: 3 }] }), /unknown field 'dataframe_records'/);
});
