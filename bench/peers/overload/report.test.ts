import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from '../results-fixture.ts';
import { goodputOfPeak, inTimeOfAnswered, type OverloadCell, overloadTable } from './report.ts';

const cell = (server: string, inTime: number, answered = 1, peakPerSecond = 1000): OverloadCell => {
  const peak = { peakPerSecond, peakP99Ms: 60, cpuUsPerRequest: 900, offeredPerSecond: 2 * peakPerSecond };
  return { server, ...peak, inTime, answered, p95Ms: 48, maxMs: 1234, generatorCpu: 0.3, otherCores: 0 };
};

test('goodput is what the client has in time, of the peak; who is not answered is not late', () => {
  assert.equal(goodputOfPeak(cell('Penstock', 0.47)), 0.94);
  assert.equal(inTimeOfAnswered(cell('Penstock', 0.4, 0.5)), 0.8);
  assert.equal(inTimeOfAnswered(cell('Penstock', 0, 0)), 0);
});

test('the table shows peak, goodput and their ratios', () => {
  const table = overloadTable(resultsOf([cell('Penstock', 0.47), cell('FastAPI', 0.1, 1, 250)]));
  assert.match(table, /\| Penstock \| 1,000\/s, p99 60 ms, 900 us \| 94\.0 % \| 47\.0 % \| 100\.0 % \| 48, 1,234 ms \|/);
  assert.match(table, /\| FastAPI \| 250\/s, p99 60 ms, 900 us, \*\*4\.00 x\*\* \| 20\.0 %, \*\*4\.70 x\*\* \|/);
});
