/** The loads and simulations that reproduce the published table. */
import { type Load, loadOfTrace, parseLoad, type SimulationSpec } from '../../src/simulation/index.ts';
import { specOf } from '../../test/simulations.ts';
import { traceCounts } from '../../test/traces.ts';
import type { LoadName } from './rows.ts';

const minute = { slotMs: 60_000 };

/** The load and the seed of its requests, or the reason why it is not available. */
export function loadOf(name: LoadName): { readonly load: Load; readonly seed: number } | string {
  if (name === 'MMPP') {
    return { load: parseLoad('mmpp:10,80,600,180', { ...minute, from: 5760, slots: 1440, loadSeed: 7 }), seed: 8 };
  }
  const counts = traceCounts(name === 'NASA' ? 'nasa_http_1995_per_minute.csv' : 'twitter_2021-08_per_minute.csv');
  if (typeof counts === 'string') return counts;
  const trace = { kind: 'counts', counts } as const;
  if (name === 'NASA') return { load: loadOfTrace('NASA', trace, { ...minute, from: 12_960, slots: 2880 }, 40), seed: 6 };
  return { load: loadOfTrace('Twitter', trace, { ...minute, from: 11_520, slots: 1440 }, 0.5), seed: 5 };
}

/** The simulation settings of the published results. */
export function publishedSpecOf(policy: string, { load, seed }: { readonly load: Load; readonly seed: number }): SimulationSpec {
  return specOf(load, policy, { seed, overflow: { overflowBatch: 1, rescue: false } });
}
