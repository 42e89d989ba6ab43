import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { every, Loop, VirtualClock } from './clock.ts';

const settle = () => new Promise(setImmediate);

/** A loop of one second whose runs end when the test says so. */
function world() {
  const clock = new VirtualClock();
  const failures: unknown[] = [];
  let runs = 0;
  let end = Promise.withResolvers<number | void>();
  const run = (): Promise<number | void> => {
    runs++;
    end = Promise.withResolvers();
    return end.promise;
  };
  const loop = new Loop({ clock, everyMs: 1000, run, onFailure: (error) => failures.push(error) });
  const pass = async (ms: number): Promise<number> => {
    clock.advance(ms);
    await settle();
    return runs;
  };
  return { loop, failures, pass, end: () => end };
}

describe('a loop', () => {
  test('runs after each interval, which begins when the last run has ended', async () => {
    const { loop, pass, end } = world();
    loop.open();
    assert.deepEqual([await pass(999), await pass(1), await pass(5000)], [0, 1, 1]);
    end().resolve();
    await settle();
    assert.deepEqual([await pass(999), await pass(1)], [1, 2]);
  });

  test('waits as long as its last run said', async () => {
    const { loop, pass, end } = world();
    loop.runNow();
    end().resolve(50);
    assert.deepEqual([await pass(0), await pass(49), await pass(1)], [1, 1, 2]);
  });

  test('that is woken during a run, once or more often, runs once more directly after it', async () => {
    const { loop, pass, end } = world();
    loop.runNow();
    loop.runNow();
    loop.runNow();
    assert.equal(await pass(0), 1);
    end().resolve();
    assert.equal(await pass(0), 2);
    end().resolve();
    assert.equal(await pass(999), 2);
  });

  test('reports a failure and goes on', async () => {
    const { loop, pass, end, failures } = world();
    loop.runNow();
    end().reject(new Error('no disk'));
    await settle();
    assert.deepEqual([String(failures[0]), await pass(1000)], ['Error: no disk', 2]);
  });

  test('is closed when its run has ended, and runs no more', async () => {
    const { loop, pass, end } = world();
    loop.runNow();
    loop.runNow();
    let isClosed = false;
    void loop.close().then(() => {
      isClosed = true;
    });
    await settle();
    assert.equal(isClosed, false);
    end().resolve();
    assert.deepEqual([await pass(5000), isClosed], [1, true]);
    loop.runNow();
    assert.equal(await pass(5000), 1);
  });
});

test('a period runs until it is cancelled, also by its own run', () => {
  const clock = new VirtualClock();
  const runs: number[] = [];
  const cancel = every(clock, 100, () => {
    runs.push(clock.nowMs());
    if (runs.length === 3) cancel();
  });
  clock.advance(99);
  assert.equal(runs.length, 0);
  clock.advance(1000);
  assert.deepEqual([...runs], [100, 200, 300]);
  const other = every(clock, 100, () => runs.push(0));
  other();
  clock.advance(1000);
  assert.equal(runs.length, 3);
});
