import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeStrings, encodeStrings, jsonSignature, type Tensor } from '../../tensor.ts';
import { decodeRequest } from '../oip/decode-request.ts';
import { ModelPlan } from '../oip/model-plan.ts';
import { decodeRows } from './decode-body.ts';
import { anyRows, type RowInvocation } from './invocation.ts';
import { elementsOfArray, membersOfObject } from './json-slices.ts';
import { predictionsJson, predictionTexts } from './predictions.ts';

const json = 'application/json';
const lines = 'application/jsonlines';
const text = 'text/plain';

function decoded(contentType: string | undefined, body: string, limits = anyRows): RowInvocation {
  const [invocation, ...others] = decodeRows({ signature: jsonSignature, contentType, body: Buffer.from(body), label: undefined, limits });
  assert.equal(others.length, 0);
  return invocation as RowInvocation;
}

const textsOf = ({ inputs }: RowInvocation): readonly string[] => decodeStrings((inputs[0] as Tensor).data);

for (const { what, type, body, rows, reply } of [
  { what: 'a JSON body is one row', type: json, body: ' {"a": 1}\n', rows: ['{"a": 1}'], reply: 'value' },
  { what: 'so is a list', type: json, body: '[[1],[2]]', rows: ['[[1],[2]]'], reply: 'value' },
  { what: 'and a body without a type', type: undefined, body: 'null', rows: ['null'], reply: 'value' },
  {
    what: 'instances are rows',
    type: json,
    body: '{"instances": [{"a": 1}, "b", [2]]}',
    rows: ['{"a": 1}', '"b"', '[2]'],
    reply: undefined,
  },
  {
    what: 'instances beside others are one row',
    type: json,
    body: '{"instances":[1],"k":2}',
    rows: ['{"instances":[1],"k":2}'],
    reply: 'value',
  },
  {
    what: 'the last of two instances counts, as in JSON',
    type: json,
    body: '{"instances":[1],"instances":[2]}',
    rows: ['2'],
    reply: undefined,
  },
  {
    what: 'tensors are one row: the model takes any JSON',
    type: json,
    body: '{"inputs":"hello"}',
    rows: ['{"inputs":"hello"}'],
    reply: 'value',
  },
  { what: 'lines are rows', type: `${lines}; charset=utf-8`, body: '{"a":1}\r\n\n[2]\n', rows: ['{"a":1}', '[2]'], reply: 'lines' },
  {
    what: 'instances in a line are one row',
    type: 'application/x-ndjson',
    body: '{"instances":[1]}',
    rows: ['{"instances":[1]}'],
    reply: 'lines',
  },
  { what: 'plain text is one string', type: text, body: 'say "hé"\n', rows: [String.raw`"say \"hé\"\n"`], reply: 'value' },
  {
    what: 'no number loses a digit',
    type: json,
    body: '{"instances":[9007199254740993,1.0,{"x":-0.10e+02}]}',
    rows: ['9007199254740993', '1.0', '{"x":-0.10e+02}'],
    reply: undefined,
  },
]) {
  test(`rows of JSON: ${what}`, () => {
    const invocation = decoded(type, body);
    assert.deepEqual(textsOf(invocation), rows);
    assert.equal(invocation.rows, rows.length);
    assert.equal(invocation.reply, reply);
    assert.deepEqual(invocation.inputs[0]?.shape, [rows.length]);
  });
}

for (const { what, type = json, body, code = 'invalid_request', message } of [
  { what: 'malformed JSON', body: '{"a":', message: /the body is not JSON: / },
  { what: 'an empty body', body: '', message: /the body is not JSON: / },
  { what: 'NaN', body: '[NaN]', message: /the body is not JSON: / },
  { what: 'no instances', body: '{"instances":[]}', message: /'instances' is empty/ },
  { what: 'a malformed line, with its number', type: lines, body: '1\n\n{a}', message: /line 3 is not JSON: / },
  { what: 'no lines', type: lines, body: '\n\n', message: /no lines: send one row of JSON per line/ },
  { what: 'too many instances', body: '{"instances":[1,2,3,4]}', code: 'too_large', message: /more than 3 rows/ },
  { what: 'too many lines', type: lines, body: '1\n2\n3\n4', code: 'too_large', message: /more than 3 rows/ },
  { what: 'deep nesting', body: '['.repeat(300), message: /deeper than 100 levels/ },
  {
    what: 'CSV',
    type: 'text/csv',
    body: '1,2',
    code: 'unsupported',
    message: /send application\/json, application\/jsonlines, text\/plain/,
  },
]) {
  test(`rows of JSON are rejected for ${what}`, () => {
    assert.throws(() => decoded(type, body, { rowsMax: 3, requestsMax: 3 }), { code, message });
  });
}

test('slices of a list and of an object parse to what the whole parses to', () => {
  const space = fc.constantFrom('', ' ', '\n\t', '\r ');
  fc.assert(
    fc.property(fc.array(fc.json()), fc.dictionary(fc.string(), fc.json()), space, (elements, members, gap) => {
      const list = `${gap}[${gap}${elements.join(`${gap},${gap}`)}${gap}]${gap}`;
      assert.deepEqual(
        elementsOfArray(list),
        elements.map((each) => each.trim()),
      );
      const named = Object.entries(members).map(([name, value]) => `${JSON.stringify(name)}${gap}:${gap}${value}`);
      const object = `${gap}{${gap}${named.join(`${gap},${gap}`)}${gap}}`;
      const found = membersOfObject(object).map(({ name, value }) => [name, value]);
      assert.deepEqual(found, Object.entries(members));
    }),
  );
});

const response = (...texts: string[]): Tensor[] => [
  { name: 'response', datatype: 'BYTES', shape: [texts.length], data: encodeStrings(texts) },
];

test('results of JSON are the predictions themselves, with their digits', () => {
  const outputs = response('{"id":9007199254740993}', '"b"');
  assert.equal(predictionsJson(outputs, 2, jsonSignature.outputs), '[{"id":9007199254740993},"b"]');
  assert.deepEqual(predictionTexts(outputs, 2), ['"{\\"id\\":9007199254740993}"', '"\\"b\\""'], 'strings of other models are quoted');
});

test('a result that is not JSON is the fault of the model', () => {
  assert.throws(() => predictionTexts(response('1', '1],"x":[2'), 2, jsonSignature.outputs), {
    code: 'model_failed',
    message: /row 1 of output 'response' is not JSON/,
  });
});

test('elements of a tensor are checked as well', () => {
  const plan = new ModelPlan('m', '1', jsonSignature, true);
  const request = (data: readonly string[]): Buffer =>
    Buffer.from(JSON.stringify({ inputs: [{ name: 'request', datatype: 'BYTES', shape: [data.length], data }] }));
  assert.equal(decodeRequest(plan, 8, request(['{"a":1}', '2']), undefined).rows, 2);
  assert.throws(() => decodeRequest(plan, 8, request(['1', '{a']), undefined), {
    code: 'invalid_request',
    message: /input 'request': element 1 is not JSON/,
  });
});
