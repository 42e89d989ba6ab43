/** Cases B1 to B10: the binary tensor extension. */
import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  assertSame,
  assertSameTensor,
  binaryResponse,
  decoded,
  firstOutput,
  flat,
  ok,
  outputNames,
  outputOf,
  outputsOf,
} from '../assertions.ts';
import type { Case } from '../case.ts';
import { firstModelWith, servedModels } from '../client/served.ts';
import { bytesOfInput, type ModelUnderTest } from '../client/subject.ts';
import type { Target } from '../client/target.ts';
import type { Json, WireReply } from '../client/wire.ts';
import { affine } from '../fixtures.ts';
import { Skipped } from '../outcome.ts';

const binary = { binary_data: true };
const all = { binary_data_output: true };

/** The plain request with binary inputs, of which the first may declare another size. */
function sized({ subject }: Target, parameters: Json = {}): Json {
  const [first, ...others] = subject.binary().inputs;
  const { parameters: right, ...input } = first as { parameters: Json };
  return { inputs: [{ ...input, parameters: { ...right, ...parameters } }, ...others] };
}

/** A request whose header declares a wrong length of the JSON. */
function claiming(target: Target, header: string): Promise<WireReply> {
  const body = Buffer.concat([Buffer.from(JSON.stringify(sized(target))), target.subject.binary().bytes]);
  return target.ask(body, { headers: { 'inference-header-content-length': header } });
}

/** A binary request to a model with a single string input. */
async function strings(target: Target, hex: string, count: number): Promise<WireReply> {
  const isText = ({ specs }: ModelUnderTest): boolean =>
    specs.length === 1 && specs[0]?.datatype === 'BYTES' && specs[0].shape.length === 1;
  const model = await firstModelWith(target, await servedModels(target), isText);
  if (model === null) throw new Skipped('needs a model with a single input, a list of strings, such as spam-text');
  const bytes = Buffer.from(hex, 'hex');
  const { name } = model.first;
  const input = { name, datatype: 'BYTES', shape: [count], parameters: { binary_data_size: bytes.length } };
  return target.inferBinary(model.name, { inputs: [input] }, bytes);
}

const cases: readonly Omit<Case, 'level' | 'extension'>[] = [
  {
    id: 'B1',
    promise: "all-binary requests give the same tensors; with the specification's model, byte for byte",
    async run(target) {
      const { subject } = target;
      const { inputs, bytes } = subject.binary();
      assertSame(decoded(binaryResponse(await target.askBinary({ inputs, parameters: all }, bytes))), await target.reference());
      if (!subject.isAffine) return;
      const outputs = [{ name: 'y', parameters: binary }, { name: 'sum' }];
      const vector = binaryResponse(await target.askBinary({ id: '42', inputs, outputs }, affine.bytes));
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
    promise: 'binary and JSON inputs can be mixed in a request, in any order',
    async run(target) {
      const model = await firstModelWith(target, await servedModels(target), ({ inputs }) => inputs.length === 2);
      if (model === null) throw new Skipped('needs a model with two inputs, such as test-slow-loop');
      const plain = await target.answer(model.name, { inputs: model.inputs });
      const [first, second] = model.inputs as unknown as [ModelUnderTest['first'], ModelUnderTest['first']];
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
    promise: 'binary and JSON outputs can be mixed in a response, as requested for each',
    async run(target) {
      const reference = await target.reference();
      const names = outputNames(reference).toReversed();
      const outputs = names.map((name, index) => ({ name, parameters: { binary_data: index === 0 } }));
      const answer = binaryResponse(await target.ask(target.subject.request({}, { outputs })));
      for (const [index, output] of outputsOf(answer.json).entries()) assert.equal('data' in output, index > 0);
      assertSame(decoded(answer), reference);
    },
  },
  {
    id: 'B4',
    promise: 'binary_data_output requests binary for all outputs, and an output may override it',
    async run(target) {
      const { subject } = target;
      const reference = await target.reference();
      const every = binaryResponse(await target.ask(subject.request({}, { parameters: all })));
      assert(
        outputsOf(every.json).every((output) => !('data' in output)),
        'every output must be binary',
      );
      assertSame(decoded(every), reference);
      const [one, ...others] = outputNames(reference);
      if (others.length === 0) return;
      const outputs = [{ name: one, parameters: { binary_data: false } }, ...others.map((name) => ({ name }))];
      const mixed = binaryResponse(await target.ask(subject.request({}, { parameters: all, outputs })));
      assertSameTensor(outputOf(mixed.json, String(one)), outputOf(reference, String(one)));
      assertSame(decoded(mixed), reference);
    },
  },
  {
    id: 'B5',
    promise: 'raw requests: the body is the tensor, its shape is inferred, the response is binary',
    async run(target) {
      target.requireAffine();
      const raw = (body: Buffer, model: string): Promise<WireReply> =>
        target.infer(model, body, { headers: { 'inference-header-content-length': '0' } });
      const { name } = target.subject;
      assertSame(decoded(binaryResponse(await raw(affine.bytes, name))), await target.reference());
      const short = await raw(affine.bytes.subarray(1), name);
      await target.refused(short, 400, `input 'x': the raw body has 23 bytes, [-1,3] of FP32 needs a multiple of 12 bytes`);
      const label = binaryResponse(await raw(Buffer.from('free money'), await target.fixture('text')));
      assert.deepEqual(outputOf(label.json, 'label')['shape'], [1]);
      const slow = await target.fixture('slow');
      await target.refused(await raw(Buffer.alloc(8), slow), 400, `model '${slow}': a raw request needs a model with one input, it has 2`);
    },
  },
  {
    id: 'B6',
    promise: 'a wrong Inference-Header-Content-Length is rejected',
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
    promise: 'sizes that do not match the shape or the body are rejected',
    async run(target) {
      const { subject } = target;
      const { name, shape, datatype, data } = subject.first;
      if (datatype === 'BYTES') throw new Skipped('needs a model with a numeric first input');
      const { bytes } = subject.binary();
      const size = bytesOfInput(subject.first).length;
      const send = (said: unknown, sent: Buffer): Promise<WireReply> => target.askBinary(sized(target, { binary_data_size: said }), sent);
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
    promise: 'JSON input with binary output, also compressed as a whole',
    async run(target) {
      const { subject } = target;
      const reference = await target.reference();
      const outputs = outputNames(reference).map((name) => ({ name, parameters: binary }));
      assertSame(decoded(binaryResponse(await target.ask(subject.request({}, { outputs })))), reference);
      const { inputs, bytes } = subject.binary();
      const json = Buffer.from(JSON.stringify({ inputs, outputs }));
      const headers = { 'inference-header-content-length': String(json.length), 'content-encoding': 'gzip', 'accept-encoding': 'gzip' };
      const reply = await target.ask(gzipSync(Buffer.concat([json, bytes])), { headers });
      const body = reply.headers['content-encoding'] === 'gzip' ? gunzipSync(reply.body) : reply.body;
      assertSame(decoded(binaryResponse({ ...reply, body })), reference);
    },
  },
  {
    id: 'B9',
    promise: 'malformed BYTES are rejected: lengths past the end, a wrong count, invalid UTF-8, a NUL',
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
      // BYTES may hold any bytes, but Penstock's runtime requires text.
      await target.refused(await strings(target, '01000000ff', 1), 400, `input 'text': element 0 is not valid UTF-8`);
      const nul = `input 'text': element 0 holds a NUL character, which no model input may`;
      await target.refused(await strings(target, '03000000780079', 1), 400, nul);
    },
  },
  {
    id: 'B10',
    promise: 'the response declares exactly how many of its bytes are JSON, and its total length',
    async run(target) {
      const { subject } = target;
      const reference = await target.reference();
      for (const id of ['a', 'é漢😀']) {
        const reply = await target.ask(subject.request({}, { id, parameters: all }));
        const answer = binaryResponse(reply);
        assert.equal(answer.json['id'], id);
        assertSame(decoded(answer), reference);
        const { 'content-length': length, 'content-type': type } = reply.headers;
        // Clients rely on the header with the length of the JSON.
        if (target.isPenstock) assert.equal(type, 'application/octet-stream');
        if (length !== undefined) assert.equal(Number(length), reply.body.length);
      }
      const plain = await target.ask(subject.request());
      assert.equal(plain.headers['inference-header-content-length'], undefined);
    },
  },
];

export const binaryCases: readonly Case[] = cases.map((each) => ({ ...each, level: 'extension', extension: 'binary_tensor_data' }));
