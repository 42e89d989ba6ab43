import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { ModelCache } from './model-cache.ts';

interface Model {
  readonly memoryMiB: number;
}

const never = new AbortController().signal;

function openCache(memoryMiBMax: number) {
  const unloaded: string[] = [];
  const cache = new ModelCache<Model>({
    memoryMiBMax: () => memoryMiBMax,
    unload: async (key) => {
      await turn();
      unloaded.push(key);
    },
  });
  const load = async (key: string, memoryMiB = 1, signal = never): Promise<void> => {
    await cache.reserve(memoryMiB, signal);
    const lease = cache.add(key, { memoryMiB });
    setImmediate(() => lease.release());
  };
  const use = (key: string) => {
    const lease = cache.use(key);
    assert(lease !== null, `${key} is loaded`);
    return lease;
  };
  return { cache, load, use, unloaded };
}

test('evicts the least recently used idle model, and none while there is room', async () => {
  const { cache, load, use, unloaded } = openCache(2);
  await load('a');
  await load('b');
  await turn();
  use('a').release();
  assert.deepEqual(unloaded, []);
  await load('c');
  assert.deepEqual(unloaded, ['b']);
  assert.deepEqual([cache.use('b'), cache.memoryMiB], [null, 2]);
});

test('a model in use is not evicted: the next load waits for it', async () => {
  const { load, use, unloaded } = openCache(1);
  await load('a');
  const [first, second] = [use('a'), use('a')];
  let isLoaded = false;
  const waiting = load('b').then(() => (isLoaded = true));
  first.release();
  first.release();
  await turn();
  assert(!isLoaded, 'a second request uses it');
  second.release();
  await waiting;
  assert.deepEqual(unloaded, ['a']);
});

test('a large load waits until several models were evicted, and later loads wait behind it', async () => {
  const { load, cache } = openCache(4);
  for (const key of ['a', 'b', 'c', 'd']) await load(key);
  const order: string[] = [];
  await Promise.all([load('large', 4).then(() => order.push('large')), load('e').then(() => order.push('e'))]);
  assert.deepEqual(order, ['large', 'e']);
  assert.equal(cache.memoryMiB <= 4, true);
});

test('a load whose time is over leaves the queue, and the next one gets the memory', async () => {
  const { load, use, cache } = openCache(2);
  await load('a');
  await turn();
  const lease = use('a');
  const abort = new AbortController();
  const expired = assert.rejects(load('large', 2, abort.signal), { code: 'unavailable' });
  const behind = load('b');
  abort.abort();
  await expired;
  await behind;
  lease.release();
  assert.equal(cache.memoryMiB, 2);
});

test('more than 64 waiting loads are rejected', async () => {
  const { load, use } = openCache(1);
  await load('a');
  await turn();
  const lease = use('a');
  const waiting = Array.from({ length: 64 }, (_, i) => load(`${i}`));
  await assert.rejects(load('too many'), { code: 'overloaded' });
  lease.release();
  await Promise.all(waiting);
});

test('a model that is removed while in use is unloaded when its last request ends', async () => {
  const { cache, load, use, unloaded } = openCache(1);
  await load('a');
  await turn();
  const lease = use('a');
  const removed = cache.remove('a');
  await turn();
  assert.deepEqual([unloaded, cache.use('a')], [[], null]);
  lease.release();
  await removed;
  assert.deepEqual([unloaded, cache.memoryMiB], [['a'], 0]);
});

test('the memory of loaded models never exceeds the limit, and each load is served in the end', async () => {
  const sizes = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 5 })), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(sizes, async (requests) => {
      const { cache, load } = openCache(5);
      const loading = new Map<string, Promise<void>>();
      const one = async (key: string, memoryMiB: number): Promise<void> => {
        for (;;) {
          const lease = cache.use(key);
          if (lease !== null) {
            await turn();
            assert(cache.loaded.reduce((sum, each) => sum + each.memoryMiB, 0) <= 5);
            return lease.release();
          }
          if (!loading.has(key))
            loading.set(
              key,
              load(key, memoryMiB).finally(() => loading.delete(key)),
            );
          await loading.get(key);
        }
      };
      await Promise.all(requests.map(([key, memoryMiB]) => one(`${key}`, (memoryMiB * (key + 1)) % 5 || 1)));
      assert(cache.memoryMiB <= 5);
    }),
    { numRuns: 50 },
  );
});
