/** Cases G7 to G10, G17 and G18: raw and typed tensors, and parameters. */
import assert from 'node:assert/strict';
import { assertSame, outputOf } from '../assertions.ts';
import type { Case } from '../case.ts';
import { type Datatype, wordOf } from '../client/elements.ts';
import { contentsOf, inferReply, inferRequest, requestHead, typedInput, validRequest } from '../client/rpc-messages.ts';
import type { Input } from '../client/subject.ts';
import type { Target } from '../client/target.ts';
import type { Json } from '../client/wire.ts';
import { affine } from '../fixtures.ts';
import { failsWith, plainRequest } from './rpc-server.ts';

/** The limits of each datatype. 64-bit integers are text, which converts exactly into a message. */
const edges: readonly (readonly [Exclude<Datatype, 'BF16' | 'FP16'>, readonly unknown[]])[] = [
  ['BOOL', [true, false]],
  ['INT8', [-128, 127]],
  ['INT16', [-32768, 32767]],
  ['INT32', [-2147483648, 2147483647]],
  ['INT64', ['-9223372036854775808', '9007199254740993']],
  ['UINT8', [0, 255]],
  ['UINT16', [0, 65535]],
  ['UINT32', [0, 4294967295]],
  ['UINT64', ['18446744073709551615', '9007199254740993']],
  ['FP32', [-1.5, 16777216]],
  ['FP64', [0.1, 1.7976931348623157e308]],
  ['BYTES', ['', 'é漢 😀']],
];

const inputs: readonly Input[] = edges.map(([datatype, data]) => ({ name: `in_${wordOf(datatype)}`, datatype, shape: [1, 2], data }));

/** One and minus two. */
const half = Buffer.from('003c00c0', 'hex');

function assertEchoed(answer: Json): void {
  for (const [datatype, data] of edges) {
    const echoed = (outputOf(answer, `out_${wordOf(datatype)}`)['data'] as unknown[]).map(String);
    assert.deepEqual(echoed, data.map(String), datatype);
  }
}

/** Values that fit the field but not the narrower datatype. */
const beyond: readonly (readonly [Datatype, readonly unknown[]])[] = [
  ['UINT8', [300, 0]],
  ['UINT16', [65536, 0]],
  ['INT8', [0, 128]],
  ['INT16', [-32769, 0]],
];

export const rpcDatatypeCases: readonly Case[] = [
  {
    id: 'G7',
    level: 'must',
    promise: 'typed contents are exact for each datatype; values out of range or in the wrong field are rejected',
    async run(target) {
      const { rpc } = target;
      const model = await target.fixture('typed');
      assertEchoed(inferReply(validRequest(await rpc.call('ModelInfer', inferRequest(model, inputs, 'typed')))).answer);
      const typed = inputs.map(typedInput);
      for (const [datatype, data] of beyond) {
        const wrong = inputs.map((input, index) => (input.datatype === datatype ? typedInput({ ...input, data }) : typed[index]));
        const reply = await rpc.call('ModelInfer', { model_name: model, inputs: wrong });
        assert(reply.code !== 'OK', `${datatype} [${data.join(', ')}] is out of range but was accepted`);
        await failsWith(target, reply, 'INVALID_ARGUMENT', new RegExp(`^input 'in_${wordOf(datatype)}'`));
      }
      const misplaced = inputs.map((input, index) =>
        input.datatype === 'INT32' ? { ...requestHead(input), contents: { [contentsOf.FP32 ?? '']: [1, 2] } } : typed[index],
      );
      await failsWith(
        target,
        await rpc.call('ModelInfer', { model_name: model, inputs: misplaced }),
        'INVALID_ARGUMENT',
        /^input 'in_int32'/,
      );
      const short = inputs.map((input, index) => (input.datatype === 'FP32' ? typedInput({ ...input, data: [1] }) : typed[index]));
      await failsWith(
        target,
        await rpc.call('ModelInfer', { model_name: model, inputs: short }),
        'INVALID_ARGUMENT',
        /^input 'in_float32'/,
      );
    },
  },
  {
    id: 'G8',
    level: 'must',
    promise: "raw contents are exact for each datatype; with the specification's model, from its exact bytes",
    async run(target) {
      const { rpc, subject } = target;
      assertSame(inferReply(validRequest(await rpc.call('ModelInfer', plainRequest(target)))).answer, await target.reference());
      if (subject.isAffine) await affineVector(target);
      const model = await target.fixture('dtypes');
      const request = inferRequest(model, inputs, 'raw');
      const withHalf = {
        ...request,
        inputs: [...(request['inputs'] as Json[]), { name: 'in_float16', datatype: 'FP16', shape: [1, 2] }],
        raw_input_contents: [...(request['raw_input_contents'] as Buffer[]), half],
      };
      const message = validRequest(await rpc.call('ModelInfer', withHalf));
      assertEchoed(inferReply(message).answer);
      const at = (message['outputs'] as Json[]).findIndex(({ name }) => name === 'out_float16');
      assert.deepEqual((message['raw_output_contents'] as Buffer[])[at], half, 'FP16');
    },
  },
  {
    id: 'G9',
    level: 'should',
    promise: 'mixed raw and typed inputs, missing raw inputs, and raw inputs of a wrong size are rejected',
    async run(target) {
      const { rpc, subject } = target;
      const raw = plainRequest(target);
      const contents = raw['raw_input_contents'] as Buffer[];
      const [first = Buffer.alloc(0), ...others] = contents;
      const send = (changed: Json): Promise<Parameters<typeof validRequest>[0]> => rpc.call('ModelInfer', { ...raw, ...changed });
      await failsWith(target, await send({ inputs: subject.inputs.map(typedInput) }), 'INVALID_ARGUMENT');
      await failsWith(target, await send({ raw_input_contents: [...contents, first] }), 'INVALID_ARGUMENT');
      await failsWith(target, await send({ raw_input_contents: [first.subarray(1), ...others] }), 'INVALID_ARGUMENT');
      await failsWith(target, await send({ raw_input_contents: [Buffer.concat([first, first]), ...others] }), 'INVALID_ARGUMENT');
      await failsWith(target, await send({ raw_input_contents: [] }), 'INVALID_ARGUMENT');
    },
  },
  {
    id: 'G10',
    level: 'should',
    promise: 'a raw request gets a raw response, a typed request a typed one',
    async run(target) {
      const { rpc, subject } = target;
      const formOf = async (form: 'raw' | 'typed'): Promise<string> =>
        inferReply(validRequest(await rpc.call('ModelInfer', inferRequest(subject.name, subject.inputs, form)))).form;
      assert.equal(await formOf('raw'), 'raw', 'raw contents in, raw contents out');
      assert.equal(await formOf('typed'), 'typed', 'typed contents in, typed contents out');
    },
  },
  {
    id: 'G17',
    level: 'should',
    promise: 'messages may be compressed (gzip)',
    async run(target) {
      const message = validRequest(await target.rpc.call('ModelInfer', plainRequest(target), { gzip: true }));
      assertSame(inferReply(message).answer, await target.reference());
    },
  },
  {
    id: 'G18',
    level: 'must',
    promise: 'requests, inputs and outputs accept parameters of every type',
    async run(target) {
      const { rpc } = target;
      const parameters = {
        flag: { bool_param: true },
        count: { int64_param: '9007199254740993' },
        note: { string_param: 'é' },
        ratio: { double_param: 0.5 },
        large: { uint64_param: '18446744073709551615' },
      };
      const plain = plainRequest(target);
      const request = {
        ...plain,
        parameters,
        inputs: (plain['inputs'] as Json[]).map((input) => ({ ...input, parameters: { note: { string_param: 'x' } } })),
      };
      assertSame(inferReply(validRequest(await rpc.call('ModelInfer', request))).answer, await target.reference());
      if (!target.has('schedule_policy')) return;
      const known = { priority: { uint64_param: '1' }, timeout: { int64_param: '20000000' } };
      assertSame(inferReply(validRequest(await rpc.call('ModelInfer', { ...plain, parameters: known }))).answer, await target.reference());
      const wrong = { timeout: { string_param: '1s' } };
      await failsWith(target, await rpc.call('ModelInfer', { ...plain, parameters: wrong }), 'INVALID_ARGUMENT', /parameter 'timeout'/);
    },
  },
];

/** Sends the specification's request as literal bytes, independent of our own message definitions. */
async function affineVector({ rpc, subject }: Target): Promise<void> {
  const start = '0a0b746573742d616666696e651a0234322a0d0a01781204465033321a02020332030a01793a18';
  const raw = Buffer.concat([Buffer.from(start, 'hex'), affine.bytes]);
  const message = validRequest(await rpc.bytes('/inference.GRPCInferenceService/ModelInfer', raw));
  assert.deepEqual([message['model_name'], message['id']], [subject.name, '42']);
  assert.deepEqual(message['raw_output_contents'], [affine.answerBytes]);
  const [output, ...more] = message['outputs'] as Json[];
  assert.deepEqual([output?.['name'], output?.['datatype'], output?.['shape'], more.length], ['y', 'FP32', ['2', '3'], 0]);
  const typed = Buffer.concat([Buffer.from('0a0b746573742d616666696e652a290a01781204465033321a0202032a1a3218', 'hex'), affine.bytes]);
  const answer = inferReply(validRequest(await rpc.bytes('/inference.GRPCInferenceService/ModelInfer', typed)));
  assert.deepEqual(outputOf(answer.answer, 'y')['data'], affine.answer);
}
