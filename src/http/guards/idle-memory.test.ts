import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { IdleMemory, loopMeter, youngGenerationBytes } from './idle-memory.ts';
import { garbageCollector } from './overload-guard.ts';

const mebibyte = 2 ** 20;

interface Facts {
  youngMiB: number;
  /** Size after the next collection. */
  shrinksToMiB: number;
  rssMiB: number;
  trimsToMiB: number;
  loopShare: number;
  collections: number;
  trims: number;
}

function serverWith(changes: Partial<Facts>) {
  const clock = new VirtualClock();
  const before: Facts = {
    youngMiB: 64,
    shrinksToMiB: 2,
    rssMiB: 500,
    trimsToMiB: 200,
    loopShare: 0.01,
    collections: 0,
    trims: 0,
    ...changes,
  };
  const facts = { ...before };
  const memory = new IdleMemory({
    clock,
    loopShare: () => facts.loopShare,
    youngBytes: () => facts.youngMiB * mebibyte,
    collectYoung: () => {
      facts.collections++;
      facts.youngMiB = Math.min(facts.youngMiB, facts.shrinksToMiB);
    },
    rssBytes: () => facts.rssMiB * mebibyte,
    trim: async () => {
      facts.trims++;
      facts.rssMiB = Math.min(facts.rssMiB, facts.trimsToMiB);
    },
    trimNow: () => {
      facts.rssMiB = 180;
    },
  });
  memory.start();
  const started = { ...facts };
  Object.assign(facts, before, { collections: 0 }); // it has served since
  /** Lets time pass by checks; what a check began has ended before the next one. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.advance(10_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { facts, started, pass };
}

test('returns at once what loading the server has left', () => {
  const { started } = serverWith({});
  assert.deepEqual([started.collections, started.youngMiB, started.rssMiB, started.trims], [1, 2, 180, 0]);
});

test('collects the young generation of an idle server until it is small', async () => {
  const { facts, pass } = serverWith({ shrinksToMiB: 20 });
  await pass(10_000);
  assert.deepEqual([facts.collections, facts.youngMiB], [1, 20]);
  facts.shrinksToMiB = 3;
  await pass(10_000);
  assert.deepEqual([facts.collections, facts.youngMiB], [2, 3]);
  await pass(600_000);
  assert.equal(facts.collections, 2);
});

test('returns free pages of an idle server, and again only after it has grown', async () => {
  const { facts, pass } = serverWith({});
  await pass(60_000);
  assert.deepEqual([facts.trims, facts.rssMiB], [1, 200]);
  facts.rssMiB = 215;
  await pass(60_000);
  assert.equal(facts.trims, 1);
  facts.rssMiB = 300;
  await pass(60_000);
  assert.deepEqual([facts.trims, facts.rssMiB], [2, 200]);
});

test('returns pages at most every half minute, although it grows again at once', async () => {
  const { facts, pass } = serverWith({ trimsToMiB: 200 });
  for (let checks = 0; checks < 9; checks++) {
    facts.rssMiB = 500;
    await pass(10_000);
  }
  assert.equal(facts.trims, 3);
});

test('leaves the memory of a loaded server as it is, and returns it when the load is over', async () => {
  const { facts, pass } = serverWith({ loopShare: 0.4 });
  await pass(600_000);
  assert.deepEqual([facts.collections, facts.trims], [0, 0]);
  facts.loopShare = 0.02;
  await pass(10_000);
  assert.deepEqual([facts.collections, facts.trims], [1, 1]);
});

test('does not repeat a collection that did not help, until there was load again', async () => {
  const { facts, pass } = serverWith({ shrinksToMiB: 64 });
  await pass(600_000);
  assert.equal(facts.collections, 1);
  facts.loopShare = 0.5;
  await pass(10_000);
  facts.loopShare = 0.02;
  await pass(10_000);
  assert.equal(facts.collections, 2);
});

test('V8 shrinks its young generation when it is collected, after a while of few allocations', async () => {
  const { young } = garbageCollector();
  const retained: number[][] = [];
  for (let i = 0; i < 2_000_000; i++) {
    retained.push([i, i + 1]);
    if (retained.length > 300_000) retained.splice(0, 200_000);
  }
  retained.length = 0;
  const grown = youngGenerationBytes();
  assert(grown > 16 * mebibyte, `grown to ${grown}`);
  const share = loopMeter();
  // V8 judges by an average of the last seconds.
  let bytes = grown;
  for (let seconds = 0; bytes > grown / 4; seconds++) {
    assert(seconds < 60, `still ${bytes} of ${grown} bytes`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    young();
    bytes = youngGenerationBytes();
  }
  assert(share() < 0.9);
});
