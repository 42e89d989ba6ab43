import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closedTable, type PeerCell, peerFigures } from './report.ts';

const cell = (server: string, ratePerSecond: number, otherCores = 0): PeerCell => {
  const load = { encoding: 'JSON', concurrency: 8 } as const;
  return { server, ...load, ratePerSecond, p50Us: 100, p99Us: 12_345, cpuUsPerRequest: 50, otherCores };
};
const load = { encoding: 'JSON', concurrency: 8 } as const;

test('servers are compared within each round, and a round without one of them does not count', () => {
  const rounds = [[cell('Penstock', 1000), cell('mosec', 500)], [cell('Penstock', 300), cell('mosec', 100)], [cell('Penstock', 5)]];
  assert.deepEqual(peerFigures(rounds, 'mosec', load)?.ratios, [2, 3]);
  assert.equal(peerFigures(rounds, 'Penstock', load)?.ratio, null);
  assert.equal(peerFigures(rounds, 'mosec', { ...load, encoding: 'binary' }), null);
});

test('the table shows ratios, marks disturbed cells, and names what was not measured', () => {
  const rounds = [[cell('Penstock', 1000), cell('mosec', 500, 0.5)]];
  const head = { at: '2026-01-02T00:00:00Z', commit: 'abc', machine: '2 cores', generator: 'wrk', missing: ['Triton: not available'] };
  const table = closedTable({ ...head, rounds });
  assert.match(table, /\| mosec \|  \| 500\/s, 0\.10 \/ 12 ms, 50 us, \*\*2\.00 x\*\* ~ \|  \|/);
  assert.match(table, /\| Penstock \|  \| 1,000\/s, 0\.10 \/ 12 ms, 50 us \|  \|/);
  assert.match(table, /Not measured: Triton: not available\./);
});
