import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { RequestLine } from './request-line.ts';
import { RequestLog } from './request-log.ts';

interface Kept {
  readonly request: string;
  readonly endpoint: string;
  readonly oneOf?: number;
}

function open(linesPerSecondMax: number): { log: RequestLog; kept: Kept[]; clock: VirtualClock } {
  const kept: Kept[] = [];
  const clock = new VirtualClock();
  const file = { write: (text: string) => void kept.push(JSON.parse(text) as Kept) };
  return { log: new RequestLog(file, clock, linesPerSecondMax), kept, clock };
}

/** What whoever serves does at the end of each request. */
function ended(log: RequestLog, line: RequestLine, isSpecial: boolean): void {
  const weight = log.weightOf(line.endpoint, { atMs: line.atMs, totalMs: line.totalMs, isSpecial });
  if (weight > 0) log.add(line, weight);
}

const plain = (second: number, i: number, endpoint = 'busy'): RequestLine => ({
  atMs: 1_795_700_000_000 + second * 1000 + i,
  requestId: `r-${second}-${i}`,
  endpoint,
  variant: 'AllTraffic',
  version: '1',
  status: 'ok',
  rows: 1,
  batchRows: 8,
  closeReason: 'idle',
  queueMs: 0.35,
  computeMs: 1.2,
  encodeMs: 0.03,
  totalMs: 1.6,
  costUsd: 1.25e-9,
});

test('every request has its line, in order, where no more come than are logged', () => {
  const { log, kept } = open(1000);
  for (let second = 0; second < 3; second++) for (let i = 0; i < 1000; i++) ended(log, plain(second, i), false);
  log.write();
  assert.deepEqual(
    kept.map(({ request }) => request),
    [0, 1, 2].flatMap((second) => Array.from({ length: 1000 }, (_, i) => `r-${second}-${i}`)),
  );
});

test('of more plain ones only some are kept, and say for how many they stand; who was late has a line, and so has another endpoint', () => {
  const { log, kept } = open(100);
  for (let i = 0; i < 100; i++) ended(log, plain(0, i), false);
  for (let second = 1; second < 3; second++) for (let i = 0; i < 300; i++) ended(log, plain(second, i), false);
  ended(log, plain(2, 999), true);
  ended(log, plain(2, 999, 'quiet'), false);
  log.write();
  assert.equal(kept.length, 100 + (100 + 50 + 33) + 100 + 2);
  assert.equal(
    kept.reduce((sum, { oneOf = 1 }) => sum + oneOf, 0),
    702 - 1, // one waits for two others yet
  );
  assert.deepEqual(
    kept.slice(-2).map(({ endpoint, oneOf }) => [endpoint, oneOf]),
    [
      ['busy', undefined],
      ['quiet', undefined],
    ],
  );
});

test('lines wait for each other, but none for long', () => {
  const { log, kept, clock } = open(1000);
  for (let i = 0; i < 70; i++) ended(log, plain(0, i), false);
  assert.equal(kept.length, 64);
  clock.advance(100);
  assert.equal(kept.length, 70);
});
