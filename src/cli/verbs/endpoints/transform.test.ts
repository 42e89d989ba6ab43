import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';
import type { TransformBody, TransformObjectBody } from '../../../api/index.ts';
import { formatTransformOutcome, progressText } from './transform.ts';

const half = { bytes: 200, bytes_done: 105, records: 1_234_567, records_per_second: 310_000.4, remaining_ms: 4200 } as TransformBody;

for (const { when, now, text } of [
  { when: 'half of the input has been read', now: half, text: '━━━━━━━━━━━━━─────────── 52 %  1,234,567 records  310,000/s  4 s left' },
  {
    when: 'it takes long',
    now: { ...half, remaining_ms: 600_000 },
    text: '━━━━━━━━━━━━━─────────── 52 %  1,234,567 records  310,000/s  10 min left',
  },
  {
    when: 'the rate is not known yet',
    now: { ...half, bytes_done: 0, records: 0, records_per_second: null, remaining_ms: null },
    text: '──────────────────────── 0 %  0 records',
  },
  { when: 'the objects have not been listed yet', now: { ...half, bytes: 0, bytes_done: 0, records: 0 }, text: /^─{24} 0 %/ },
  { when: 'a byte is missing', now: { ...half, bytes: 100_000, bytes_done: 99_999, remaining_ms: 0 }, text: /^━{24} 99 %.* 0 s left$/ },
]) {
  test(`shows the share, the rate and the remaining time when ${when}`, () => {
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

test("prints an object's error once, and the transform's own reason separately", () => {
  const text = formatTransformOutcome(over, [bad], false);
  assert.equal(text.split('line 6').length, 2, text);
  assert.match(text, /^objects +1 of 2, 1 failed$[^]*^took +13.6 s$[^]*^bad.csv: line 6: it has 5 columns\nif the data/m);
  assert.match(
    formatTransformOutcome({ ...over, reason: 'the disk is full', objects_failed: 0 }, [], false),
    /^reason +the disk is full$/m,
  );
  // With more failed objects than are listed, the reason says how many failed.
  assert.match(formatTransformOutcome({ ...over, objects_failed: 700 }, [bad], false), /^reason +1 of 2/m);
});

test('does not repeat a reason that was cut', () => {
  const note = `line 1: ${'x'.repeat(2000)}`;
  const reason = `1 of 2 objects failed: bad.csv: ${note}`.slice(0, 1024);
  assert.doesNotMatch(formatTransformOutcome({ ...over, reason }, [{ ...bad, note }], false), /^reason/m);
});

test('advises resuming after the data are fixed, and a new transform for wrong settings', () => {
  const last = (now: TransformBody): string => formatTransformOutcome(now, [], false).trimEnd().split('\n').at(-1) ?? '';
  assert.equal(
    last(over),
    'if the data or locations were wrong, fix them and run penstock transform --resume week; if the settings were wrong, start a new transform',
  );
  assert.equal(last({ ...over, state: 'Stopped', reason: null }), 'resume with penstock transform --resume week');
  assert.match(last({ ...over, state: 'Completed', reason: null }), /^results/);
});

test('labels the total time of a resumed transform differently from the time of one run', () => {
  const text = formatTransformOutcome({ ...over, state: 'Completed', reason: null }, [], true);
  assert.match(text, /^total time +13.6 s, pauses included$/m);
  assert.doesNotMatch(text, /^took/m);
});

test('says that the transform continues without the client if the connection is lost', async () => {
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
  assert.match(stderr, /; transform week continues once its server is running again: follow it with penstock transform --resume week\n$/);
});
