import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isMainThread } from 'node:worker_threads';
import { SystemClock, VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { ThreadPool } from './thread-pool.ts';
import { threadTask } from './thread-task.ts';

interface Sum {
  readonly numbers: Float64Array;
}

export const sum = threadTask(
  import.meta.url,
  'sum',
  ({ numbers }: Sum) => ({ total: numbers.reduce((a, b) => a + b, 0), isMainThread, numbers }),
  ({ numbers }) => [new Uint8Array(numbers.buffer)],
);

export const refuse = threadTask(import.meta.url, 'refuse', (message: string): never => {
  throw new PlatformError('invalid_request', message, { hint: 'send another' });
});

export const fill = threadTask(import.meta.url, 'fill', (mebibytes: number): number => {
  const all: string[][] = [];
  for (let i = 0; i < mebibytes; i++) all.push(Array.from({ length: 2 ** 17 }, () => ''));
  return all.length;
});

export const spin = threadTask(import.meta.url, 'spin', (): never => {
  for (;;);
});

/** Sets its flag and waits for the other one, so it ends only if another thread runs it at the same time. */
export const meet = threadTask(import.meta.url, 'meet', ({ flags, own }: { flags: Int32Array; own: number }): string => {
  Atomics.store(flags, own, 1);
  Atomics.notify(flags, own);
  return Atomics.wait(flags, 1 - own, 0, 20_000);
});

// A thread imports this file for its tasks.
if (isMainThread) {
  test('runs a task in a thread and moves memory there and back', async () => {
    const pool = open();
    const numbers = Float64Array.from({ length: 1000 }, (_, i) => i);
    const moved = [new Uint8Array(numbers.buffer)];
    const result = await pool.run(sum, { numbers }, { bytes: 8000, moved });
    assert.deepEqual([result.total, result.isMainThread, result.numbers.length, numbers.length], [499_500, false, 1000, 0]);
  });

  test('rejects with the error of the task, and runs the next', async () => {
    const pool = open();
    const rejected = { code: 'invalid_request', message: 'no such column', hint: 'send another' };
    await assert.rejects(pool.run(refuse, 'no such column', { bytes: 1 }), rejected);
    assert.equal((await pool.run(sum, { numbers: new Float64Array(1) }, { bytes: 1 })).total, 0);
  });

  test("a task that exceeds a thread's memory fails, and the next runs in a new thread", async () => {
    const pool = open({ heapMaxMiB: 32 });
    await assert.rejects(pool.run(fill, 500, { bytes: 1 }), { code: 'too_large', message: /more memory than allowed/ });
    assert.equal((await pool.run(sum, { numbers: new Float64Array(1) }, { bytes: 1 })).total, 0);
  });

  test('a task that takes too long fails, and the next runs in a new thread', async () => {
    const clock = new VirtualClock();
    const pool = open({ clock, timeoutMs: 1000 });
    const work = { name: 'counting', hint: 'Count less' };
    const spinning = pool.run(spin, undefined, { bytes: 1, work });
    clock.advance(1000);
    await assert.rejects(spinning, { code: 'too_large', message: /^counting takes more time than allowed/, hint: 'Count less' });
    assert.equal((await pool.run(sum, { numbers: new Float64Array(1) }, { bytes: 1 })).total, 0);
  });

  test('large tasks leave a thread to small ones', async () => {
    const pool = open();
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const large = { bytes: 2 ** 30 };
    const first = pool.run(meet, { flags, own: 0 }, large);
    const second = pool.run(sum, { numbers: new Float64Array(1) }, large);
    // It is queued after two large ones, the first of which only ends when it runs.
    const small = pool.run(meet, { flags, own: 1 }, { bytes: 1 });
    assert(['ok', 'not-equal'].includes(await first));
    assert(['ok', 'not-equal'].includes(await small));
    assert.equal((await second).total, 0);
  });

  test('quick tasks wait only for each other, whatever their size', async () => {
    const pool = open({ threadsMax: 1 });
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const large = { bytes: 2 ** 30 };
    const first = pool.run(meet, { flags, own: 0 }, large);
    const second = pool.run(sum, { numbers: new Float64Array(1) }, large);
    // They run beside the first, which only ends when the last of them does.
    const quick = pool.run(sum, { numbers: new Float64Array(1) }, { ...large, isQuick: true });
    const last = pool.run(meet, { flags, own: 1 }, { ...large, isQuick: true });
    for (const met of await Promise.all([first, last])) assert(['ok', 'not-equal'].includes(met));
    assert.deepEqual([(await quick).total, (await second).total], [0, 0]);
  });

  for (const lane of ['files', 'background'] as const) {
    test(`work on ${lane} runs one at a time and delays no body, however long it takes`, async () => {
      const pool = open();
      const options = { bytes: 1, lane };
      const [first, second] = [1, 2].map(() => assert.rejects(pool.run(spin, undefined, options), { code: 'unavailable' }));
      const flags = new Int32Array(new SharedArrayBuffer(8));
      const bodies = [2 ** 30, 1].map((bytes, own) => pool.run(meet, { flags, own }, { bytes }));
      for (const met of await Promise.all(bodies)) assert(['ok', 'not-equal'].includes(met));
      await pool.close();
      await Promise.all([first, second]);
    });
  }

  test('a task that is no longer wanted is not run', async () => {
    const pool = open();
    const isWanted = (): boolean => false;
    await assert.rejects(pool.run(spin, undefined, { bytes: 1, isWanted }), { code: 'unavailable' });
  });

  test('closing rejects running and waiting tasks', async () => {
    const pool = open({ threadsMax: 1 });
    const rejected = [1, 2].map(() => assert.rejects(pool.run(spin, undefined, { bytes: 1 }), { code: 'unavailable' }));
    await pool.close();
    await Promise.all(rejected);
    await assert.rejects(pool.run(spin, undefined, { bytes: 1 }), { code: 'unavailable' });
  });
}

function open(options: Partial<ConstructorParameters<typeof ThreadPool>[0]> = {}): ThreadPool {
  const pool = new ThreadPool({ clock: new SystemClock(), threadsMax: 2, ...options });
  after(() => pool.close());
  return pool;
}
