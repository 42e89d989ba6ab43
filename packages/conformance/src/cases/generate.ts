/** Cases X8 and X9: text generation, as one response and as a stream of events. */
import assert from 'node:assert/strict';
import { firstOutput, flat, formatReply, ok } from '../assertions.ts';
import type { Case } from '../case.ts';
import type { Target } from '../client/target.ts';
import type { Json, WireReply } from '../client/wire.ts';
import { Skipped } from '../outcome.ts';
import { unknownModelName } from './server.ts';

async function generate(target: Target, model: string, path: string, body: unknown): Promise<WireReply> {
  if (!target.isPenstock && !target.has('generate')) throw new Skipped('not advertised: generate');
  return target.wire.send(`/v2/models/${model}/${path}`, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
}

export const generateCases: readonly Case[] = [
  {
    id: 'X8',
    level: 'extension',
    promise: 'generate takes inputs by name and returns outputs by name',
    async run(target) {
      const model = await target.fixture('text');
      const words = await target.answer(model, { inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: ['free money'] }] });
      const label = flat(firstOutput(words)['data'])[0];
      const answer = ok(await generate(target, model, 'generate', { id: '7', text: 'free money', parameters: { note: 'x' } }));
      assert.deepEqual([answer['id'], answer['model_name'], answer['label']], ['7', model, label]);
      assert.equal(typeof answer['model_version'], 'string');
      await target.refused(await generate(target, model, 'generate', { id: '7' }), 400, /text/);
      await target.refused(await generate(target, model, 'generate', { text: ['a', 'b', 'c'], nested: { a: 1 } }), 400, /./);
      await target.refused(
        await target.wire.send(`/v2/models/${unknownModelName}/generate`, { body: '{"text":"a"}' }),
        404,
        /does not exist/,
      );
    },
  },
  {
    id: 'X9',
    level: 'extension',
    promise: 'generate_stream responds with server-sent events',
    async run(target) {
      const model = await target.fixture('text');
      const reply = await generate(target, model, 'generate_stream', { text: 'free money' });
      assert(reply.status === 200, `expected 200, got ${formatReply(reply)}`);
      assert.match(String(reply.headers['content-type']), /^text\/event-stream(; charset=utf-8)?$/);
      const events = reply.body.toString().split('\n\n');
      assert.equal(events.pop(), '', 'each event must end with an empty line');
      assert(events.length > 0 && events.every((event) => event.startsWith('data: ')), 'each event must be "data: {json}"');
      const last = JSON.parse((events.at(-1) as string).slice('data: '.length)) as Json;
      assert.equal(last['model_name'], model);
      assert.equal(typeof last['label'], 'string');
      const refused = await generate(target, model, 'generate_stream', { id: '7' });
      assert(refused.status === 400, `an invalid request: expected 400, got ${formatReply(refused)}`);
    },
  },
];
