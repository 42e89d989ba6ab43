/** Cases G12 to G14 and G16: time, size and streams. */
import assert from 'node:assert/strict';
import { assertSame, ok } from '../answers.ts';
import type { Case } from '../case.ts';
import { Skipped } from '../outcome.ts';
import { type Form, good, inferAnswer, inferRequest } from '../rpc-messages.ts';
import type { Input } from '../subject.ts';
import type { Target } from '../target.ts';
import type { Json } from '../wire.ts';
import { statisticsOf } from './extensions.ts';
import { failsWith, plainRequest } from './rpc-server.ts';
import { nobody } from './server.ts';
import { loop, occupy } from './slow-loop.ts';

/** As `loop`, in a message. */
function loopRequest(model: string, iterations: number): Json {
  return inferRequest(model, loop(iterations)['inputs'] as Input[], 'raw');
}

/**
 * While the server's one worker is busy a call comes, and ends before its turn. It must not be run afterwards: the statistics show it,
 * where the server has them.
 */
async function isNeverRun(target: Target, call: (model: string) => Promise<void>): Promise<void> {
  const { rpc } = target;
  const model = await target.fixture('slow');
  const executions = async (): Promise<number> => (target.has('statistics') ? (await statisticsOf(target, model)).execution_count : 0);
  const { answered } = await occupy(target, model);
  const before = await executions();
  await call(model);
  ok(await answered);
  good(await rpc.call('ModelInfer', loopRequest(model, 2)));
  if (target.has('statistics')) assert.equal(await executions(), before + 2, 'the model ran for a call that was over');
}

const megabyte = 1024 * 1024;

export const rpcStreamCases: readonly Case[] = [
  {
    id: 'G12',
    level: 'should',
    promise: 'a call whose deadline has passed ends with DEADLINE_EXCEEDED and is never run',
    run: (target) =>
      isNeverRun(target, async (model) => {
        const { code } = await target.rpc.call('ModelInfer', loopRequest(model, 1), { deadlineMs: 20 });
        assert.equal(code, 'DEADLINE_EXCEEDED');
      }),
  },
  {
    id: 'G13',
    level: 'should',
    promise: 'a call that is cancelled is never run',
    run: (target) =>
      isNeverRun(target, async (model) => {
        const cancelling = new AbortController();
        const cancelled = target.rpc.call('ModelInfer', loopRequest(model, 1), { signal: cancelling.signal });
        // Answers to later calls show that the server has had time to read the first.
        for (let round = 0; round < 3; round++) await target.rpc.call('ServerLive');
        cancelling.abort();
        assert.equal((await cancelled).code, 'CANCELLED');
        for (let round = 0; round < 3; round++) await target.rpc.call('ServerLive');
      }),
  },
  {
    id: 'G14',
    level: 'should',
    promise: 'a message of 16 MiB is taken; one over the limit is RESOURCE_EXHAUSTED',
    async run(target) {
      target.needsAffine();
      const { rpc, subject } = target;
      const ones = (bytes: number): Json => {
        const rows = Math.ceil(bytes / 12);
        const input = { name: 'x', datatype: 'FP32', shape: [rows, 3] };
        const raw = Buffer.from(new Float32Array(rows * 3).fill(1).buffer);
        return { model_name: subject.name, inputs: [input], raw_input_contents: [raw], outputs: [{ name: 'y' }] };
      };
      if (target.isPenstock && target.bodyLimitBytes < 17 * megabyte) throw new Skipped(`takes ${target.bodyLimitBytes} bytes at most`);
      const message = good(await rpc.call('ModelInfer', ones(16 * megabyte)));
      const [y] = message['raw_output_contents'] as Buffer[];
      assert(y !== undefined && y.length >= 16 * megabyte && y.readFloatLE(y.length - 4) === 3, 'all of it is answered, y = 2x + 1');
      if (!target.isPenstock) return;
      await failsWith(target, await rpc.call('ModelInfer', ones(target.bodyLimitBytes + 1)), 'RESOURCE_EXHAUSTED');
    },
  },
  {
    id: 'G16',
    level: 'extension',
    promise: 'ModelStreamInfer answers in order, an error does not end the stream, and the last answer is marked',
    async run(target) {
      const { rpc, subject } = target;
      const final = { triton_enable_empty_final_response: { bool_param: true } };
      const requests = ['a', 'b', 'c', 'd'].map((id, index) => {
        const form: Form = index % 2 === 0 ? 'raw' : 'typed';
        return inferRequest(subject.name, subject.inputs, form, { id, ...(id === 'd' ? { parameters: final } : {}) });
      });
      const wrong = plainRequest(target, { id: 'wrong', model_name: nobody });
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
        'answers come in the order of the requests, an error with the id of its request',
      );
      for (const [index, { error_message: error }] of messages.entries())
        assert.equal(error !== '', index === 2, `error_message of answer ${index}`);
      if (target.isPenstock) assert.match(String(messages[2]?.['error_message']), /is not known/);
      const reference = await target.reference();
      for (const [index, response] of responses.entries()) if (index !== 2) assertSame(inferAnswer(response as Json).answer, reference);
      const marks = responses.at(-1)?.['parameters'] as Record<string, Json> | undefined;
      assert.equal(marks?.['triton_final_response']?.['bool_param'], true, 'the last answer has triton_final_response');
    },
  },
];
