import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { RequestLine } from './request-line.ts';
import { RequestLog } from './request-log.ts';

interface LoggedLine {
  readonly request: string;
  readonly endpoint: string;
  readonly oneOf?: number;
}

function open(linesPerSecondMax: number): { log: RequestLog; lines: LoggedLine[]; clock: VirtualClock } {
  const lines: LoggedLine[] = [];
  const clock = new VirtualClock();
  const file = { write: (text: string) => void lines.push(JSON.parse(text) as LoggedLine) };
  return { log: new RequestLog(file, clock, linesPerSecondMax), lines, clock };
}

/** Simulates the serving code at the end of each request. */
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

test('logs every request in order up to the limit', () => {
  const { log, lines } = open(1000);
  for (let second = 0; second < 3; second++) for (let i = 0; i < 1000; i++) ended(log, plain(second, i), false);
  log.write();
  assert.deepEqual(
    lines.map(({ request }) => request),
    [0, 1, 2].flatMap((second) => Array.from({ length: 1000 }, (_, i) => `r-${second}-${i}`)),
  );
});

test('samples ordinary requests beyond the limit with their weight, but logs late ones and other endpoints', () => {
  const { log, lines } = open(100);
  for (let i = 0; i < 100; i++) ended(log, plain(0, i), false);
  for (let second = 1; second < 3; second++) for (let i = 0; i < 300; i++) ended(log, plain(second, i), false);
  ended(log, plain(2, 999), true);
  ended(log, plain(2, 999, 'quiet'), false);
  log.write();
  assert.equal(lines.length, 100 + (100 + 50 + 33) + 100 + 2);
  assert.equal(
    lines.reduce((sum, { oneOf = 1 }) => sum + oneOf, 0),
    702 - 1, // one still waits for two others
  );
  assert.deepEqual(
    lines.slice(-2).map(({ endpoint, oneOf }) => [endpoint, oneOf]),
    [
      ['busy', undefined],
      ['quiet', undefined],
    ],
  );
});

test('batches lines with a bounded delay', () => {
  const { log, lines, clock } = open(1000);
  for (let i = 0; i < 70; i++) ended(log, plain(0, i), false);
  assert.equal(lines.length, 64);
  clock.advance(100);
  assert.equal(lines.length, 70);
});
