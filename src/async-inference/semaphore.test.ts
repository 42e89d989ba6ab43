import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Semaphore } from './semaphore.ts';

/** Runs what waits for resolved promises. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what does not fit waits until enough was released', async () => {
  const semaphore = new Semaphore(10);
  const release = await semaphore.acquire(7);
  let isHeld = false;
  const waiting = semaphore.acquire(4).then((later) => {
    isHeld = true;
    return later;
  });
  await settle();
  assert.equal(isHeld, false);
  release();
  (await waiting)();
  assert.equal(isHeld, true);
});

test('a small amount does not overtake a large one that waits', async () => {
  const semaphore = new Semaphore(10);
  const order: string[] = [];
  const release = await semaphore.acquire(6);
  const large = semaphore.acquire(8).then((later) => (order.push('large'), later));
  const small = semaphore.acquire(1).then((later) => (order.push('small'), later));
  await settle();
  assert.deepEqual(order, []);
  release();
  await Promise.all([large, small]);
  assert.deepEqual(order, ['large', 'small']);
});

test('more than the capacity is served alone, and releasing twice frees it once', async () => {
  const semaphore = new Semaphore(3);
  const all = await semaphore.acquire(1000);
  const one = semaphore.acquire(1);
  all();
  all();
  const release = await one;
  let isHeld = false;
  void semaphore.acquire(3).then(() => (isHeld = true));
  await settle();
  assert.equal(isHeld, false, 'one of three is still held');
  release();
  await settle();
  assert.equal(isHeld, true);
});

test('never more than the capacity is held, every request is served, in order', async () => {
  const amounts = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 30 });
  const property = fc.asyncProperty(amounts, fc.array(fc.nat(), { minLength: 1, maxLength: 30 }), async (requested, picks) => {
    const semaphore = new Semaphore(10);
    const held: { readonly amount: number; readonly release: () => void }[] = [];
    const served: number[] = [];
    for (const [index, amount] of requested.entries()) {
      void semaphore.acquire(amount).then((release) => {
        served.push(index);
        held.push({ amount: Math.min(amount, 10), release });
      });
    }
    for (let turn = 0; ; turn++) {
      await settle();
      const total = held.reduce((sum, { amount }) => sum + amount, 0);
      assert(total <= 10, `${total} of 10 are held`);
      if (held.length === 0) break;
      const [next] = held.splice((picks[turn % picks.length] as number) % held.length, 1);
      next?.release();
    }
    assert.deepEqual(
      served,
      requested.map((_, index) => index),
    );
  });
  await fc.assert(property, { numRuns: 50 });
});
