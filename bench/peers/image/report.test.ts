import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from '../results-fixture.ts';
import { cpuMsBeyondBare, type ImageCell, imageTable, shareOfBare } from './report.ts';

const cell = (server: string, ratePerSecond: number, instances = 1, otherCores = 0): ImageCell => {
  const bare = { barePerSecond: 100 * instances, bareCpuMsPerImage: 10 };
  return { server, instances, ratePerSecond, p99Ms: 45, cpuMsPerImage: 10.6, ...bare, otherCores };
};

test('a server is judged by the rate and the processor time of onnxruntime alone in the same minute', () => {
  assert.equal(shareOfBare(cell('Penstock', 97)), 0.97);
  assert.equal(cpuMsBeyondBare(cell('Penstock', 97)).toFixed(2), '0.60');
});

test('the table compares the shares of each round, by number of instances', () => {
  const table = imageTable(resultsOf([cell('Penstock', 96), cell('mosec', 80), cell('Penstock', 190, 2), cell('mosec', 200, 2, 0.3)]));
  assert.match(table, /\| Penstock \| 96\/s, 96\.0 % of bare, p99 45 ms, 0\.60 ms \| 190\/s, 95\.0 % of bare, p99 45 ms, 0\.60 ms \|/);
  assert.match(table, /\| mosec \| 80\/s, 80\.0 % of bare, p99 45 ms, 0\.60 ms, \*\*1\.20 x\*\* \| 200\/s, .*\*\*0\.95 x\*\* ~ \|/);
  assert.match(table, /Not measured: Triton: not available\./);
});
