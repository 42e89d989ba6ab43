import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PlatformError } from '../../errors.ts';
import { bytesOf, decodeStrings, elementsOf, type Signature } from '../../tensor.ts';
import { decodeRequest, type InferRequest } from './decode-request.ts';
import { ModelPlan } from './model-plan.ts';

const affine: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [-1, 3] },
    { name: 'sum', datatype: 'FP32', shape: [] },
  ],
};
const pair: Signature = {
  inputs: [
    { name: 'a', datatype: 'INT32', shape: [-1, 2] },
    { name: 'b', datatype: 'FP32', shape: [-1] },
  ],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};

function one(datatype: Signature['inputs'][number]['datatype'], shape: readonly number[] = [-1]): Signature {
  return { inputs: [{ name: 'x', datatype, shape }], outputs: [{ name: 'y', datatype, shape }] };
}

function decode(signature: Signature, body: unknown, { isBatched = false, batchSizeMax = 0 } = {}): InferRequest {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  return decodeRequest(new ModelPlan('m', '1', signature, isBatched), batchSizeMax, bytes, undefined);
}

function decodeBinary(signature: Signature, json: unknown, binary: Uint8Array, header?: string, isBatched = false): InferRequest {
  const text = Buffer.from(JSON.stringify(json));
  return decodeRequest(new ModelPlan('m', '1', signature, isBatched), 0, Buffer.concat([text, binary]), header ?? String(text.length));
}

function refused(run: () => unknown, message: string | RegExp, code = 'invalid_request'): void {
  assert.throws(run, (error) => {
    assert(error instanceof PlatformError, String(error));
    assert.equal(error.code, code);
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  });
}

const x = { name: 'x', datatype: 'FP32', shape: [2, 3], data: [1, 2, 3, -1, 0, 0.5] };

describe('a JSON request', () => {
  test('returns the tensors in the order of the signature, flat or nested', () => {
    for (const data of [
      [1, 2, 3, 4],
      [
        [1, 2],
        [3, 4],
      ],
    ]) {
      const { inputs, rows } = decode(
        pair,
        {
          inputs: [
            { name: 'b', datatype: 'FP32', shape: [2], data: [0.5, 1.5] },
            { name: 'a', datatype: 'INT32', shape: [2, 2], data },
          ],
        },
        { isBatched: true, batchSizeMax: 32 },
      );
      assert.deepEqual(
        inputs.map(({ name, shape }) => [name, shape]),
        [
          ['a', [2, 2]],
          ['b', [2]],
        ],
      );
      assert.deepEqual([...elementsOf('INT32', inputs[0]?.data as Uint8Array)], [1, 2, 3, 4]);
      assert.equal(rows, 2);
    }
  });

  test('requests all outputs as JSON unless it names some, whose order is preserved', () => {
    assert.deepEqual(decode(affine, { inputs: [x] }).outputs, [
      { index: 0, binary: false, classes: 0 },
      { index: 1, binary: false, classes: 0 },
    ]);
    const outputs = [{ name: 'sum', parameters: { binary_data: false } }, { name: 'y' }];
    assert.deepEqual(decode(affine, { inputs: [x], outputs, parameters: { binary_data_output: true } }).outputs, [
      { index: 1, binary: false, classes: 0 },
      { index: 0, binary: true, classes: 0 },
    ]);
  });

  test('has a timeout in microseconds, 0 for none', () => {
    assert.equal(decode(affine, { inputs: [x], parameters: { timeout: 50_000 } }).parameters.timeoutMs, 50);
    assert.equal(decode(affine, { inputs: [x], parameters: { timeout: 0, priority: 1 } }).parameters.timeoutMs, undefined);
    assert.equal(decode(affine, { inputs: [x], parameters: { priority: 1, other: 'kept' } }).parameters.priority, 1);
  });

  test('decodes 64-bit integers exactly, even beyond 2^53', () => {
    const text = '{"inputs":[{"name":"x","datatype":"INT64","shape":[3],"data":[9007199254740993,-9223372036854775808,1]}]}';
    const { inputs } = decode(one('INT64'), text);
    assert.deepEqual([...elementsOf('INT64', inputs[0]?.data as Uint8Array)], [9007199254740993n, -(2n ** 63n), 1n]);
    const unsigned = '{"inputs":[{"name":"x","datatype":"UINT64","shape":[1,1],"data":[[18446744073709551615]]}]}';
    assert.deepEqual([...elementsOf('UINT64', decode(one('UINT64', [-1, 1]), unsigned).inputs[0]?.data as Uint8Array)], [2n ** 64n - 1n]);
  });

  test('can contain empty tensors, scalars and strings of any alphabet', () => {
    assert.equal(decode(affine, { inputs: [{ ...x, shape: [0, 3], data: [] }] }).inputs[0]?.data.byteLength, 0);
    assert.equal(
      decode(one('FP32', []), { inputs: [{ name: 'x', datatype: 'FP32', shape: [], data: [1] }] }).inputs[0]?.data.byteLength,
      4,
    );
    const strings = ['a', '', 'é漢', '😀'];
    const { inputs } = decode(one('BYTES'), { inputs: [{ name: 'x', datatype: 'BYTES', shape: [4], data: strings }] });
    assert.deepEqual(decodeStrings(inputs[0]?.data as Uint8Array), strings);
  });
});

describe('a model without inputs', () => {
  const nothing: Signature = { inputs: [], outputs: [{ name: 'y', datatype: 'FP32', shape: [2] }] };

  test('takes an empty list of inputs, as JSON or binary, or an empty raw body', () => {
    for (const decoded of [
      decode(nothing, { inputs: [] }),
      decodeBinary(nothing, { inputs: [], parameters: { binary_data_output: true } }, new Uint8Array()),
      decodeRequest(new ModelPlan('m', '1', nothing, false), 0, Buffer.alloc(0), '0'),
    ]) {
      assert.deepEqual([decoded.inputs, decoded.rows, decoded.outputs.length], [[], 1, 1]);
    }
  });

  test('rejects inputs, and says that it has none', () => {
    refused(() => decode(nothing, { inputs: [x] }), `model 'm': unexpected input 'x'; expected inputs: none`);
    refused(() => decode(nothing, {}), `'inputs' must be [], because the model has no inputs`);
    refused(
      () => decodeRequest(new ModelPlan('m', '1', nothing, false), 0, Buffer.alloc(4), '0'),
      /needs a model with one input, it has 0/,
    );
  });
});

describe('a request is rejected with the first error', () => {
  const cases: readonly (readonly [string, unknown, string | RegExp])[] = [
    ['broken JSON', '{"inputs": [', /^the body is not valid JSON: /],
    ['no object', '[1]', 'the body is valid JSON, but not an object with "inputs"'],
    ['an empty body', '', 'the body is empty, expected a JSON object with "inputs"'],
    ['no inputs', {}, `'inputs' must be an array of tensors; expected inputs: x`],
    ['an unknown input', { inputs: [x, { ...x, name: 'z' }] }, `model 'm': unexpected input 'z'; expected inputs: x`],
    ['an input twice', { inputs: [x, x] }, `model 'm': input 'x' is given twice`],
    [
      'an input of another datatype',
      { inputs: [{ ...x, datatype: 'INT32', shape: [4] }] },
      `input 'x': datatype is INT32, expected FP32. Convert the array with .astype('float32')`,
    ],
    [
      'the datatype that NumPy makes',
      { inputs: [{ ...x, datatype: 'FP64' }] },
      /^input 'x': datatype is FP64, expected FP32\. .*\.astype\('float32'\)$/,
    ],
    ['a datatype that does not exist', { inputs: [{ ...x, datatype: 'float64' }] }, `input 'x': datatype is float64, expected FP32`],
    ['no datatype', { inputs: [{ ...x, datatype: undefined }] }, `input 'x': datatype is missing, expected FP32`],
    ['another rank', { inputs: [{ ...x, shape: [4] }] }, `input 'x': shape is [4], expected [-1,3] (rank 2, got 1)`],
    ['another size', { inputs: [{ ...x, shape: [2, 4] }] }, `input 'x': shape is [2,4], expected [-1,3] (dimension 1 is 3, got 4)`],
    ['a negative size', { inputs: [{ ...x, shape: [-1, 3] }] }, `input 'x': 'shape' must be an array of integers >= 0`],
    ['too few elements', { inputs: [{ ...x, data: [1, 2, 3, 4, 5] }] }, `input 'x': 'data' has 5 elements, shape [2,3] needs 6`],
    ['ragged rows', { inputs: [{ ...x, data: [[1, 2, 3], [4]] }] }, `input 'x': the nesting of 'data' does not agree with shape [2,3]`],
    ['no data', { inputs: [{ ...x, data: undefined }] }, `input 'x': give exactly one of 'data' and parameters.binary_data_size`],
    [
      'data twice',
      { inputs: [{ ...x, parameters: { binary_data_size: 24 } }] },
      `input 'x': give exactly one of 'data' and parameters.binary_data_size`,
    ],
    ['null as a number', { inputs: [{ ...x, data: [1, 2, 3, null, 5, 6] }] }, `input 'x': element 3 is null, FP32 needs a number`],
    [
      'a number beyond FP32',
      { inputs: [{ ...x, data: [1, 2, 3, 4, 5, 1e39] }] },
      `input 'x': element 5 is 1e+39, FP32 needs a finite number in its range`,
    ],
    ['an unknown output', { inputs: [x], outputs: [{ name: 'q' }] }, `unexpected inference output 'q' for model 'm'; outputs: y, sum`],
    ['an output twice', { inputs: [x], outputs: [{ name: 'y' }, { name: 'y' }] }, `model 'm': output 'y' is requested twice`],
    ['a timeout of text', { inputs: [x], parameters: { timeout: '1s' } }, /^request: parameter 'timeout' is "1s", expected /],
    ['an id of another type', { inputs: [x], id: 42 }, `'id' must be a string, got number`],
  ];
  for (const [what, body, message] of cases) test(what, () => refused(() => decode(affine, body), message));

  test('a missing input', () => {
    const b = { name: 'b', datatype: 'FP32', shape: [1], data: [1] };
    refused(() => decode(pair, { inputs: [b] }), `model 'm': missing input 'a' (INT32 [-1,2])`);
  });

  test('a batch that is too large, or differs between inputs', () => {
    const batched = { isBatched: true, batchSizeMax: 1 };
    refused(() => decode(affine, { inputs: [x] }, batched), `input 'x': batch 2 is larger than max_batch_size 1`);
    const a = { name: 'a', datatype: 'INT32', shape: [1, 2], data: [1, 2] };
    const b = { name: 'b', datatype: 'FP32', shape: [2], data: [1, 2] };
    refused(() => decode(pair, { inputs: [a, b] }, { isBatched: true }), `input 'b': batch is 2, but that of input 'a' is 1`);
  });

  test('elements that the datatype cannot hold', () => {
    const input = (datatype: string, data: string): string =>
      `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[1],"data":[${data}]}]}`;
    for (const [datatype, data] of [
      ['INT8', '128'],
      ['UINT8', '-1'],
      ['INT32', '1.5'],
      ['UINT32', '4294967296'],
      ['INT64', '9223372036854775808'],
      ['UINT64', '-1'],
      ['INT64', '0.5'],
      ['INT64', '"1"'],
      ['BOOL', '2'],
      ['BYTES', '1'],
      ['FP64', '1e999'],
    ] as const) {
      refused(() => decode(one(datatype), input(datatype, data)), /^input 'x': element 0 is .*, \w+ needs /);
    }
    refused(
      () => decode(one('BYTES'), input('BYTES', '"a\\u0000b"')),
      `input 'x': element 0 holds a NUL character, which no model input may`,
    );
    refused(() => decode(one('BYTES'), input('BYTES', '"\\ud800"')), /is not valid UTF-8/);
    refused(() => decode(one('FP16'), input('FP16', '1')), `input 'x': FP16 cannot be given as JSON, use binary data`);
  });

  test('nesting beyond 100 levels anywhere, but not brackets within a string', () => {
    const deep = `${'['.repeat(101)}${']'.repeat(101)}`;
    refused(() => decode(affine, `{"inputs":[],"other":${deep}}`), 'the JSON is nested deeper than 100 levels');
    assert.equal(decode(affine, { id: '['.repeat(500), inputs: [x] }).id?.length, 500);
  });

  test('shared memory and sequences are rejected as unsupported', () => {
    const input = { ...x, data: undefined, parameters: { shared_memory_region: 'r', shared_memory_byte_size: 24 } };
    refused(() => decode(affine, { inputs: [input] }), /shared memory is not supported/, 'unsupported');
    refused(() => decode(affine, { inputs: [x], parameters: { sequence_id: 1 } }), /sequences .* not supported/, 'unsupported');
  });
});

describe('a binary request', () => {
  const input = { name: 'x', datatype: 'FP32', shape: [2, 3], parameters: { binary_data_size: 24 } };
  const bytes = bytesOf(Float32Array.from(x.data));

  test('passes bytes on unchanged, next to JSON inputs', () => {
    assert.deepEqual(Buffer.from(decodeBinary(affine, { inputs: [input] }, bytes).inputs[0]?.data as Uint8Array), Buffer.from(bytes));
    const a = { name: 'a', datatype: 'INT32', shape: [1, 2], data: [1, 2] };
    const b = { name: 'b', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } };
    const { inputs } = decodeBinary(pair, { inputs: [b, a] }, bytesOf(Float32Array.of(7)));
    assert.deepEqual([...elementsOf('FP32', inputs[1]?.data as Uint8Array)], [7]);
  });

  test('is rejected if a size is wrong', () => {
    const sized = (size: unknown): unknown => ({ inputs: [{ ...input, parameters: { binary_data_size: size } }] });
    refused(() => decodeBinary(affine, sized(20), bytes), `input 'x': binary_data_size is 20, shape [2,3] of FP32 needs 24 bytes`);
    refused(() => decodeBinary(affine, sized(-1), bytes), /expected a number of bytes$/);
    refused(() => decodeBinary(affine, sized(24), bytes.subarray(4)), `input 'x': expecting 4 additional bytes`);
    refused(
      () => decodeBinary(affine, sized(24), Buffer.concat([bytes, bytes])),
      'unexpected additional input data: 24 bytes after the last binary input',
    );
    refused(() => decode(affine, { inputs: [input] }), /needs the header Inference-Header-Content-Length/);
  });

  test('is rejected if the header is not a valid length', () => {
    for (const header of ['abc', '-1', '1.5', ''])
      refused(() => decodeBinary(affine, {}, bytes, header), /expected a non-negative integer$/);
    refused(() => decodeBinary(affine, {}, bytes, '500'), 'Inference-Header-Content-Length is 500, but the body has only 26 bytes');
  });

  test('is rejected if BYTES or BOOL are malformed', () => {
    const strings = (size: number, count: number): unknown => ({
      inputs: [{ name: 'x', datatype: 'BYTES', shape: [count], parameters: { binary_data_size: size } }],
    });
    const element = (hex: string): Buffer => Buffer.from(hex, 'hex');
    refused(
      () => decodeBinary(one('BYTES'), strings(5, 1), element('0200000061')),
      /^input 'x': BYTES element 0: its length runs past the end/,
    );
    refused(() => decodeBinary(one('BYTES'), strings(3, 1), element('010000')), /runs past the end/);
    refused(
      () => decodeBinary(one('BYTES'), strings(5, 2), element('0100000061')),
      `input 'x': the binary data has 1 elements, shape [2] needs 2`,
    );
    refused(() => decodeBinary(one('BYTES'), strings(7, 1), element('03000000780079')), /holds a NUL character/);
    refused(() => decodeBinary(one('BYTES'), strings(5, 1), element('01000000ff')), `input 'x': element 0 is not valid UTF-8`);
    const flags = { inputs: [{ name: 'x', datatype: 'BOOL', shape: [2], parameters: { binary_data_size: 2 } }] };
    refused(() => decodeBinary(one('BOOL'), flags, element('0102')), `input 'x': element 1 is the byte 2, BOOL needs 0 or 1`);
  });

  test('can be raw: the body is the only input, and its shape follows from its length', () => {
    const raw = (signature: Signature, body: Uint8Array, isBatched = false): InferRequest =>
      decodeRequest(new ModelPlan('m', '1', signature, isBatched), 32, Buffer.from(body), '0');
    assert.deepEqual(raw(affine, bytes).inputs[0]?.shape, [2, 3]);
    assert.deepEqual(raw(affine, bytes.subarray(0, 12), true).inputs[0]?.shape, [1, 3]);
    assert(raw(affine, bytes).outputs.every(({ binary }) => binary));
    const text = raw(one('BYTES'), Buffer.from('whole body')).inputs[0];
    assert.deepEqual(decodeStrings(text?.data as Uint8Array), ['whole body']);
    refused(() => raw(affine, bytes.subarray(0, 8)), `input 'x': the raw body has 8 bytes, [-1,3] of FP32 needs a multiple of 12 bytes`);
    refused(() => raw(affine, bytes, true), `input 'x': the raw body has 24 bytes, [-1,3] of FP32 needs 12 bytes`);
    refused(() => raw(pair, bytes), `model 'm': a raw request needs a model with one input, it has 2`);
  });
});

test('any bytes are decoded or rejected with a PlatformError', () => {
  const plan = new ModelPlan('m', '1', pair, true);
  const value = fc.jsonValue();
  const name = fc.constantFrom('a', 'b', 'z');
  const input = fc.record(
    {
      name: fc.oneof(name, value),
      datatype: fc.oneof(fc.constantFrom('INT32', 'FP32'), value),
      shape: fc.oneof(fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 3 }), value),
      data: fc.oneof(fc.array(fc.oneof(fc.integer(), fc.array(fc.double()))), value),
      parameters: fc.oneof(fc.record({ binary_data_size: fc.oneof(fc.nat(40), value) }), value),
    },
    { requiredKeys: [] },
  );
  const request = fc.record(
    { id: value, inputs: fc.oneof(fc.array(input), value), outputs: value, parameters: value },
    { requiredKeys: ['inputs'] },
  );
  const body = fc.oneof(
    request.map((json) => Buffer.from(JSON.stringify(json))),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const header = fc.oneof(fc.constant(undefined), fc.nat(300).map(String), fc.string());
  fc.assert(
    fc.property(body, fc.uint8Array(), header, (start, end, length) => {
      try {
        decodeRequest(plan, 32, Buffer.concat([start, end]), length);
      } catch (error) {
        assert(error instanceof PlatformError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
