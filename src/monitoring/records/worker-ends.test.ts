import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { NewEvent, PlatformEvent } from './events.ts';
import { type WorkerEnd, WorkerEnds } from './worker-ends.ts';

const killed: WorkerEnd = {
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

describe('the end of a worker that was not asked to end', () => {
  let clock: VirtualClock;
  let told: NewEvent[];
  let ends: WorkerEnds;
  beforeEach(() => {
    clock = new VirtualClock();
    told = [];
    const recordAndPublish = async (event: NewEvent) => {
      told.push(event);
      return event as PlatformEvent;
    };
    ends = new WorkerEnds({ events: { recordAndPublish }, clock, onFailure: (error) => assert.fail(String(error)) });
  });

  const end = (change: Partial<WorkerEnd> = {}): void => {
    const whole = { ...killed, ...change };
    ends.ended(whole.worker, whole);
  };
  const pass = async (ms = 0): Promise<void> => {
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  const details = () => told.map(({ detail }) => detail as Record<string, unknown>);

  test('is told with what became of the requests in it, whichever is known first', async () => {
    ends.lost(killed.worker, { runAgain: 2, failed: 0 });
    end();
    ends.lost(killed.worker, { runAgain: 0, failed: 1 });
    await pass();
    end();
    await pass();
    assert.deepEqual(
      told.map(({ kind, subject }) => `${kind} ${subject}`),
      ['worker.ended-abruptly digits', 'worker.ended-abruptly digits'],
    );
    const { endpoint: _endpoint, ...asKnown } = killed;
    assert.deepEqual(details(), [
      { ...asKnown, requests: 3, requestsRunAgain: 2, requestsFailed: 1 },
      { ...asKnown, requests: 0, requestsRunAgain: 0, requestsFailed: 0 },
    ]);
  });

  test('counts for the next nothing of what one lost that was asked to end', async () => {
    ends.lost(killed.worker, { runAgain: 2, failed: 0 });
    ends.ended(killed.worker, null);
    await pass();
    end();
    await pass();
    assert.deepEqual([told.length, details()[0]?.['requests']], [1, 0]);
  });

  test('floods nobody: ten of a variant are told, then one a minute with how many others there were', async () => {
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
    assert.equal(told.length, 12);
    await pass(60_000);
    assert.deepEqual(counted().slice(12), [4]);
  });

  test('is counted and told of each, and floods nobody, also where more variants than are told apart end again and again', async () => {
    const variants = 1200;
    const loop = async (rounds: number): Promise<void> => {
      for (let i = 0; i < rounds; i++) for (let at = 0; at < variants; at++) end({ endpoint: `e${at}` });
      await pass();
    };
    const counted = () => details().reduce((sum, { othersBefore = 0 }) => sum + 1 + Number(othersBefore), 0);
    for (let i = 0; i < 12; i++) end({ endpoint: 'e0' });
    await loop(1);
    assert.equal(told.filter(({ subject }) => subject === 'e0').length, 10, 'met first, and held to what it may');
    await loop(11);
    const atOnce = told.length;
    assert.ok(atOnce <= 1001 * 10, `${atOnce} told at once`);
    await pass(60_000);
    assert.equal(counted(), 12 + 12 * variants);
    assert.ok(told.length - atOnce <= 1001, `${told.length - atOnce} in a minute`);
    await loop(1);
    await pass(60_000);
    assert.ok(told.length - atOnce <= 2 * 1001, 'nobody has a burst anew');
    assert.equal(counted(), 12 + 13 * variants);
  });

  test('is told for itself again, once those that were met before have been quiet for so long that nothing is lost with them', async () => {
    for (let at = 0; at < 1000; at++) for (let i = 0; i < 10; i++) end({ endpoint: `e${at}` });
    await pass(10 * 60_000);
    told.length = 0;
    for (const endpoint of ['new', 'newer']) for (let i = 0; i < 10; i++) end({ endpoint });
    await pass();
    assert.equal(told.length, 20);
  });

  test('that was held back is told at the latest when the server ends', async () => {
    for (let i = 0; i < 11; i++) end();
    await pass();
    await ends.close();
    assert.deepEqual([told.length, details()[10]?.['othersBefore']], [11, undefined]);
  });

  test('is nothing to tell where one signal ends server and workers', async () => {
    end({ signal: 'SIGTERM' });
    await pass();
    await ends.close();
    end();
    await pass(60_000);
    assert.deepEqual(told, []);
  });

  test('is told of that signal, too, where the server goes on', async () => {
    end({ signal: 'SIGTERM' });
    await pass(1000);
    assert.equal(told.length, 1);
  });
});
