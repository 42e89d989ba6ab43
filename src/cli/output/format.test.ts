import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseExactJson } from '../verbs/endpoints/invoke.ts';
import { logText } from '../verbs/observability/logs.ts';
import {
  bytesText,
  countText,
  durationText,
  formatMsText,
  formatUsd,
  shareText,
  shellQuoted,
  shortened,
  timeText,
  utcText,
} from './format.ts';
import { Style } from './style.ts';

test('formats numbers and times briefly', () => {
  assert.deepEqual([0, 1023, 1536, 26_214, 1.5 * 2 ** 30].map(bytesText), ['0 B', '1023 B', '1.5 KiB', '26 KiB', '1.5 GiB']);
  assert.deepEqual([0.1234, 12.3, 999, 1500, 60_000].map(formatMsText), ['0.12 ms', '12 ms', '999 ms', '1.5 s', '60 s']);
  assert.deepEqual([5, 300, 10_000, 200_000].map(durationText), ['5 s', '5 min', '3 h', '2 days']);
  assert.deepEqual([0, 12.5, 0.9999, 0.2226, 0.1, 3.313e-6, 3.313e-7, 1e-15].map(formatUsd), [
    '$0',
    '$12.50',
    '$1',
    '$0.223',
    '$0.1',
    '$0.000003',
    'under $0.000001',
    '$0',
  ]);
  assert.deepEqual([countText(1, 'request'), countText(2, 'request')], ['1 request', '2 requests']);
  assert.deepEqual([shortened('as it is', 8), shortened('a little long', 9)], ['as it is', 'a little…']);
  assert.deepEqual([0.9999, 1, 0.95].map(shareText), ['99.9 %', '100 %', '95 %']);
  assert.equal(timeText('2026-11-24T16:29:36.123Z'), '2026-11-24 16:29:36');
  assert.deepEqual(['2026-11-24T16:29:36.123Z', null].map(utcText), ['2026-11-24 16:29:36 UTC', '']);
});

test('quotes words so that a shell reads them unchanged', () => {
  const word = fc.string({
    unit: fc.constantFrom('a', ' ', "'", '"', '$', '`', '\\', '\n', '!', '*', '~', 'é'),
    minLength: 1,
    maxLength: 12,
  });
  const words = fc.sample(word, { numRuns: 50, seed: 1 });
  const script = words.map((each) => `printf '%s\\0' ${shellQuoted(each)}`).join('\n');
  assert.deepEqual(execFileSync('sh', ['-c', script]).toString().split('\0').slice(0, -1), words);
  assert.equal(shellQuoted(''), "''");
});

test('preserves integers beyond 2^53 in JSON', () => {
  const text = '{"label":9007199254740993,"p":0.1,"n":-9223372036854775808,"list":[1,1e400]}';
  assert.equal(
    JSON.stringify(parseExactJson('{"label":9007199254740993,"n":-9223372036854775808,"p":[0.1,7]}')),
    '{"label":9007199254740993,"n":-9223372036854775808,"p":[0.1,7]}',
  );
  assert.doesNotThrow(() => parseExactJson(text));
});

test('shortens a log line, and leaves other text unchanged', () => {
  const style = new Style({ write: () => true }, {});
  assert.equal(
    logText('{"level":30,"time":1764001776123,"message":"ready","url":"http://x"}', style),
    '2025-11-24T16:29:36.123Z info  ready url=http://x',
  );
  assert.equal(logText('not JSON', style), 'not JSON');
});
