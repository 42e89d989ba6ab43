import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from '../results-fixture.ts';
import { fullRate, type StartCell, secondsToFull, startTable } from './report.ts';

const cell = (server: string, answerMs: number, perSecond: readonly number[], readyMs: number | null = null): StartCell => {
  return { server, readyMs, answerMs, perSecond, otherCores: 0 };
};

test('full speed is that of the last seconds, reached with the first second at nine tenths of it', () => {
  const slow = cell('Penstock', 800, [200, 700, 905, 1000, 990, 1010]);
  assert.deepEqual([fullRate(slow), secondsToFull(slow)], [1000, 2]);
  assert.equal(secondsToFull(cell('mosec', 800, [1000, 1000, 1000])), 0);
});

test('the table leaves out a ready line that a server does not have', () => {
  const table = startTable(resultsOf([cell('Penstock', 1000, [500, 1000, 1000, 1000], 900), cell('mosec', 2000, [1000, 1000, 1000])]));
  assert.match(table, /\| Penstock \| 900 ms \| 1,000 ms \| 1 s \| 50\.0 % \| 1,000\/s \|/);
  assert.match(table, /\| mosec \|  \| 2,000 ms, \*\*2\.00 x\*\* \| 0 s \| 100\.0 % \| 1,000\/s \|/);
});
