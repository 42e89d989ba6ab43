import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InvokeResult, type ProcessReply, type ReplySink, WorkerLost } from '../../runtime/index.ts';
import { PendingRequest, rawCall } from '../request.ts';
import { ModelError } from './model-error.ts';
import { processRunner } from './process-runner.ts';
import type { BatchRunResult } from './run-requests.ts';

const timings = { inMs: 0, runMs: 1, outMs: 0 };
const place = { bucket: '', deadlineMs: 0, promisedAtMs: 0, timeoutAtMs: 0 };

function replied(status: number, body: string): ProcessReply {
  return { status, headers: {}, body: Buffer.from(body), isStreamed: false };
}

function requestFor(sink: ReplySink | null = null): PendingRequest {
  return new PendingRequest(rawCall({ requestId: 'r', arrivedAtMs: 0 }, { headers: {}, body: Buffer.from('x') }, sink), place, () => {});
}

function run(invoke: (sink: ReplySink | null) => Promise<InvokeResult>, request = requestFor()): Promise<BatchRunResult> {
  const link = {
    invoke: (_payload: unknown, _max: number, sink: ReplySink | null = null) => invoke(sink),
    status: async () => ({ rssBytes: 0, pid: 0 }),
  };
  return new Promise((resolve) => processRunner(link, 'm/1', 100, { nowMs: () => 0 })([request], resolve));
}

test('a success status is the reply; any other is a model error with status and body', async () => {
  const ok = await run(async () => ({ reply: replied(201, 'yes'), timings }));
  assert(ok.kind === 'done' && ok.reply?.status === 201);
  for (const status of [304, 400, 500]) {
    const failed = await run(async () => ({ reply: replied(status, 'no'), timings }));
    assert(failed.kind === 'failed' && failed.error instanceof ModelError);
    assert.deepEqual(
      [failed.error.code, failed.error.reply.status, failed.error.message],
      ['model_failed', status, `m/1 answered with status ${status}: no`],
    );
  }
});

test('a crashed worker is reported as gone, and tensors are rejected', async () => {
  const lost = await run(() => Promise.reject(new WorkerLost('killed')));
  assert.deepEqual([lost.kind, lost.kind === 'gone' && lost.neverStarted], ['gone', false]);
  const call = { requestId: 'r', arrivedAtMs: 0, inputs: [], rows: 1 };
  const refused = await run(() => assert.fail('it is not called'), new PendingRequest(call, place, () => {}));
  assert(refused.kind === 'failed' && refused.error.code === 'unsupported');
});

test('a started reply is marked, and a settled request receives no more pieces', async () => {
  const pieces: string[] = [];
  const request = requestFor({ begin: () => undefined, piece: (bytes) => void pieces.push(bytes.toString()) });
  const answer = await run(async (sink) => {
    sink?.begin({ status: 200, headers: {} });
    assert.equal(request.hasReplyStarted, true);
    await sink?.piece(Buffer.from('one'));
    request.settle({ ok: false, error: new ModelError('m/1', replied(500, '')) });
    await sink?.piece(Buffer.from('two'));
    return { reply: replied(200, ''), timings };
  }, request);
  assert.deepEqual([answer.kind, pieces], ['failed', ['one']]);
});

test('a stalled client blocks a piece only until its request is settled', async () => {
  const request = requestFor({ begin: () => undefined, piece: () => new Promise<void>(() => undefined) });
  const answer = await run(async (sink) => {
    const taken = sink?.piece(Buffer.from('one'));
    request.settle({ ok: false, error: new ModelError('m/1', replied(504, '')) });
    await taken;
    return { reply: replied(200, ''), timings };
  }, request);
  assert.equal(answer.kind, 'done');
});
