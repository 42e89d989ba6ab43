import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultsOf } from '../results-fixture.ts';
import { type MemoryCell, manyModels, memoryTable, pssMiBOfOneMore } from './report.ts';

const cell = (server: string, models: number, pssMiB: number): MemoryCell => ({
  server,
  models,
  rssMiB: 2 * pssMiB,
  pssMiB,
  otherCores: 0,
});

test('a further model takes what twenty take beyond one, divided by nineteen', () => {
  const rounds = [[cell('Penstock', 1, 200), cell('Penstock', manyModels, 200 + 19 * 18)], [cell('Penstock', 1, 7)]];
  assert.equal(pssMiBOfOneMore(rounds, 'Penstock'), 18);
  assert.equal(pssMiBOfOneMore([[cell('BentoML', 1, 300)]], 'BentoML'), null);
});

test('the table shows who needs less: above 1, Penstock', () => {
  const table = memoryTable(resultsOf([cell('Penstock', 1, 200), cell('Penstock', manyModels, 580), cell('FastAPI', 1, 100)]));
  assert.match(table, /\| Penstock \| 400, 200 MiB \| 1,160, 580 MiB \| 20\.0 MiB \|/);
  assert.match(table, /\| FastAPI \| 200, 100 MiB, \*\*0\.50 x\*\* \|  \|  \|/);
});
