import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { WritePace } from './write-pace.ts';

test('a write is due every second while requests are counted, otherwise every ten', () => {
  const clock = new VirtualClock();
  const pace = new WritePace(clock);
  clock.advance(900);
  assert.deepEqual([pace.isDue(true), pace.isDue(false)], [false, false]);
  clock.advance(100);
  assert.deepEqual([pace.isDue(true), pace.isDue(false)], [true, false]);
  clock.advance(9000);
  assert.deepEqual([pace.isDue(true), pace.isDue(false)], [true, true]);
});

for (const { tookMs, nextMs } of [
  { tookMs: 5, nextMs: 1000 },
  { tookMs: 20, nextMs: 2000 },
  { tookMs: 500, nextMs: 10_000 },
]) {
  test(`a write that took ${tookMs} ms is followed by another after ${nextMs} ms: writes take at most 1 % of the time`, async () => {
    const clock = new VirtualClock();
    const pace = new WritePace(clock);
    await pace.write(async () => clock.advance(tookMs));
    clock.advance(nextMs - tookMs - 51);
    assert.equal(pace.isDue(true), false);
    clock.advance(1);
    assert.equal(pace.isDue(true), true);
  });
}

test('a write in progress is not due again', async () => {
  const clock = new VirtualClock();
  const pace = new WritePace(clock);
  const { promise, resolve } = Promise.withResolvers<void>();
  const written = pace.write(() => promise);
  clock.advance(60_000);
  assert.equal(pace.isDue(true), false);
  resolve();
  await written;
  assert.equal(pace.isDue(true), true);
});
