import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { defaultPrices } from '../../costs/index.ts';
import { parseObjective } from '../../objective.ts';
import { ServiceTable } from '../../profiling/index.ts';
import { noTraffic } from '../../serving/index.ts';
import { type ScaledVariantDeps, scaledVariants } from './scaled-variant.ts';

const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 3, usdPerHourMax: null };
const variant = { name: 'AllTraffic', instanceCount: 1, instanceType: 'local.1', functions: {}, scaling };
const objective = parseObjective('p95<=500ms');

/** A variant with functions alongside its instances. `tables`: known service times by executor. */
function seenWith(
  tables: Readonly<Record<string, ServiceTable>>,
  ladder: object | null = null,
  { executors = [], unloaded = [] }: { readonly executors?: readonly object[]; readonly unloaded?: readonly object[] } = {},
) {
  const functions = { setting: { memoryMiB: 1769 }, config: { maxConcurrency: 4 } };
  const overflow = { shutReason: null };
  const served = { name: 'AllTraffic', version: {}, executors, functions, overflow, rowsWaiting: 0, ladder, unloaded };
  const config = { name: 'prod', objective, variants: [variant] };
  const sources = {
    clock: new VirtualClock(),
    deployments: { list: () => [{ config, generation: 1, servedGeneration: 1, variants: [] }] },
    serving: { endpoint: () => ({ variants: [served] }), traffic: () => noTraffic },
    ledger: { usage: () => ({ totalUsd: 0 }) },
    prices: defaultPrices,
    tableOf: (_version: unknown, executor: string) => tables[executor] ?? new ServiceTable(null),
    planTable: ({ name }: { name: string }, executor: string) => tables[`${name} ${executor}`] ?? new ServiceTable(null),
    cores: 2,
    backlogOf: () => null,
  };
  const [seen] = scaledVariants(sources as unknown as ScaledVariantDeps);
  assert(seen !== undefined);
  return seen;
}

function tableOf(ms: number): ServiceTable {
  const table = new ServiceTable(null);
  for (let i = 0; i < 200; i++) table.observe(1, ms);
  return table;
}

test('plans with functions as fast as instances until they are measured', () => {
  assert.equal(seenWith({}).overflow, null, 'neither is measured');
  assert.equal(seenWith({ 'instance:local.1': tableOf(100) }).overflow?.serviceMs, 100);
  assert.equal(seenWith({ 'instance:local.1': tableOf(100), 'function:1769': tableOf(60) }).overflow?.serviceMs, 60);
});

test('sizes instances and functions of a selection for its floor plan', () => {
  const ladder = { config: { rungs: [{ name: 'below' }, { name: 'floor' }, { name: 'top' }], floorRung: 1 } };
  const tables = { 'instance:local.1': tableOf(10), 'floor instance:local.1': tableOf(100), 'top instance:local.1': tableOf(200) };
  const { type, overflow } = seenWith(tables, ladder);
  assert.equal(Math.round(type.ratePerSecond), 10);
  assert.equal(overflow?.serviceMs, 100);
});

test('sizes them for the next better plan while no worker can load the floor plan, and for the floor plan if one can', () => {
  const rungs = [
    { name: 'floor', first: 'a/1', second: 'b/1' },
    { name: 'top', first: 'b/1', second: null },
  ];
  const tables = { 'floor instance:local.1': tableOf(100), 'top instance:local.1': tableOf(200) };
  const missing = (workers: number) => ({ executors: [{}, {}], unloaded: [{ model: 'a/1', reason: 'damaged', workers }] });
  const rateOf = (workers: number) =>
    Math.round(seenWith(tables, { config: { rungs, floorRung: 0 } }, missing(workers)).type.ratePerSecond);
  assert.deepEqual([rateOf(1), rateOf(2)], [10, 5]);
});
