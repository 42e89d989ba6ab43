import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { ThreadPool } from '../../threads/index.ts';
import { DataHash } from './data-hash.ts';

const threads = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
after(() => threads.close());

async function sha256Of(objects: readonly (readonly [key: string, sha256: string])[]): Promise<string> {
  const hash = new DataHash(objects.length);
  for (const [key, sha256] of objects) hash.add(key, sha256);
  return hash.sha256(threads);
}

test('the hash of data depends on keys, contents and how often each occurs, but on no order', async () => {
  const [a, b] = [
    ['a', 'x'],
    ['b', 'y'],
  ] as const;
  const whole = await sha256Of([a, b]);
  assert.equal(await sha256Of([b, a]), whole);
  const others = [
    [],
    [a],
    [a, a, b],
    [
      ['a', 'y'],
      ['b', 'x'],
    ],
    [['ax', ''], b],
  ] as const;
  const all = await Promise.all(others.map(sha256Of));
  assert.equal(new Set([whole, ...all]).size, all.length + 1);
});

test('many objects are sorted in a thread, with the same hash in any order, while the event loop goes on', async () => {
  const objects = Array.from({ length: 20_000 }, (_, at) => [`key-${at}`, `${at % 7}`] as const);
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  const hashed = sha256Of(objects);
  setImmediate(count);
  const whole = await hashed;
  isDone = true;
  // In place, the hash is there before the first turn.
  assert(turns > 1, `${turns} turns`);
  assert.equal(await sha256Of(objects.toReversed()), whole);
});
