import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAgainst } from '../../test/cli-house.ts';
import type { TransformBody, TransformObjectBody } from '../api/index.ts';
import { outcomeText, progressText } from './verbs/transform.ts';

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

const over = {
  name: 'week',
  state: 'Failed',
  reason: '1 of 2 objects failed: bad.csv: line 6: it has 5 columns',
  objects: 2,
  objects_done: 1,
  objects_failed: 1,
  records: 10,
  records_skipped: 0,
  started_at: '2026-11-26T10:00:00.000Z',
  ended_at: '2026-11-26T10:00:13.600Z',
  batch_rows: 512,
  output: '/out',
} as TransformBody;
const bad = { name: 'bad.csv', state: 'failed', note: 'line 6: it has 5 columns' } as TransformObjectBody;

test('an error of an object is told once, and a reason of the whole by itself', () => {
  const text = outcomeText(over, [bad], false);
  assert.equal(text.split('line 6').length, 2, text);
  assert.match(text, /^objects +1 of 2, 1 failed$[^]*^took +13.6 s$[^]*^bad.csv: line 6: it has 5 columns\nwhere its settings/m);
  assert.match(outcomeText({ ...over, reason: 'the disk is full', objects_failed: 0 }, [], false), /^reason +the disk is full$/m);
  // Of more objects than are listed, the reason tells how many failed.
  assert.match(outcomeText({ ...over, objects_failed: 700 }, [bad], false), /^reason +1 of 2/m);
});

test('a long reason is not repeated either, though it was cut', () => {
  const note = `line 1: ${'x'.repeat(2000)}`;
  const reason = `1 of 2 objects failed: bad.csv: ${note}`.slice(0, 1024);
  assert.doesNotMatch(outcomeText({ ...over, reason }, [{ ...bad, note }], false), /^reason/m);
});

test('to go on is told for data that were mended, and a new transform for settings', () => {
  const last = (now: TransformBody): string => outcomeText(now, [], false).trimEnd().split('\n').at(-1) ?? '';
  assert.equal(
    last(over),
    'where its settings are wrong, begin a new transform; where its data or places are mended: penstock transform --resume week',
  );
  assert.equal(last({ ...over, state: 'Stopped', reason: null }), 'penstock transform --resume week goes on');
  assert.match(last({ ...over, state: 'Completed', reason: null }), /^results/);
});

test('what a resumed transform took from its first start on is named apart from what going on took', () => {
  const text = outcomeText({ ...over, state: 'Completed', reason: null }, [], true);
  assert.match(text, /^in all +13.6 s, pauses included$/m);
  assert.doesNotMatch(text, /^took/m);
});

test('who lost the server is told that the transform goes on without him, and how to follow it', async () => {
  const { code, stderr } = await runAgainst(
    ({ method }, response) => {
      if (method === 'GET') return void response.destroy();
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ ...over, model: 'digits/1', state: 'InProgress' }));
    },
    ['transform', '--resume', 'week'],
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /; transform week goes on by itself once its server runs again, and penstock transform --resume week follows it then\n$/,
  );
});
