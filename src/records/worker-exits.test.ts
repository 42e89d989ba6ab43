import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import type { NewEvent, PlatformEvent } from './events.ts';
import { type WorkerExit, WorkerExits } from './worker-exits.ts';

const killed: WorkerExit = {
  worker: 'digits.alltraffic.1.0',
  endpoint: 'digits',
  variant: 'AllTraffic',
  model: 'digits/1',
  executor: 'instance:local.1',
  reason: 'killed by SIGKILL',
  exitCode: null,
  signal: 'SIGKILL',
  lastLines: '',
  restartMs: 0,
};

describe('an unexpected exit of a worker', () => {
  let clock: VirtualClock;
  let reported: NewEvent[];
  let ends: WorkerExits;
  beforeEach(() => {
    clock = new VirtualClock();
    reported = [];
    const recordAndPublish = async (event: NewEvent) => {
      reported.push(event);
      return event as PlatformEvent;
    };
    ends = new WorkerExits({ events: { recordAndPublish }, clock, onFailure: (error) => assert.fail(String(error)) });
  });

  const end = (change: Partial<WorkerExit> = {}): void => {
    const whole = { ...killed, ...change };
    ends.ended(whole.worker, whole);
  };
  const pass = async (ms = 0): Promise<void> => {
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  const details = () => reported.map(({ detail }) => detail as Record<string, unknown>);

  test('is recorded with the fate of its requests, whichever is known first', async () => {
    ends.recordLost(killed.worker, { runAgain: 2, failed: 0 });
    end();
    ends.recordLost(killed.worker, { runAgain: 0, failed: 1 });
    await pass();
    end();
    await pass();
    assert.deepEqual(
      reported.map(({ kind, subject }) => `${kind} ${subject}`),
      ['worker.crashed digits', 'worker.crashed digits'],
    );
    const { endpoint: _endpoint, ...asKnown } = killed;
    assert.deepEqual(details(), [
      { ...asKnown, requests: 3, requestsRunAgain: 2, requestsFailed: 1 },
      { ...asKnown, requests: 0, requestsRunAgain: 0, requestsFailed: 0 },
    ]);
  });

  test('does not include requests lost by a worker that was stopped before', async () => {
    ends.recordLost(killed.worker, { runAgain: 2, failed: 0 });
    ends.ended(killed.worker, null);
    await pass();
    end();
    await pass();
    assert.deepEqual([reported.length, details()[0]?.['requests']], [1, 0]);
  });

  test('is rate-limited: ten events per variant, then one a minute with the number of others', async () => {
    for (let i = 0; i < 500; i++) end();
    end({ endpoint: 'other' });
    await pass();
    const counted = () => details().map(({ othersBefore = 0 }) => othersBefore);
    assert.deepEqual(
      counted(),
      Array.from({ length: 11 }, () => 0),
    );
    await pass(60_000);
    assert.deepEqual(counted().slice(11), [489]);
    for (let i = 0; i < 5; i++) end();
    await pass();
    assert.equal(reported.length, 12);
    await pass(60_000);
    assert.deepEqual(counted().slice(12), [4]);
  });

  test('is counted and rate-limited also beyond the limit of variants', async () => {
    const variants = 1200;
    const loop = async (rounds: number): Promise<void> => {
      for (let i = 0; i < rounds; i++) for (let at = 0; at < variants; at++) end({ endpoint: `e${at}` });
      await pass();
    };
    const counted = () => details().reduce((sum, { othersBefore = 0 }) => sum + 1 + Number(othersBefore), 0);
    for (let i = 0; i < 12; i++) end({ endpoint: 'e0' });
    await loop(1);
    assert.equal(reported.filter(({ subject }) => subject === 'e0').length, 10, 'seen first, and held to its limit');
    await loop(11);
    const atOnce = reported.length;
    assert.ok(atOnce <= 1001 * 10, `${atOnce} recorded at once`);
    await pass(60_000);
    assert.equal(counted(), 12 + 12 * variants);
    assert.ok(reported.length - atOnce <= 1001, `${reported.length - atOnce} in a minute`);
    await loop(1);
    await pass(60_000);
    assert.ok(reported.length - atOnce <= 2 * 1001, 'no variant gets a second burst');
    assert.equal(counted(), 12 + 13 * variants);
  });

  test('has its own limit again once earlier variants are idle', async () => {
    for (let at = 0; at < 1000; at++) for (let i = 0; i < 10; i++) end({ endpoint: `e${at}` });
    await pass(10 * 60_000);
    reported.length = 0;
    for (const endpoint of ['new', 'newer']) for (let i = 0; i < 10; i++) end({ endpoint });
    await pass();
    assert.equal(reported.length, 20);
  });

  test('that was held back is recorded at shutdown at the latest', async () => {
    for (let i = 0; i < 11; i++) end();
    await pass();
    await ends.close();
    assert.deepEqual([reported.length, details()[10]?.['othersBefore']], [11, undefined]);
  });

  test('is not recorded if one signal ends the server and its workers', async () => {
    end({ signal: 'SIGTERM' });
    await pass();
    await ends.close();
    end();
    await pass(60_000);
    assert.deepEqual(reported, []);
  });

  test('is recorded for that signal if the server continues', async () => {
    end({ signal: 'SIGTERM' });
    await pass(1000);
    assert.equal(reported.length, 1);
  });
});
