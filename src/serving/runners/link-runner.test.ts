import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunResult, WorkerLost, type WorkerStatus } from '../../runtime/index.ts';
import { PendingRequest } from '../request.ts';
import { linkRunner } from './link-runner.ts';
import type { BatchRunResult } from './run-requests.ts';

const signature = { inputs: [], outputs: [], batchable: false } as never;
const timings = { inMs: 0, runMs: 1, outMs: 0 } as RunResult['timings'];

function requestAfter(losses: number): PendingRequest {
  const call = { inputs: [], rows: 1, arrivedAtMs: 0 } as never;
  const request = new PendingRequest(call, { bucket: '', deadlineMs: 0, promisedAtMs: 0, timeoutAtMs: 0 }, () => {});
  request.losses = losses;
  return request;
}

async function runBy(link: { status?: () => Promise<WorkerStatus>; run?: () => Promise<RunResult> }, losses: number) {
  const calls: string[] = [];
  const counted = {
    status: () => {
      calls.push('status');
      return link.status?.() ?? Promise.resolve({ rssBytes: 0, pid: 0 });
    },
    run: () => {
      calls.push('run');
      return link.run?.() ?? Promise.resolve({ outputs: [], timings });
    },
  };
  const answer = await new Promise<BatchRunResult>((resolve) => linkRunner(counted, signature)([requestAfter(losses)], resolve));
  return { answer, calls };
}

const dead = () => Promise.reject(new WorkerLost('its process ended'));

test('a run is sent at once, and its worker counts as started', async () => {
  const { answer, calls } = await runBy({ run: dead }, 0);
  assert.deepEqual(calls, ['run']);
  assert.deepEqual(answer, { kind: 'gone', why: 'the worker is gone: its process ended', neverStarted: false });
});

test('a request that lost a worker is sent only to a worker that proves to be alive', async () => {
  assert.deepEqual((await runBy({}, 1)).calls, ['status', 'run']);
  const found = await runBy({ status: dead }, 1);
  assert.deepEqual([found.calls, found.answer.kind === 'gone' && found.answer.neverStarted], [['status'], true]);
});

test('a crash after that proof counts against the request', async () => {
  const { answer } = await runBy({ run: dead }, 1);
  assert.equal(answer.kind === 'gone' && answer.neverStarted, false);
});
