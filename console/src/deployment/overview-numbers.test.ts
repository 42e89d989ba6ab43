import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OverviewBody } from '../../../src/api/index.ts';
import { overviewNumbers } from './overview-numbers.ts';

const totals: OverviewBody['totals'] = {
  rate: 20,
  peak_rate: 40,
  peak_at: '2026-11-26T14:52:00.000Z',
  requests: 1000,
  promised_requests: 1000,
  in_time_requests: 990,
  usd_per_hour: 0.1,
  usd_per_million: 1,
  always_on_usd: 0.4,
  spent_usd: 0.1,
};

function noteOf(label: RegExp, change: Partial<OverviewBody['totals']>): readonly [string, unknown] {
  const numbers = overviewNumbers({ totals: { ...totals, ...change }, endpoints: [] } as unknown as OverviewBody, '1 h');
  const found = numbers.find((number) => label.test(number.label));
  assert(found !== undefined);
  return [found.value, found.note];
}

for (const { when, change, value, note } of [
  { when: 'a quarter was spent', change: {}, value: '75', note: '$0.300 in 1 h' },
  { when: 'very little was spent', change: { always_on_usd: 0.0004, spent_usd: 0.0001 }, value: '75', note: '$0.000 30 in 1 h' },
  {
    when: 'always-on would have been cheaper',
    change: { always_on_usd: 0.1, spent_usd: 0.2 },
    value: 'none',
    note: '$0.100 more in 1 h',
  },
  { when: 'both cost the same', change: { always_on_usd: 0.1, spent_usd: 0.1001 }, value: 'none', note: 'same cost' },
  { when: 'there was no traffic', change: { always_on_usd: null }, value: '–', note: 'unknown yet' },
]) {
  test(`savings: ${value} when ${when}`, () => assert.deepEqual(noteOf(/^Saved/, change), [value, note]));
}

test('says if the current rate exceeds the peak of whole minutes', () => {
  assert.match(String(noteOf(/^Requests/, {})[1]), /^peak 40\.0 \/s, at/);
  assert.equal(noteOf(/^Requests/, { rate: 41 })[1], 'highest so far');
});

for (const { when, inTimes, rate = 7, value, note } of [
  {
    when: 'a percentile of a short period is above the objective, but the in-time share is not below it',
    inTimes: [0.998],
    value: '1',
    note: 'all met',
  },
  {
    when: 'the in-time share is below the objective',
    inTimes: [0.998, 0.94, 0.9],
    value: '1',
    note: 'c: 90.0 % in time, objective 95 %',
  },
  {
    when: 'the endpoints that miss their objective are idle this second',
    inTimes: [0.998, 0.749, 0],
    rate: 0,
    value: '1',
    note: 'c: 0 % in time, objective 95 %',
  },
  { when: 'there was no traffic', inTimes: [null], value: '–', note: 'no requests with an objective' },
] as const) {
  test(`objectives met: ${value} when ${when}`, () => {
    const endpoints = inTimes.map((inTime, i) => ({
      name: 'abc'[i],
      objective: 'p95<=50ms',
      status: 'InService',
      rate,
      latency_ms: 113,
      in_time_last_hour: inTime,
    }));
    const numbers = overviewNumbers({ totals, endpoints } as unknown as OverviewBody, '1 h');
    const met = numbers.find(({ label }) => label === 'Objectives met, 1 h');
    assert.deepEqual([met?.value, met?.note], [value, note]);
  });
}
