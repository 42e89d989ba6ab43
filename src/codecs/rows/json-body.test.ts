import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Signature, TensorSpec } from '../../tensor.ts';
import { unpackElements } from './elements.ts';
import type { RowInvocation } from './invocation.ts';
import { decodeJson } from './json-body.ts';

const model = (...inputs: TensorSpec[]): Signature => ({ inputs, outputs: [] });
const features = model({ name: 'features', datatype: 'FP32', shape: [-1, 4] });
const image = model({ name: 'image', datatype: 'UINT8', shape: [-1, 1, 2, 2] });
const channels = model({ name: 'image', datatype: 'UINT8', shape: [-1, 3, 2, 2] });
const text = model({ name: 'text', datatype: 'BYTES', shape: [-1] });
const tokens = model({ name: 'ids', datatype: 'INT64', shape: [-1, -1] }, { name: 'mask', datatype: 'INT64', shape: [-1, -1] });
const slow = model({ name: 'x', datatype: 'FP32', shape: [-1, 2] }, { name: 'iters', datatype: 'INT64', shape: [] });
const fixed = model({ name: 'x', datatype: 'FP32', shape: [1, 4] });

function read(invocation: RowInvocation): unknown {
  return {
    rows: invocation.rows,
    inputs: invocation.inputs.map((input) => [
      input.shape,
      Array.from(unpackElements(input.datatype, input.data), (e) => (typeof e === 'bigint' ? Number(e) : e)),
    ]),
  };
}

for (const { what, signature, body, is } of [
  {
    what: 'rows of numbers',
    signature: features,
    body: {
      instances: [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    },
    is: {
      rows: 2,
      inputs: [
        [
          [2, 4],
          [1, 2, 3, 4, 5, 6, 7, 8],
        ],
      ],
    },
  },
  {
    what: 'named rows',
    signature: features,
    body: { instances: [{ features: [1, 2, 3, 4] }] },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 4],
          [1, 2, 3, 4],
        ],
      ],
    },
  },
  {
    what: 'flat rows for an image',
    signature: image,
    body: { instances: [[1, 2, 3, 4]] },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 1, 2, 2],
          [1, 2, 3, 4],
        ],
      ],
    },
  },
  {
    what: 'rows that lack a dimension of one',
    signature: image,
    body: {
      instances: [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 1, 2, 2],
          [1, 2, 3, 4],
        ],
      ],
    },
  },
  {
    what: 'bare strings',
    signature: text,
    body: { instances: ['buy now', 'hello'] },
    is: { rows: 2, inputs: [[[2], ['buy now', 'hello']]] },
  },
  { what: 'strings in lists of one', signature: text, body: { instances: [['buy now']] }, is: { rows: 1, inputs: [[[1], ['buy now']]] } },
  {
    what: 'several inputs of varying length',
    signature: tokens,
    body: { instances: [{ ids: [1, 2, 3], mask: [1, 1, 0] }] },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 3],
          [1, 2, 3],
        ],
        [
          [1, 3],
          [1, 1, 0],
        ],
      ],
    },
  },
  {
    what: 'an input shared by all rows',
    signature: slow,
    body: {
      instances: [
        { x: [1, 2], iters: 9 },
        { x: [3, 4], iters: 9 },
      ],
    },
    is: {
      rows: 2,
      inputs: [
        [
          [2, 2],
          [1, 2, 3, 4],
        ],
        [[], [9]],
      ],
    },
  },
  {
    what: 'a fixed first dimension',
    signature: fixed,
    body: { instances: [[1, 2, 3, 4]] },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 4],
          [1, 2, 3, 4],
        ],
      ],
    },
  },
  {
    what: 'tensors with a shape',
    signature: features,
    body: { inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 4],
          [1, 2, 3, 4],
        ],
      ],
    },
  },
  {
    what: 'tensors as nested lists',
    signature: features,
    body: { inputs: [{ name: 'features', data: [[1, 2, 3, 4]] }] },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 4],
          [1, 2, 3, 4],
        ],
      ],
    },
  },
  {
    what: 'a scalar tensor',
    signature: slow,
    body: {
      inputs: [
        { name: 'iters', shape: [], data: [7] },
        { name: 'x', data: [[1, 2]] },
      ],
    },
    is: {
      rows: 1,
      inputs: [
        [
          [1, 2],
          [1, 2],
        ],
        [[], [7]],
      ],
    },
  },
]) {
  test(`takes ${what}`, () => {
    assert.deepEqual(decodeJson(signature, JSON.stringify(body)).map(read), [is]);
  });
}

for (const { what, signature, body, says } of [
  { what: 'text that is not JSON', signature: features, body: '{"instances": [', says: /not JSON/ },
  { what: 'an empty list', signature: features, body: '[]', says: /'instances' is empty/ },
  { what: 'unknown fields', signature: features, body: '{"instances": [], "x": 1}', says: /unknown field 'x'/ },
  { what: 'both forms at once', signature: features, body: '{"instances": [], "inputs": []}', says: /expected one of/ },
  { what: 'no rows', signature: features, body: '{"instances": []}', says: /empty/ },
  {
    what: 'rows of the wrong length',
    signature: features,
    body: '{"instances": [[1,2,3]]}',
    says: /has 3 values, the model takes FP32 \[-1,4\]: 4 values in each row/,
  },
  {
    what: 'rows of which one is too short',
    signature: features,
    body: '{"instances": [[1,2,3,4],[1,2]]}',
    says: /^instances\[1\]: a row of input 'features' has 2 values, the model takes FP32 \[-1,4\]/,
  },
  {
    what: 'rows of which one is text, the element by its place in the row',
    signature: features,
    body: '{"instances": [[1,2,3,4],[1,2,3,4],[1,"a",3,4]]}',
    says: /^instances\[2\]: input 'features' \(FP32\): element 1 must be a number, got "a"$/,
  },
  {
    what: 'named rows of which one is not a row',
    signature: features,
    body: '{"instances": [{"features":[1,2,3,4]},{"features":{}}]}',
    says: /^instances\[1\]: a row of input 'features' has 1 value/,
  },
  {
    what: 'rows that fit individually but not together',
    signature: tokens,
    body: '{"instances": [{"ids":[1,2],"mask":[1,1]},{"ids":[1,2],"mask":[1,1]},{"ids":[1],"mask":[1]}]}',
    says: /^instances\[2\]: input 'ids' has the shape \[1\], in instances before it \[2\]: rows of one request must be alike$/,
  },
  {
    what: 'separate requests of which one is too long',
    signature: fixed,
    body: '{"instances": [[1,2,3,4],[1,2,3,4,5]]}',
    says: /^instances\[1\]: a row of input 'x' has 5 values, the model takes FP32 \[1,4\]/,
  },
  {
    what: 'separate requests of which one has another name',
    signature: fixed,
    body: '{"instances": [{"x":[1,2,3,4]},{"y":[1,2,3,4]}]}',
    says: /^instances\[1\]: the model has no input 'y'/,
  },
  {
    what: 'a row that names its inputs after one that does not',
    signature: features,
    body: '{"instances": [[1,2,3,4],[1,2,3,4],{"features":[1,2,3,4]}]}',
    says: /^instances\[2\] names its inputs, instances\[0\] does not: rows of one request must be alike$/,
  },
  {
    what: 'a row that does not name its inputs after one that does',
    signature: tokens,
    body: '{"instances": [{"ids":[1],"mask":[1]},[1]]}',
    says: /^instances\[1\] must name its inputs, as instances\[0\] does: rows of one request must be alike$/,
  },
  { what: 'a single row that is ragged', signature: features, body: '{"instances": [[[1,2],[3]]]}', says: /^input 'features' is ragged/ },
  { what: 'channels last', signature: channels, body: '{"instances": [[[[1,2,3],[1,2,3]],[[1,2,3],[1,2,3]]]]}', says: /shape \[2,2,3\]/ },
  { what: 'text for numbers', signature: features, body: '{"instances": [["a",2,3,4]]}', says: /must be a number, got "a"/ },
  { what: 'null for numbers', signature: features, body: '{"instances": [[null,2,3,4]]}', says: /got null/ },
  { what: 'unknown inputs', signature: features, body: '{"instances": [{"pixels": [1]}]}', says: /no input 'pixels', it takes features/ },
  { what: 'missing inputs', signature: tokens, body: '{"instances": [{"ids": [1]}]}', says: /lacks the input 'mask' \(INT64 \[-1,-1\]\)/ },
  { what: 'bare rows for several inputs', signature: tokens, body: '{"instances": [[1]]}', says: /this one has 2 \(ids, mask\)/ },
  {
    what: 'different values of a shared input',
    signature: slow,
    body: '{"instances": [{"x":[1,2],"iters":1},{"x":[1,2],"iters":2}]}',
    says: /same value in every row/,
  },
  {
    what: 'a wrong datatype',
    signature: features,
    body: '{"inputs": [{"name":"features","datatype":"INT8","shape":[1,4],"data":[1,2,3,4]}]}',
    says: /got the datatype "INT8"/,
  },
  {
    what: 'a wrong element count',
    signature: features,
    body: '{"inputs": [{"name":"features","shape":[2,4],"data":[1,2,3,4]}]}',
    says: /holds 8 elements, 'data' has 4/,
  },
  {
    what: 'a wrong rank',
    signature: features,
    body: '{"inputs": [{"name":"features","shape":[4],"data":[1,2,3,4]}]}',
    says: /got the shape \[4\]/,
  },
  { what: 'a missing tensor', signature: tokens, body: '{"inputs": [{"name":"ids","data":[[1]]}]}', says: /input 'mask' .* is missing/ },
  {
    what: 'a tensor twice',
    signature: features,
    body: '{"inputs": [{"name":"features","data":[[1,2,3,4]]},{"name":"features","data":[[1,2,3,4]]}]}',
    says: /given twice/,
  },
  {
    what: 'tensors with different rows',
    signature: tokens,
    body: '{"inputs": [{"name":"ids","data":[[1]]},{"name":"mask","data":[[1],[1]]}]}',
    says: /differ in their number of rows \(1, 2\)/,
  },
  { what: 'too deep nesting', signature: features, body: `{"instances": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, says: /deep|JSON/ },
]) {
  test(`rejects ${what} with the reason`, () => {
    assert.throws(() => decodeJson(signature, body), { code: 'invalid_request', message: says });
  });
}

test('a model with one row per request gets a request per instance', () => {
  const rows = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ];
  for (const instances of [rows, rows.map((x) => ({ x })), rows.map((row) => [row])]) {
    assert.deepEqual(
      decodeJson(fixed, JSON.stringify({ instances })).map(read),
      rows.map((row) => ({ rows: 1, inputs: [[[1, 4], row]] })),
    );
  }
  const vector = model({ name: 'x', datatype: 'FP32', shape: [2] });
  assert.equal(decodeJson(vector, '{"instances": [1, 2]}').length, 1);
  assert.equal(decodeJson(vector, '{"instances": [[1, 2], [3, 4]]}').length, 2);
});

test('rows need no name', () => {
  const rows = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ];
  const decode = (signature: Signature, body: unknown) => decodeJson(signature, JSON.stringify(body)).map(read);
  const wanted = decode(features, { instances: rows });
  assert.deepEqual(decode(features, rows), wanted);
  assert.deepEqual(decode(features, [{ features: rows[0] }, { features: rows[1] }]), wanted);
  assert.deepEqual(decode(features, rows[0]), decode(features, { instances: [rows[0]] }));
  assert.deepEqual(decode(text, ['a', 'b']), decode(text, { instances: ['a', 'b'] }));
  assert.deepEqual(decode(fixed, [1, 2, 3, 4]), decode(fixed, { instances: [[1, 2, 3, 4]] }));
  const named = [{ ids: [1, 2], mask: [1, 1] }];
  assert.deepEqual(decode(tokens, named), decode(tokens, { instances: named }));
  assert.throws(() => decode(features, []), /'instances' is empty/);
  assert.throws(() => decode(tokens, [[1, 2]]), /a list of bare rows feeds a model with one input/);
  const ids = model({ name: 'ids', datatype: 'INT64', shape: [-1, -1] });
  assert.throws(() => decode(ids, [1, 2, 3]), /one row or many for input 'ids'/);
  for (const body of [1, 'row', null]) assert.throws(() => decode(features, body), /is not a JSON object/);
});

test("rows can have SageMaker's name, whatever the name of the input", () => {
  const decode = (signature: Signature, body: unknown) => decodeJson(signature, JSON.stringify(body)).map(read);
  const row = [1, 2, 3, 4];
  for (const signature of [features, image, fixed]) {
    const wanted = decode(signature, { instances: [row] });
    for (const body of [{ features: row }, { instances: [{ features: row }] }]) assert.deepEqual(decode(signature, body), wanted);
  }
  assert.throws(() => decode(slow, { features: [1, 2] }), /no input 'features', it takes x, iters/);
  assert.throws(() => decode(image, { features: row, more: 1 }), /unknown field 'features'/);
});
