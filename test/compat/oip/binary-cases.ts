/** Cases B1 to B10: the binary tensor extension. */
import assert from 'node:assert/strict';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  affineAnswer,
  affineAnswerBytes,
  affineBinary,
  affineBytes,
  affineInput,
  binaryAnswer,
  type Case,
  models,
  ok,
  outputOf,
  type Target,
} from './suite.ts';
import type { Json, Reply } from './wire.ts';

const { affine, slow, text } = models;
const binaryY = { name: 'y', parameters: { binary_data: true } };

function sized(size: unknown): Json {
  return { inputs: [{ ...affineBinary, parameters: { binary_data_size: size } }] };
}

/** A request whose header claims a length of the JSON that need not be true. */
function claiming(target: Target, header: string): Promise<Reply> {
  const body = Buffer.concat([Buffer.from(JSON.stringify(sized(24))), affineBytes]);
  return target.infer(affine, body, { headers: { 'inference-header-content-length': header } });
}

function strings(target: Target, hex: string, count: number): Promise<Reply> {
  const bytes = Buffer.from(hex, 'hex');
  const input = { name: 'text', datatype: 'BYTES', shape: [count], parameters: { binary_data_size: bytes.length } };
  return target.inferBinary(text, { inputs: [input], outputs: [{ name: 'label' }] }, bytes);
}

export const binaryCases: readonly Case[] = [
  {
    id: 'B1',
    promise: 'all binary: the vector of the specification, byte for byte',
    async run(target) {
      const outputs = [binaryY, { name: 'sum' }];
      const reply = await target.inferBinary(affine, { id: '42', inputs: [affineBinary], outputs }, affineBytes);
      const { json, bytes } = binaryAnswer(reply);
      assert.deepEqual(json, {
        model_name: affine,
        model_version: '1',
        id: '42',
        outputs: [
          { name: 'y', shape: [2, 3], datatype: 'FP32', parameters: { binary_data_size: 24 } },
          { name: 'sum', shape: [], datatype: 'FP32', data: [17] },
        ],
      });
      assert.deepEqual(bytes, affineAnswerBytes);
    },
  },
  {
    id: 'B2',
    promise: 'binary and JSON inputs in one request, in any order',
    async run(target) {
      await target.needs(slow);
      const x = { name: 'x', datatype: 'FP32', shape: [1, 256], parameters: { binary_data_size: 1024 } };
      const iters = { name: 'iters', datatype: 'INT64', shape: [], data: [1] };
      for (const inputs of [
        [x, iters],
        [iters, x],
      ]) {
        const answer = ok(await target.inferBinary(slow, { inputs }, Buffer.alloc(1024)));
        assert.deepEqual(outputOf(answer, 'y')['shape'], [1, 256]);
      }
      const both = { inputs: [x, { ...iters, data: undefined, parameters: { binary_data_size: 8 } }] };
      const bytes = Buffer.concat([Buffer.alloc(1024), Buffer.from('0100000000000000', 'hex')]);
      assert.deepEqual(outputOf(ok(await target.inferBinary(slow, both, bytes)), 'y')['shape'], [1, 256]);
    },
  },
  {
    id: 'B3',
    promise: 'binary and JSON outputs in one answer, each where it was asked for',
    async run(target) {
      const outputs = [{ name: 'sum', parameters: { binary_data: true } }, { name: 'y' }];
      const { json, bytes } = binaryAnswer(await target.infer(affine, { inputs: [affineInput], outputs }));
      assert.deepEqual(outputOf(json, 'y')['data'], affineAnswer);
      assert.equal('data' in outputOf(json, 'sum'), false);
      assert.equal(bytes.readFloatLE(0), 17);
    },
  },
  {
    id: 'B4',
    promise: 'binary_data_output asks for all, and an output may say otherwise',
    async run(target) {
      const parameters = { binary_data_output: true };
      const all = binaryAnswer(await target.infer(affine, { inputs: [affineInput], parameters }));
      assert.equal(all.bytes.length, 28);
      const outputs = [{ name: 'y', parameters: { binary_data: false } }, { name: 'sum' }];
      const mixed = binaryAnswer(await target.infer(affine, { inputs: [affineInput], parameters, outputs }));
      assert.deepEqual(outputOf(mixed.json, 'y')['data'], affineAnswer);
      assert.equal(mixed.bytes.readFloatLE(0), 17);
    },
  },
  {
    id: 'B5',
    promise: 'a raw request: the body is the tensor, its shape follows, the answer is binary',
    async run(target) {
      const raw = (body: Buffer, model: string = affine): Promise<Reply> =>
        target.infer(model, body, { headers: { 'inference-header-content-length': '0' } });
      const { json, bytes } = binaryAnswer(await raw(affineBytes));
      assert.deepEqual(outputOf(json, 'y')['shape'], [2, 3]);
      assert.deepEqual(bytes.subarray(0, 24), affineAnswerBytes);
      const label = binaryAnswer(await raw(Buffer.from('free money'), text));
      assert.deepEqual(outputOf(label.json, 'label')['shape'], [1]);
      await target.refused(
        await raw(affineBytes.subarray(1)),
        400,
        `input 'x': the raw body has 23 bytes, [-1,3] of FP32 needs a multiple of 12 bytes`,
      );
      await target.refused(await raw(Buffer.alloc(8), slow), 400, `model '${slow}': a raw request needs a model with one input, it has 2`);
    },
  },
  {
    id: 'B6',
    promise: 'a wrong Inference-Header-Content-Length is refused',
    async run(target) {
      for (const header of ['abc', '-1', '1.5', '0x10']) {
        await target.refused(
          await claiming(target, header),
          400,
          `Inference-Header-Content-Length is '${header}', expected a non-negative integer`,
        );
      }
      await target.refused(
        await claiming(target, '100000'),
        400,
        /^Inference-Header-Content-Length is 100000, but the body has only \d+ bytes$/,
      );
      await target.refused(await claiming(target, '10'), 400, /^the body is not valid JSON/);
      const missing = await target.infer(affine, sized(24));
      await target.refused(
        missing,
        400,
        `input 'x': binary_data_size needs the header Inference-Header-Content-Length with the length of the JSON`,
      );
    },
  },
  {
    id: 'B7',
    promise: 'sizes that do not fit shape or body are refused',
    async run(target) {
      const send = (size: unknown, bytes: Buffer): Promise<Reply> => target.inferBinary(affine, sized(size), bytes);
      await target.refused(await send(20, affineBytes), 400, `input 'x': binary_data_size is 20, shape [2,3] of FP32 needs 24 bytes`);
      await target.refused(await send(24, affineBytes.subarray(0, 20)), 400, `input 'x': expecting 4 additional bytes`);
      const more = await send(24, Buffer.concat([affineBytes, affineBytes]));
      await target.refused(more, 400, 'unexpected additional input data: 24 bytes after the last binary input');
      for (const size of [-1, 1.5, '24', null]) {
        await target.refused(
          await send(size, affineBytes),
          400,
          /^input 'x': parameter 'binary_data_size' is .*, expected a number of bytes$/,
        );
      }
      const twice = { inputs: [{ ...affineInput, parameters: { binary_data_size: 24 } }] };
      await target.refused(
        await target.inferBinary(affine, twice, affineBytes),
        400,
        `input 'x': give exactly one of 'data' and parameters.binary_data_size`,
      );
      const never = { inputs: [{ ...affineInput, data: undefined }] };
      await target.refused(await target.infer(affine, never), 400, `input 'x': give exactly one of 'data' and parameters.binary_data_size`);
    },
  },
  {
    id: 'B8',
    promise: 'JSON in, binary out; compressed as a whole too',
    async run(target) {
      const request = JSON.stringify({ inputs: [affineInput], outputs: [binaryY] });
      assert.deepEqual(binaryAnswer(await target.infer(affine, request)).bytes, affineAnswerBytes);
      const json = JSON.stringify({ inputs: [affineBinary], outputs: [binaryY] });
      const headers = { 'inference-header-content-length': String(json.length), 'content-encoding': 'gzip', 'accept-encoding': 'gzip' };
      const reply = await target.infer(affine, gzipSync(Buffer.concat([Buffer.from(json), affineBytes])), { headers });
      assert.deepEqual(binaryAnswer({ ...reply, body: gunzipSync(reply.body) }).bytes, affineAnswerBytes);
    },
  },
  {
    id: 'B9',
    promise: 'malformed BYTES are refused: lengths past the end, a wrong count, no UTF-8, a NUL',
    async run(target) {
      await target.needs(text);
      assert.equal((outputOf(ok(await strings(target, '0100000061', 1)), 'label')['data'] as unknown[]).length, 1);
      await target.refused(await strings(target, 'ffffffff61', 1), 400, /^input 'text': BYTES element 0: its length runs past the end/);
      await target.refused(await strings(target, '0100', 1), 400, /^input 'text': BYTES element 0: its length runs past the end/);
      await target.refused(await strings(target, '0100000061', 2), 400, `input 'text': the binary data has 1 elements, shape [2] needs 2`);
      await target.refused(await strings(target, '01000000ff', 1), 400, `input 'text': element 0 is not valid UTF-8`);
      await target.refused(
        await strings(target, '03000000780079', 1),
        400,
        `input 'text': element 0 holds a NUL character, which no model input may`,
      );
    },
  },
  {
    id: 'B10',
    promise: 'the answer says exactly how many bytes of it are JSON, and its length is exact',
    async run(target) {
      for (const id of ['a', 'é漢😀']) {
        const reply = await target.infer(affine, { id, inputs: [affineInput], outputs: [binaryY] });
        const { json, bytes } = binaryAnswer(reply);
        assert.equal(json['id'], id);
        assert.equal(bytes.length, 24);
        assert.equal(Number(reply.headers['content-length']), reply.body.length);
      }
      const plain = await target.infer(affine, { inputs: [affineInput] });
      assert.equal(plain.headers['inference-header-content-length'], undefined);
    },
  },
];
