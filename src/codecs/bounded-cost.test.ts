/** The cost of decoders is bounded in advance: they stop at the first violation, whatever follows it. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { SystemClock } from '../clock.ts';
import { bytesOf, type Datatype, encodeStrings, type Signature } from '../tensor.ts';
import { ThreadPool } from '../threads/index.ts';
import { decodeInThread } from './body-task.ts';
import {
  decodeGenerateTask,
  decodeMessage,
  decodeMessageTask,
  decodeRequest,
  decodeRequestTask,
  decodeRows,
  decodeRowsTask,
  ModelPlan,
  npyFile,
  planFacts,
  readInferMessage,
} from './index.ts';
import { checkJsonCost, documentLimits, tensorLimits } from './json-limits.ts';

const wide = model('FP32', -1, 64);
const narrow = model('FP32', -1);
const rowAtATime = model('FP32', 4);
const limits = { rowsMax: 1000, requestsMax: 10 };
const megabyte = 2 ** 20;

function model(datatype: Datatype, ...shape: number[]): Signature {
  return { inputs: [{ name: 'x', datatype, shape }], outputs: [] };
}

function planOf(signature: Signature): ModelPlan {
  return new ModelPlan('m', '1', signature, true);
}

function rows(signature: Signature, contentType: string, body: string | Buffer, rowLimits = limits) {
  return decodeRows({ signature, contentType, body: Buffer.from(body as string), label: undefined, limits: rowLimits });
}

/** Text that decoders must not reach, because every decoder rejects it. Invalid UTF-8 would be rejected earlier, with another error. */
const poison = '"\u0000';

for (const { what, signature, type, body, code, says } of [
  {
    what: 'CSV of the wrong width, by its first line',
    signature: wide,
    type: 'text/csv',
    body: `${'1\n'.repeat(megabyte)}${poison}`,
    code: 'invalid_request',
    says: /^the CSV has 1 column and no header, the model takes 64/,
  },
  {
    what: 'CSV by the first line that differs',
    signature: narrow,
    type: 'text/csv',
    body: `1\n1,2\n${'1\n'.repeat(100)}${poison}`,
    code: 'invalid_request',
    says: /^CSV line 2 has 2 columns/,
  },
  {
    what: 'CSV by the first cell that is not a number',
    signature: narrow,
    type: 'text/csv',
    body: `1\nx\n${poison}`,
    code: 'invalid_request',
    says: /^CSV line 2, column 1: 'x'/,
  },
  {
    what: 'CSV of too many rows, by the first too many',
    signature: narrow,
    type: 'text/csv',
    body: `${'1\n'.repeat(1001)}${poison}`,
    code: 'too_large',
    says: /more than 1000 rows/,
  },
  {
    what: 'CSV of too many rows for a model that takes one at a time',
    signature: rowAtATime,
    type: 'text/csv',
    body: '1,2,3,4\n'.repeat(11),
    code: 'too_large',
    says: /more than 10 rows/,
  },
  {
    what: 'CSV of a line that is too wide, before it is cut',
    signature: wide,
    type: 'text/csv',
    body: `${'1,'.repeat(megabyte)}${poison}`,
    code: 'too_large',
    says: /line 1 has more than 4160 columns/,
  },
  {
    what: 'JSON of too many lists',
    signature: wide,
    type: 'application/json',
    body: `{"instances":[${'[],'.repeat(megabyte)}`,
    code: 'too_large',
    says: /more than \d+ values/,
  },
  {
    what: 'JSON of too many values',
    signature: wide,
    type: 'application/json',
    body: `{"instances":[[${'1,'.repeat(megabyte)}`,
    code: 'too_large',
    says: /more than \d+ values/,
  },
  {
    what: 'JSON that is too deep',
    signature: wide,
    type: 'application/json',
    body: '['.repeat(megabyte),
    code: 'invalid_request',
    says: /nested deeper than 100/,
  },
  {
    what: 'JSON of too many rows',
    signature: narrow,
    type: 'application/json',
    body: JSON.stringify({ instances: Array.from({ length: 1001 }, () => 1) }),
    code: 'too_large',
    says: /more than 1000 rows/,
  },
  {
    what: 'JSON of a tensor of too many rows',
    signature: narrow,
    type: 'application/json',
    body: JSON.stringify({ inputs: [{ name: 'x', data: Array.from({ length: 1001 }, () => 1) }] }),
    code: 'too_large',
    says: /more than 1000 rows/,
  },
  {
    what: 'an npy file of too many rows',
    signature: narrow,
    type: 'application/x-npy',
    body: npyFile({ datatype: 'FP32', shape: [1001], data: Buffer.alloc(4004) }),
    code: 'too_large',
    says: /more than 1000 rows/,
  },
  {
    what: 'an npy file by the length of its header',
    signature: narrow,
    type: 'application/x-npy',
    body: Buffer.concat([Buffer.from('\x93NUMPY\x02\x00', 'latin1'), Buffer.from([0, 0, 16, 0]), Buffer.alloc(megabyte, ' ')]),
    code: 'invalid_request',
    says: /header of the npy file has 1048576 bytes/,
  },
]) {
  test(`rejects ${what}`, () => {
    assert.throws(() => rows(signature, type, body), { code, message: says });
  });
}

test('a cell with too many quotes is rejected', () => {
  const body = `"${'""'.repeat(megabyte + 1)}"\n`;
  assert.throws(() => rows(model('BYTES', -1), 'text/csv', body), { code: 'too_large', message: /more than 1048576 quotes/ });
});

test('a quoted cell of millions of doubled quotes takes no more memory than its text', () => {
  const text = model('BYTES', -1);
  const [invocation] = rows(text, 'text/csv', `"${'""'.repeat(megabyte)}"\n`);
  assert.equal(invocation?.inputs[0]?.data.length, 4 + megabyte);
});

test('a text that fits the signature is within the limits, regardless of its nesting', () => {
  const image = model('FP32', -1, 3, 8, 8).inputs;
  const one = Array.from({ length: 3 }, () => Array.from({ length: 8 }, () => Array.from({ length: 8 }, () => [0.5])));
  const text = JSON.stringify({ instances: Array.from({ length: 200 }, () => one) });
  checkJsonCost(text, tensorLimits(text, image, 200));
  const longer = JSON.stringify({ instances: Array.from({ length: 4000 }, () => one) });
  assert.throws(() => checkJsonCost(longer, tensorLimits(longer, image, 200)), { code: 'too_large' });
});

test('brackets and commas within strings do not count', () => {
  const text = JSON.stringify({ text: '[{,\\"'.repeat(megabyte) });
  checkJsonCost(text, documentLimits);
});

test('the lines of a CSV are counted before any is read, unless the first has a problem of its own', () => {
  const line = `${Array<number>(64).fill(1).join(',')}\n`;
  const text = `${line.repeat(10)}not a number\n${line.repeat(1000)}`;
  assert.throws(() => rows(wide, 'text/csv', text), { code: 'too_large', message: /more than 1000 rows/ });
  assert.throws(() => rows(wide, 'text/csv', '1\n'.repeat(2000)), { code: 'invalid_request', message: /1 column/ });
  assert.throws(() => rows(wide, 'text/csv', `${'\r\n'.repeat(megabyte)}${line}`), { code: 'invalid_request', message: /empty lines/ });
  assert.equal(rows(wide, 'text/csv', `${'\n'.repeat(1000)}${line}`)[0]?.rows, 1);
});

describe('a protobuf message', () => {
  const field = (tag: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([tag, ...varint(bytes.length)]), bytes]);
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const text = (tag: number, value: string): Buffer => field(tag, Buffer.from(value));

  for (const { what, tag, says } of [
    { what: 'inputs', tag: 0x2a, says: /inputs has more than 1024 entries/ },
    { what: 'outputs', tag: 0x32, says: /outputs has more than 1024 entries/ },
    { what: 'raw contents', tag: 0x3a, says: /raw_input_contents has more than 1024 entries/ },
    { what: 'parameters', tag: 0x22, says: /more than 16384 fields/ },
    { what: 'unknown fields', tag: 0x7a, says: /more than 16384 fields/ },
  ]) {
    test(`of too many ${what} is rejected`, () => {
      const bytes = Buffer.alloc(2 * megabyte, Buffer.from([tag, 0]));
      assert.throws(() => readInferMessage(bytes), { code: 'invalid_request', message: says });
    });
  }

  test('with too many dimensions or too long a name is rejected', () => {
    const shape = field(0x2a, field(0x1a, Buffer.alloc(megabyte, 1)));
    assert.throws(() => readInferMessage(shape), { message: /shape has more than 64 entries/ });
    assert.throws(() => readInferMessage(text(0x0a, 'm'.repeat(megabyte))), { message: /a string has 1048576 bytes/ });
  });

  const input = (contents: readonly Buffer[]): Buffer =>
    field(
      0x2a,
      Buffer.concat([text(0x0a, 'x'), text(0x12, 'INT32'), field(0x1a, Buffer.from([2])), ...contents.map((each) => field(0x2a, each))]),
    );

  test('with repeated contents is merged, and with too many elements rejected', () => {
    const plan = planOf(model('INT32', -1));
    const pieces = input([field(0x12, Buffer.from([7])), field(0x12, Buffer.from([8]))]);
    const { inputs } = decodeMessage(plan, 32, readInferMessage(pieces));
    assert.deepEqual(Buffer.from(inputs[0]?.data ?? []), Buffer.from(Int32Array.of(7, 8).buffer));
    const many = input([field(0x12, Buffer.alloc(megabyte, 1))]);
    assert.throws(() => decodeMessage(plan, 32, readInferMessage(many)), {
      code: 'invalid_request',
      message: /has more than \d+ elements/,
    });
  });

  test('is decoded identically in a thread', async () => {
    const plan = planOf(model('INT32', -1));
    const body = input([field(0x12, Buffer.from([7, 8]))]);
    const { decoded } = await decodeInThread(pool(), decodeMessageTask, { plan: planFacts(plan), batchSizeMax: 32, body }, () => true);
    assert.deepEqual(decoded.inputs[0]?.shape, [2]);
    assert.deepEqual(Buffer.from(decoded.inputs[0]?.data ?? []), Buffer.from(Int32Array.of(7, 8).buffer));
  });
});

test('raw strings are counted only as far as the shape requires', () => {
  const plan = planOf(model('BYTES', -1));
  const strings = encodeStrings(Array.from({ length: 100_000 }, () => ''));
  const json = Buffer.from(
    JSON.stringify({ inputs: [{ name: 'x', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: strings.length } }] }),
  );
  const body = Buffer.concat([json, strings]);
  assert.throws(() => decodeRequest(plan, 32, body, String(json.length)), { code: 'invalid_request', message: /more than 1027 elements/ });
});

test('a number of a million digits is not a 64-bit integer, and costs no more than its text', () => {
  const plan = planOf(model('INT64', -1));
  const data = `[9007199254740993,${'9'.repeat(megabyte)}]`;
  const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"INT64","shape":[2],"data":${data}}]}`);
  assert.throws(() => decodeRequest(plan, 32, body, undefined), { code: 'invalid_request', message: /element 1/ });
});

describe('in a thread', () => {
  const values = Array.from({ length: 200 }, (_, row) => Array.from({ length: 64 }, (_, column) => (row * column) / 8));
  const data = bytesOf(Float32Array.from(values.flat()));
  for (const [contentType, body] of Object.entries({
    'application/json': Buffer.from(JSON.stringify({ instances: values })),
    'text/csv': Buffer.from(values.map((row) => row.join(',')).join('\n')),
    'application/x-npy': npyFile({ datatype: 'FP32', shape: [200, 64], data }),
  })) {
    test(`${contentType} is decoded as in place, and the body is returned`, async () => {
      const input = { signature: wide, contentType, body: Buffer.from(body), label: undefined, limits };
      const { decoded, body: same } = await decodeInThread(pool(), decodeRowsTask, input, () => true);
      assert.deepEqual(same, body);
      assert.equal(input.body.length === 0 || input.body.buffer.byteLength > body.length, true, 'it has moved, or was a part of more');
      assert.deepEqual(decoded[0]?.inputs[0]?.shape, [200, 64]);
      assert.deepEqual(Buffer.from(decoded[0]?.inputs[0]?.data ?? []), Buffer.from(data));
    });
  }

  test('a request is decoded as in place', async () => {
    const plan = planOf(wide);
    const body = Buffer.from(
      JSON.stringify({ id: 'a', inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 64], data: values.slice(0, 2) }] }),
    );
    const input = { plan: planFacts(plan), batchSizeMax: 32, body: Buffer.from(body), header: undefined };
    const { decoded } = await decodeInThread(pool(), decodeRequestTask, input, () => true);
    const expected = decodeRequest(plan, 32, body, undefined);
    assert.deepEqual({ ...decoded, inputs: [] }, { ...expected, inputs: [] });
    assert.deepEqual(Buffer.from(decoded.inputs[0]?.data ?? []), Buffer.from(expected.inputs[0]?.data ?? []));
  });

  test('errors are the same as in place', async () => {
    const input = { plan: planFacts(planOf(wide)), batchSizeMax: 32, body: Buffer.from('{}') };
    await assert.rejects(
      decodeInThread(pool(), decodeGenerateTask, input, () => true),
      { code: 'invalid_request', message: /missing input 'x'/ },
    );
  });
});

let opened: ThreadPool | null = null;
after(() => opened?.close());
function pool(): ThreadPool {
  opened ??= new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
  return opened;
}
