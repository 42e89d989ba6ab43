import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Profile } from '../../profiling/index.ts';
import { rowsForThroughput, sizesBeyond } from './choose-rows.ts';

for (const { when, service, rows } of [
  {
    when: 'time is proportional to rows',
    service: [
      [1, 1],
      [2, 2],
      [4, 4],
    ],
    rows: 1,
  },
  {
    when: 'a run costs a fixed time',
    service: [
      [1, 1],
      [32, 1.1],
      [64, 1.2],
    ],
    rows: 64,
  },
  {
    when: 'the last doubling helps little',
    service: [
      [32, 1],
      [64, 1.96],
      [128, 3.9],
    ],
    rows: 32,
  },
  { when: 'nothing is known', service: [], rows: 1 },
]) {
  test(`takes ${rows} rows where ${when}`, () => {
    assert.equal(rowsForThroughput(service.map(([b = 0, p50Ms = 0]) => ({ b, p50Ms }))), rows);
  });
}

test('sizes beyond the profile are measured only while larger ones help', () => {
  const profile = (...service: (readonly [number, number])[]) =>
    ({ service: service.map(([b, p50Ms]) => ({ b, p50Ms })) }) as unknown as Profile;
  assert.deepEqual(sizesBeyond(profile([1, 1], [32, 32])), []);
  assert.deepEqual(sizesBeyond(profile([1, 1], [32, 2])), [32, 64, 128, 256, 512, 1024, 2048, 4096]);
  assert.deepEqual(sizesBeyond(null), [32, 64, 128, 256, 512, 1024, 2048, 4096]);
});
