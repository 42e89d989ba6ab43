/** Cases G12 to G14 and G16: deadlines, cancellation, message sizes and streams. */
import assert from 'node:assert/strict';
import { assertSame, ok } from '../assertions.ts';
import type { Case } from '../case.ts';
import { inferReply, inferRequest, type TensorForm, validRequest } from '../client/rpc-messages.ts';
import type { Input } from '../client/subject.ts';
import type { Target } from '../client/target.ts';
import type { Json } from '../client/wire.ts';
import { Skipped } from '../outcome.ts';
import { readStatistics } from './extensions.ts';
import { failsWith, plainRequest } from './rpc-server.ts';
import { unknownModelName } from './server.ts';
import { occupyServer, slowLoop } from './slow-loop.ts';

/** As `slowLoop`, in a gRPC message. */
function loopRequest(model: string, iterations: number): Json {
  return inferRequest(model, slowLoop(iterations)['inputs'] as Input[], 'raw');
}

/**
 * Sends a call while the server's only worker is busy, and ends it before its turn. It must not run afterwards, which the statistics show
 * if the server has them.
 */
async function isNeverRun(target: Target, call: (model: string) => Promise<void>): Promise<void> {
  const { rpc } = target;
  const model = await target.fixture('slow');
  const executions = async (): Promise<number> => (target.has('statistics') ? (await readStatistics(target, model)).execution_count : 0);
  const { answered } = await occupyServer(target, model);
  const before = await executions();
  await call(model);
  ok(await answered);
  validRequest(await rpc.call('ModelInfer', loopRequest(model, 2)));
  if (target.has('statistics')) assert.equal(await executions(), before + 2, 'the model ran for a call that had ended');
}

const megabyte = 1024 * 1024;

export const rpcStreamCases: readonly Case[] = [
  {
    id: 'G12',
    level: 'should',
    promise: 'a call whose deadline has passed ends with DEADLINE_EXCEEDED and never runs',
    run: (target) =>
      isNeverRun(target, async (model) => {
        const { code } = await target.rpc.call('ModelInfer', loopRequest(model, 1), { deadlineMs: 20 });
        assert.equal(code, 'DEADLINE_EXCEEDED');
      }),
  },
  {
    id: 'G13',
    level: 'should',
    promise: 'a cancelled call never runs',
    run: (target) =>
      isNeverRun(target, async (model) => {
        const cancelling = new AbortController();
        const cancelled = target.rpc.call('ModelInfer', loopRequest(model, 1), { signal: cancelling.signal });
        // Once later calls are answered, the server has had time to read the first.
        for (let round = 0; round < 3; round++) await target.rpc.call('ServerLive');
        cancelling.abort();
        assert.equal((await cancelled).code, 'CANCELLED');
        for (let round = 0; round < 3; round++) await target.rpc.call('ServerLive');
      }),
  },
  {
    id: 'G14',
    level: 'should',
    promise: 'a message of 16 MiB is accepted; one above the limit is RESOURCE_EXHAUSTED',
    async run(target) {
      target.requireAffine();
      const { rpc, subject } = target;
      const ones = (bytes: number): Json => {
        const rows = Math.ceil(bytes / 12);
        const input = { name: 'x', datatype: 'FP32', shape: [rows, 3] };
        const raw = Buffer.from(new Float32Array(rows * 3).fill(1).buffer);
        return { model_name: subject.name, inputs: [input], raw_input_contents: [raw], outputs: [{ name: 'y' }] };
      };
      if (target.isPenstock && target.bodyLimitBytes < 17 * megabyte) throw new Skipped(`accepts at most ${target.bodyLimitBytes} bytes`);
      const message = validRequest(await rpc.call('ModelInfer', ones(16 * megabyte)));
      const [y] = message['raw_output_contents'] as Buffer[];
      assert(
        y !== undefined && y.length >= 16 * megabyte && y.readFloatLE(y.length - 4) === 3,
        'the whole message must be answered, y = 2x + 1',
      );
      if (!target.isPenstock) return;
      await failsWith(target, await rpc.call('ModelInfer', ones(target.bodyLimitBytes + 1)), 'RESOURCE_EXHAUSTED');
    },
  },
  {
    id: 'G16',
    level: 'extension',
    promise: 'ModelStreamInfer responds in order, an error does not end the stream, and the last response is marked',
    async run(target) {
      const { rpc, subject } = target;
      const final = { triton_enable_empty_final_response: { bool_param: true } };
      const requests = ['a', 'b', 'c', 'd'].map((id, index) => {
        const form: TensorForm = index % 2 === 0 ? 'raw' : 'typed';
        return inferRequest(subject.name, subject.inputs, form, { id, ...(id === 'd' ? { parameters: final } : {}) });
      });
      const wrong = plainRequest(target, { id: 'wrong', model_name: unknownModelName });
      const { messages, end } = await rpc.stream([...requests.slice(0, 2), wrong, ...requests.slice(2)]);
      if (end.code === 'UNIMPLEMENTED') throw new Skipped('not served: ModelStreamInfer');
      if (messages[0]?.['error_message'] === subject.name || /deserializ|parsing error/i.test(end.details)) {
        throw new Skipped(`streams in another form (ModelInferResponse itself, as MLServer does)`);
      }
      assert(end.code === 'OK', `the stream ended with ${end.code}: ${end.details}`);
      const responses = messages.map(({ infer_response: response }) => response as Json | null);
      assert.deepEqual(
        responses.map((response) => response?.['id']),
        ['a', 'b', 'wrong', 'c', 'd'],
        'responses must be in the order of the requests, an error with the id of its request',
      );
      for (const [index, { error_message: error }] of messages.entries())
        assert.equal(error !== '', index === 2, `error_message of response ${index}`);
      if (target.isPenstock) assert.match(String(messages[2]?.['error_message']), /does not exist/);
      const reference = await target.reference();
      for (const [index, response] of responses.entries()) if (index !== 2) assertSame(inferReply(response as Json).answer, reference);
      const marks = responses.at(-1)?.['parameters'] as Record<string, Json> | undefined;
      assert.equal(marks?.['triton_final_response']?.['bool_param'], true, 'the last response must have triton_final_response');
    },
  },
];
