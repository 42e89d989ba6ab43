import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransformBody } from '../api/index.ts';
import { progressText } from './verbs/transform.ts';

const half = { bytes: 200, bytes_done: 105, records: 1_234_567, records_per_second: 310_000.4, remaining_ms: 4200 } as TransformBody;

for (const { when, now, text } of [
  { when: 'half of it is read', now: half, text: '━━━━━━━━━━━━━─────────── 52 %  1,234,567 records  310,000/s  4 s left' },
  {
    when: 'it takes long',
    now: { ...half, remaining_ms: 600_000 },
    text: '━━━━━━━━━━━━━─────────── 52 %  1,234,567 records  310,000/s  10 min left',
  },
  {
    when: 'nobody knows yet how fast it is',
    now: { ...half, bytes_done: 0, records: 0, records_per_second: null, remaining_ms: null },
    text: '──────────────────────── 0 %  0 records',
  },
  { when: 'the list of objects is not read', now: { ...half, bytes: 0, bytes_done: 0, records: 0 }, text: /^─{24} 0 %/ },
  { when: 'a byte is missing', now: { ...half, bytes: 100_000, bytes_done: 99_999, remaining_ms: 0 }, text: /^━{24} 99 %.* 0 s left$/ },
]) {
  test(`the bar tells the share, the rate and the time left when ${when}`, () => {
    if (typeof text === 'string') assert.equal(progressText(now), text);
    else assert.match(progressText(now), text);
  });
}
