import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from '../results-fixture.ts';
import { type OneCoreCell, oneCoreTable } from './report.ts';

const cell = (server: string, ratePerSecond: number): OneCoreCell => {
  return { server, encoding: 'JSON', ratePerSecond, p99Ms: 5.5, cpuUsPerRequest: 30, otherCores: 0 };
};

test('the table shows rates and ratios, and leaves out what was not measured', () => {
  const table = oneCoreTable(resultsOf([cell('Penstock', 30_000), cell('mosec', 24_000)]));
  assert.match(table, /\| Penstock \| 30,000\/s, p99 5\.50 ms, 30 us \|  \|/);
  assert.match(table, /\| mosec \| 24,000\/s, p99 5\.50 ms, 30 us, \*\*1\.25 x\*\* \|  \|/);
});
