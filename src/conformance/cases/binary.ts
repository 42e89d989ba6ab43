/** Cases B1 to B10: the binary tensor extension. */
import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  assertSame,
  assertSameTensor,
  binaryAnswer,
  decoded,
  firstOutput,
  flat,
  ok,
  outputNames,
  outputOf,
  outputsOf,
} from '../answers.ts';
import type { Case } from '../case.ts';
import { affine } from '../fixtures.ts';
import { Skipped } from '../outcome.ts';
import { modelWith, servedModels } from '../served.ts';
import { bytesOfInput, type Subject } from '../subject.ts';
import type { Target } from '../target.ts';
import type { Json, Reply } from '../wire.ts';

const binary = { binary_data: true };
const all = { binary_data_output: true };

/** The subject's request with bytes for its inputs, the first of which may be said to be another size. */
function sized({ subject }: Target, parameters: Json = {}): Json {
  const [first, ...others] = subject.binary().inputs;
  const { parameters: right, ...input } = first as { parameters: Json };
  return { inputs: [{ ...input, parameters: { ...right, ...parameters } }, ...others] };
}

/** A request whose header claims a length of the JSON that need not be true. */
function claiming(target: Target, header: string): Promise<Reply> {
  const body = Buffer.concat([Buffer.from(JSON.stringify(sized(target))), target.subject.binary().bytes]);
  return target.ask(body, { headers: { 'inference-header-content-length': header } });
}

/** A model with one input of strings, and a request to it in bytes. */
async function strings(target: Target, hex: string, count: number): Promise<Reply> {
  const isText = ({ specs }: Subject): boolean => specs.length === 1 && specs[0]?.datatype === 'BYTES' && specs[0].shape.length === 1;
  const model = await modelWith(target, await servedModels(target), isText);
  if (model === null) throw new Skipped('needs a model with one input, a list of strings, such as spam-text');
  const bytes = Buffer.from(hex, 'hex');
  const { name } = model.first;
  const input = { name, datatype: 'BYTES', shape: [count], parameters: { binary_data_size: bytes.length } };
  return target.inferBinary(model.name, { inputs: [input] }, bytes);
}

const cases: readonly Omit<Case, 'level' | 'extension'>[] = [
  {
    id: 'B1',
    promise: 'all binary: the same tensors; with the model of the specification, byte for byte',
    async run(target) {
      const { subject } = target;
      const { inputs, bytes } = subject.binary();
      assertSame(decoded(binaryAnswer(await target.askBinary({ inputs, parameters: all }, bytes))), await target.reference());
      if (!subject.isAffine) return;
      const outputs = [{ name: 'y', parameters: binary }, { name: 'sum' }];
      const vector = binaryAnswer(await target.askBinary({ id: '42', inputs, outputs }, affine.bytes));
      const { model_version: version, ...json } = vector.json;
      if (target.isPenstock) assert.equal(typeof version, 'string');
      assert.deepEqual(json, {
        model_name: subject.name,
        id: '42',
        outputs: [
          { name: 'y', shape: [2, 3], datatype: 'FP32', parameters: { binary_data_size: 24 } },
          { name: 'sum', shape: [], datatype: 'FP32', data: [affine.sum] },
        ],
      });
      assert.deepEqual(vector.bytes, affine.answerBytes);
    },
  },
  {
    id: 'B2',
    promise: 'binary and JSON inputs in one request, in any order',
    async run(target) {
      const model = await modelWith(target, await servedModels(target), ({ inputs }) => inputs.length === 2);
      if (model === null) throw new Skipped('needs a model with two inputs, such as test-slow-loop');
      const plain = await target.answer(model.name, { inputs: model.inputs });
      const [first, second] = model.inputs as unknown as [Subject['first'], Subject['first']];
      const { inputs, bytes } = model.binary();
      const [binaryFirst, binarySecond] = inputs;
      for (const order of [
        [binaryFirst, second],
        [second, binaryFirst],
      ]) {
        assertSame(ok(await target.inferBinary(model.name, { inputs: order }, bytesOfInput(first))), plain);
      }
      assertSame(ok(await target.inferBinary(model.name, { inputs: [first, binarySecond] }, bytesOfInput(second))), plain);
      assertSame(ok(await target.inferBinary(model.name, { inputs }, bytes)), plain);
    },
  },
  {
    id: 'B3',
    promise: 'binary and JSON outputs in one answer, each where it was asked for',
    async run(target) {
      const reference = await target.reference();
      const names = outputNames(reference).toReversed();
      const outputs = names.map((name, index) => ({ name, parameters: { binary_data: index === 0 } }));
      const answer = binaryAnswer(await target.ask(target.subject.request({}, { outputs })));
      for (const [index, output] of outputsOf(answer.json).entries()) assert.equal('data' in output, index > 0);
      assertSame(decoded(answer), reference);
    },
  },
  {
    id: 'B4',
    promise: 'binary_data_output asks for all, and an output may say otherwise',
    async run(target) {
      const { subject } = target;
      const reference = await target.reference();
      const every = binaryAnswer(await target.ask(subject.request({}, { parameters: all })));
      assert(
        outputsOf(every.json).every((output) => !('data' in output)),
        'every output is binary',
      );
      assertSame(decoded(every), reference);
      const [one, ...others] = outputNames(reference);
      if (others.length === 0) return;
      const outputs = [{ name: one, parameters: { binary_data: false } }, ...others.map((name) => ({ name }))];
      const mixed = binaryAnswer(await target.ask(subject.request({}, { parameters: all, outputs })));
      assertSameTensor(outputOf(mixed.json, String(one)), outputOf(reference, String(one)));
      assertSame(decoded(mixed), reference);
    },
  },
  {
    id: 'B5',
    promise: 'a raw request: the body is the tensor, its shape follows, the answer is binary',
    async run(target) {
      target.needsAffine();
      const raw = (body: Buffer, model: string): Promise<Reply> =>
        target.infer(model, body, { headers: { 'inference-header-content-length': '0' } });
      const { name } = target.subject;
      assertSame(decoded(binaryAnswer(await raw(affine.bytes, name))), await target.reference());
      const short = await raw(affine.bytes.subarray(1), name);
      await target.refused(short, 400, `input 'x': the raw body has 23 bytes, [-1,3] of FP32 needs a multiple of 12 bytes`);
      const label = binaryAnswer(await raw(Buffer.from('free money'), await target.fixture('text')));
      assert.deepEqual(outputOf(label.json, 'label')['shape'], [1]);
      const slow = await target.fixture('slow');
      await target.refused(await raw(Buffer.alloc(8), slow), 400, `model '${slow}': a raw request needs a model with one input, it has 2`);
    },
  },
  {
    id: 'B6',
    promise: 'a wrong Inference-Header-Content-Length is refused',
    async run(target) {
      const header = 'Inference-Header-Content-Length';
      for (const wrong of ['abc', '-1', '1.5', '0x10']) {
        await target.refused(await claiming(target, wrong), 400, `${header} is '${wrong}', expected a non-negative integer`);
      }
      await target.refused(await claiming(target, '100000'), 400, new RegExp(`^${header} is 100000, but the body has only \\d+ bytes$`));
      await target.refused(await claiming(target, '10'), 400, /^the body is not valid JSON/);
      const missing = await target.ask(sized(target));
      const text = `input '${target.subject.first.name}': binary_data_size needs the header ${header} with the length of the JSON`;
      await target.refused(missing, 400, text);
    },
  },
  {
    id: 'B7',
    promise: 'sizes that do not fit shape or body are refused',
    async run(target) {
      const { subject } = target;
      const { name, shape, datatype, data } = subject.first;
      if (datatype === 'BYTES') throw new Skipped('needs a model whose first input is of numbers');
      const { bytes } = subject.binary();
      const size = bytesOfInput(subject.first).length;
      const send = (said: unknown, sent: Buffer): Promise<Reply> => target.askBinary(sized(target, { binary_data_size: said }), sent);
      const text = `input '${name}': binary_data_size is ${size - 4}, shape [${shape.join(',')}] of ${datatype} needs ${size} bytes`;
      await target.refused(await send(size - 4, bytes), 400, text);
      await target.refused(await send(size, bytes.subarray(0, bytes.length - 4)), 400, /expecting 4 additional bytes$/);
      const more = await send(size, Buffer.concat([bytes, affine.bytes]));
      await target.refused(more, 400, 'unexpected additional input data: 24 bytes after the last binary input');
      const expected = new RegExp(`^input '${name}': parameter 'binary_data_size' is .*, expected a number of bytes$`);
      for (const wrong of [-1, 1.5, String(size), null]) await target.refused(await send(wrong, bytes), 400, expected);
      const once = `input '${name}': give exactly one of 'data' and parameters.binary_data_size`;
      const { inputs } = sized(target) as { inputs: readonly [Json, ...Json[]] };
      const twice = { inputs: [{ ...inputs[0], data }, ...inputs.slice(1)] };
      await target.refused(await target.askBinary(twice, bytes), 400, once);
      await target.refused(await target.ask(subject.request({ data: undefined })), 400, once);
    },
  },
  {
    id: 'B8',
    promise: 'JSON in, binary out; compressed as a whole too',
    async run(target) {
      const { subject } = target;
      const reference = await target.reference();
      const outputs = outputNames(reference).map((name) => ({ name, parameters: binary }));
      assertSame(decoded(binaryAnswer(await target.ask(subject.request({}, { outputs })))), reference);
      const { inputs, bytes } = subject.binary();
      const json = Buffer.from(JSON.stringify({ inputs, outputs }));
      const headers = { 'inference-header-content-length': String(json.length), 'content-encoding': 'gzip', 'accept-encoding': 'gzip' };
      const reply = await target.ask(gzipSync(Buffer.concat([json, bytes])), { headers });
      const body = reply.headers['content-encoding'] === 'gzip' ? gunzipSync(reply.body) : reply.body;
      assertSame(decoded(binaryAnswer({ ...reply, body })), reference);
    },
  },
  {
    id: 'B9',
    promise: 'malformed BYTES are refused: lengths past the end, a wrong count, no UTF-8, a NUL',
    async run(target) {
      assert(flat(firstOutput(ok(await strings(target, '0100000061', 1)))['data']).length > 0);
      await target.refused(await strings(target, 'ffffffff61', 1), 400, /^input '\w+': BYTES element 0: its length runs past the end/);
      await target.refused(await strings(target, '0100', 1), 400, /^input '\w+': BYTES element 0: its length runs past the end/);
      await target.refused(
        await strings(target, '0100000061', 2),
        400,
        /^input '\w+': the binary data has 1 elements, shape \[2\] needs 2/,
      );
      if (!target.isPenstock) return;
      // BYTES may be any bytes; it is the runtime behind ours that wants text.
      await target.refused(await strings(target, '01000000ff', 1), 400, `input 'text': element 0 is not valid UTF-8`);
      const nul = `input 'text': element 0 holds a NUL character, which no model input may`;
      await target.refused(await strings(target, '03000000780079', 1), 400, nul);
    },
  },
  {
    id: 'B10',
    promise: 'the answer says exactly how many bytes of it are JSON, and its length is exact',
    async run(target) {
      const { subject } = target;
      const reference = await target.reference();
      for (const id of ['a', 'é漢😀']) {
        const reply = await target.ask(subject.request({}, { id, parameters: all }));
        const answer = binaryAnswer(reply);
        assert.equal(answer.json['id'], id);
        assertSame(decoded(answer), reference);
        const { 'content-length': length, 'content-type': type } = reply.headers;
        // The header with the length of the JSON is what clients decide by.
        if (target.isPenstock) assert.equal(type, 'application/octet-stream');
        if (length !== undefined) assert.equal(Number(length), reply.body.length);
      }
      const plain = await target.ask(subject.request());
      assert.equal(plain.headers['inference-header-content-length'], undefined);
    },
  },
];

export const binaryCases: readonly Case[] = cases.map((each) => ({ ...each, level: 'extension', extension: 'binary_tensor_data' }));
