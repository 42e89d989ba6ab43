import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bytesOf,
  type Datatype,
  decodeStrings,
  elementsOf,
  encodeStrings,
  type NumericArray,
  newArray,
  type Tensor,
} from '../../tensor.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeResponse } from './encode-response.ts';
import { ModelPlan } from './model-plan.ts';

function floats(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape, data: bytesOf(Float32Array.from(values)) };
}

const affine = new ModelPlan(
  'test-affine',
  '1',
  {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [-1, 3] },
      { name: 'sum', datatype: 'FP32', shape: [] },
    ],
  },
  false,
);
const answers = [floats('y', [2, 3], [3, 5, 7, -1, 1, 2]), floats('sum', [], [17])];

function planOf(datatype: Datatype): ModelPlan {
  const specs = [{ name: 'x', datatype, shape: [-1] }];
  return new ModelPlan('m', '1', { inputs: specs, outputs: specs }, true);
}

test('the example of the specification: a binary request and its response, byte by byte', () => {
  const json =
    '{"id":"42","inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","parameters":{"binary_data_size":24}}],"outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"sum"}]}';
  assert.equal(json.length, 178);
  const body = Buffer.concat([Buffer.from(json), Buffer.from('0000803f0000004000004040000080bf000000000000003f', 'hex')]);
  const request = decodeRequest(affine, 0, body, '178');
  assert.deepEqual([...elementsOf('FP32', request.inputs[0]?.data as Uint8Array)], [1, 2, 3, -1, 0, 0.5]);
  const answer = encodeResponse(affine, request, answers);
  assert.equal(
    answer.json,
    '{"model_name":"test-affine","model_version":"1","id":"42","outputs":[{"name":"y","shape":[2,3],"datatype":"FP32","parameters":{"binary_data_size":24}},{"name":"sum","shape":[],"datatype":"FP32","data":[17]}]}',
  );
  assert.equal(answer.json.length, 208);
  assert.equal(Buffer.concat(answer.binary ?? []).toString('hex'), '000040400000a0400000e040000080bf0000803f00000040');
});

test('a JSON response has flat data, even if empty, and the given parameters', () => {
  const { json, binary } = encodeResponse(
    affine,
    { id: undefined, outputs: affine.allJson },
    [floats('y', [0, 3], []), answers[1] as Tensor],
    '{"queue_ms":1}',
  );
  assert.equal(binary, null);
  assert.equal(
    json,
    '{"model_name":"test-affine","model_version":"1","parameters":{"queue_ms":1},"outputs":[{"name":"y","shape":[0,3],"datatype":"FP32","data":[]},{"name":"sum","shape":[],"datatype":"FP32","data":[17]}]}',
  );
});

test('values that JSON cannot represent are rejected with a hint', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const outputs = [floats('y', [1, 3], [1, 2, value]), answers[1] as Tensor];
    assert.throws(() => encodeResponse(affine, { id: undefined, outputs: affine.allJson }, outputs), {
      code: 'invalid_request',
      message: `output 'y' holds NaN or Infinity, which JSON cannot carry`,
      hint: /binary_data/,
    });
    assert.equal(encodeResponse(affine, { id: undefined, outputs: affine.allBinary }, outputs).binary?.length, 2);
  }
  const half = planOf('FP16');
  const tensor = { name: 'x', datatype: 'FP16', shape: [1], data: Buffer.from('003c', 'hex') } as const;
  assert.throws(() => encodeResponse(half, { id: undefined, outputs: half.allJson }, [tensor]), /is FP16, which cannot be given as JSON/);
});

test('JSON round-trips for every datatype', () => {
  const elements = {
    BOOL: fc.boolean(),
    INT8: fc.integer({ min: -128, max: 127 }),
    UINT8: fc.nat(255),
    INT16: fc.integer({ min: -32_768, max: 32_767 }),
    UINT16: fc.nat(65_535),
    INT32: fc.integer(),
    UINT32: fc.nat(4_294_967_295),
    INT64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    UINT64: fc.bigInt(0n, 2n ** 64n - 1n),
    FP32: fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    FP64: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    BYTES: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
  } as const;
  for (const [datatype, element] of Object.entries(elements) as [Datatype, fc.Arbitrary<unknown>][]) {
    const plan = planOf(datatype);
    fc.assert(
      fc.property(fc.array(element), (values) => {
        const data = values
          .map((value) => (typeof value === 'bigint' ? String(value) : JSON.stringify(Object.is(value, -0) ? 0 : value)))
          .join(',');
        const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${values.length}],"data":[${data}]}]}`);
        const request = decodeRequest(plan, 0, body, undefined);
        const { json } = encodeResponse(plan, request, request.inputs);
        const sent = json.slice(json.indexOf('"data":[') + 8, json.lastIndexOf(']}]}'));
        assert.deepEqual(asRead(datatype, sent), asRead(datatype, data));
        if (datatype.endsWith('64') && datatype !== 'FP64') assert.equal(sent, data);
      }),
      { numRuns: 50 },
    );
  }
});

/** The values as a client reads them: FP32 is rounded to 32 bits. */
function asRead(datatype: Datatype, json: string): unknown[] {
  const read: unknown[] = JSON.parse(`[${json}]`);
  return datatype === 'FP32' ? read.map((value) => Math.fround(value as number)) : read;
}

test('32-bit floats have the fewest digits that identify them', () => {
  const outputs = [floats('y', [1, 3], [0.1, -2.5, 1e-9]), answers[1] as Tensor];
  assert.match(encodeResponse(affine, { id: undefined, outputs: affine.allJson }, outputs).json, /"data":\[0\.1,-2\.5,1e-9\]/);
});

test('classification returns the best of each row, ties by index', () => {
  const probabilities = new ModelPlan('m', '1', { inputs: [], outputs: [{ name: 'p', datatype: 'FP32', shape: [-1, 3] }] }, true);
  const output = floats('p', [2, 3], [0.25, 0.5, 0.25, 1, 0, 0]);
  const { json } = encodeResponse(probabilities, { id: undefined, outputs: [{ index: 0, binary: false, classes: 2 }] }, [output]);
  assert.match(json, /"shape":\[2,2\],"datatype":"BYTES","data":\["0.5:1","0.25:0","1:0","0:1"\]/);
  const tenths = encodeResponse(probabilities, { id: undefined, outputs: [{ index: 0, binary: false, classes: 1 }] }, [
    floats('p', [1, 3], [0.1, 0.3, 0.2]),
  ]);
  assert.match(tenths.json, /"data":\["0\.3:1"\]/);
  const { binary } = encodeResponse(probabilities, { id: undefined, outputs: [{ index: 0, binary: true, classes: 9 }] }, [output]);
  assert.equal(decodeStrings(binary?.[0] as Uint8Array).length, 6);
  const words = planOf('BYTES');
  const labels = { name: 'x', datatype: 'BYTES', shape: [1], data: encodeStrings(['a']) } as const;
  assert.throws(
    () => encodeResponse(words, { id: undefined, outputs: [{ index: 0, binary: false, classes: 1 }] }, [labels]),
    /needs numbers/,
  );
});

test('tensors at any alignment are encoded', () => {
  for (const datatype of ['INT16', 'INT32', 'INT64', 'FP64'] as const) {
    const plan = planOf(datatype);
    const array: NumericArray = newArray(datatype, 2);
    array[0] = (datatype === 'INT64' ? 7n : 7) as never;
    const data = Buffer.concat([Buffer.of(0), bytesOf(array)]).subarray(1);
    const { json } = encodeResponse(plan, { id: undefined, outputs: plan.allJson }, [{ name: 'x', datatype, shape: [2], data }]);
    assert.match(json, /"data":\[7,0\]/);
  }
});
