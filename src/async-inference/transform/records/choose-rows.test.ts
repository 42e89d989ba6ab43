import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Profile } from '../../../profiling/index.ts';
import { rowsForThroughput, sizesBeyond } from './choose-rows.ts';

for (const { when, service, rows } of [
  {
    when: 'time is proportional to rows',
    service: [
      [1, 10],
      [2, 20],
      [4, 40],
    ],
    rows: 1,
  },
  {
    when: 'a run has a fixed cost',
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
      [32, 20],
      [64, 39],
      [128, 78],
    ],
    rows: 32,
  },
  {
    when: 'time is proportional to rows, plus an overhead per run',
    service: [
      [1, 0.01],
      [128, 1.28],
      [1024, 10.24],
      [4096, 40.96],
    ],
    rows: 1024,
  },
  { when: 'nothing is known', service: [], rows: 1 },
]) {
  test(`chooses ${rows} rows if ${when}`, () => {
    assert.equal(rowsForThroughput(service.map(([b = 0, ms = 0]) => ({ b, samples: [ms, 99 * ms] }))), rows);
  });
}

test('sizes beyond the profile are measured only while larger ones help', () => {
  const profile = (...service: (readonly [number, number])[]) =>
    ({ service: service.map(([b, ms]) => ({ b, samples: [ms, 99 * ms] })) }) as unknown as Profile;
  assert.deepEqual(sizesBeyond(profile([1, 10], [32, 320])), []);
  assert.deepEqual(sizesBeyond(profile([1, 1], [32, 2])), [32, 64, 128, 256, 512, 1024, 2048, 4096]);
  assert.deepEqual(sizesBeyond(null), [32, 64, 128, 256, 512, 1024, 2048, 4096]);
});
