import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, decodeStrings, elementsOf, encodeStrings, type Signature } from '../../tensor.ts';
import { decodeGenerate, encodeGenerate } from './generate.ts';
import { ModelPlan } from './model-plan.ts';

const signature: Signature = {
  inputs: [
    { name: 'prompt', datatype: 'BYTES', shape: [-1, 1] },
    { name: 'seed', datatype: 'INT64', shape: [-1, 1] },
    { name: 'ids', datatype: 'INT32', shape: [-1, -1] },
  ],
  outputs: [
    { name: 'answer', datatype: 'BYTES', shape: [-1, 1] },
    { name: 'scores', datatype: 'FP32', shape: [-1, 2] },
  ],
};
const plan = new ModelPlan('m', '3', signature, true);
const decode = (body: object) => decodeGenerate(plan, 8, Buffer.from(JSON.stringify(body)));
const whole = { prompt: 'é漢', seed: 7, ids: [1, 2, 3] };

test('a key that names an input is that input with one row; other keys are parameters', () => {
  const { id, inputs, rows, parameters } = decode({ id: '4', ...whole, timeout: 5000, max_tokens: 20, parameters: { priority: 1 } });
  assert.deepEqual([id, rows, parameters.timeoutMs, parameters.priority], ['4', 1, 5, 1]);
  assert.deepEqual(
    inputs.map(({ shape }) => shape),
    [
      [1, 1],
      [1, 1],
      [1, 3],
    ],
  );
  assert.deepEqual(decodeStrings(inputs[0]?.data as Uint8Array), ['é漢']);
  assert.deepEqual([...elementsOf('INT32', inputs[2]?.data as Uint8Array)], [1, 2, 3]);
});

test('64-bit integers are exact', () => {
  const body = Buffer.from('{"prompt":"a","seed":9007199254740993,"ids":[]}');
  const { inputs } = decodeGenerate(plan, 8, body);
  assert.deepEqual([...elementsOf('INT64', inputs[1]?.data as Uint8Array)], [9007199254740993n]);
});

test('a single text input can have the name used by language model clients, and the response follows it', () => {
  const { prompt, ...others } = whole;
  const request = decode({ text_input: prompt, ...others });
  assert.deepEqual(decodeStrings(request.inputs[0]?.data as Uint8Array), [prompt]);
  const outputs = [
    { name: 'answer', datatype: 'BYTES', shape: [1, 1], data: encodeStrings(['yes']) },
    { name: 'scores', datatype: 'FP32', shape: [1, 2], data: bytesOf(Float32Array.of(0.25, 0.75)) },
  ] as const;
  const answer = { model_name: 'm', model_version: '3' };
  assert.deepEqual(JSON.parse(encodeGenerate(plan, request, outputs)), { ...answer, text_output: 'yes', scores: [0.25, 0.75] });
  const own = decode({ id: '"', ...whole });
  assert.deepEqual(JSON.parse(encodeGenerate(plan, own, outputs)), { ...answer, id: '"', answer: 'yes', scores: [0.25, 0.75] });
});

for (const { what, body, message } of [
  { what: 'a missing input', body: { prompt: 'a', ids: [] }, message: /missing input 'seed' \(INT64 \[-1,1\]\); generate takes a key/ },
  { what: 'a number for a text', body: { ...whole, prompt: 4 }, message: /input 'prompt': element 0 is 4, BYTES needs a string/ },
  { what: 'too many values', body: { ...whole, seed: [1, 2] }, message: /input 'seed': shape is \[1,2\], expected \[-1,1\]/ },
  { what: 'an object for a parameter', body: { ...whole, stop: {} }, message: /parameter 'stop'/ },
  { what: 'parameters that are a list', body: { ...whole, parameters: [] }, message: /'parameters' of the request must be an object/ },
]) {
  test(`${what} is rejected with the reason`, () => {
    assert.throws(() => decode(body), { code: 'invalid_request', message });
  });
}
