/** The loads of the table and the orders that reproduce it. */
import { parseObjective } from '../../src/objective.ts';
import { type Load, loadOfTrace, parseLoad, referenceSimulated, type SimulationOrder } from '../../src/simulation/index.ts';
import { traceCounts } from '../../test/traces.ts';
import type { LoadName } from './rows.ts';

const minute = { slotMs: 60_000 };

/** The load and the seed of its requests; or the reason why it cannot be had. */
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

/** As the published rows were made. */
export function orderOf(policy: string, { load, seed }: { readonly load: Load; readonly seed: number }): SimulationOrder {
  return {
    load,
    policy,
    profile: referenceSimulated(),
    types: ['c5.large'],
    objective: parseObjective('p99.8<=500ms'),
    leadMs: null,
    memoryMiB: 3538,
    instancesMax: 1000,
    seed,
    serviceSeed: 11,
    misfortune: { launchFailureShare: 0, interruptionsPerHour: 0 },
    isCorrecting: false,
    overflow: { overflowBatch: 1, rescue: false },
  };
}
