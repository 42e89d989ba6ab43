import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from '../results-fixture.ts';
import { type BurstCell, type BurstModel, burstTable } from './report.ts';

const cell = (server: string, model: BurstModel, p99Ms: number): BurstCell => {
  const rates = { model, quietPerSecond: 240, burstPerSecond: 1200 };
  return { server, ...rates, inTime: 0.991, p95Ms: 36.4, p99Ms, generatorCpu: 0.3, otherCores: 0 };
};

test('the table names the rates, and above 1 the tail of Penstock is shorter', () => {
  const round = [cell('Penstock', 'digits-mlp', 20), cell('mosec', 'digits-mlp', 30), cell('Penstock', 'wide-mlp', 80)];
  const table = burstTable(resultsOf(round, [cell('Penstock', 'digits-mlp', 20), cell('mosec', 'digits-mlp', 10)]));
  assert.match(table, /digits-mlp, 240 -> 1,200\/s \| wide-mlp, 240 -> 1,200\/s/);
  assert.match(table, /\| mosec \| 99\.1 % in time, p95 36, p99 20 ms, \*\*1\.00 x\*\* \(0\.50-1\.50\) \|  \|/);
});
