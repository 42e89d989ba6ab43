/** Loads and specifications of simulations, for tests and benchmarks. */
import { parseObjective } from '../src/objective.ts';
import { type Load, loadOfTrace, parseLoad } from '../src/simulation/load/load.ts';
import { referenceSimulated } from '../src/simulation/simulated/profile.ts';
import type { SimulationSpec } from '../src/simulation/simulation-spec.ts';

/** A generated load of some minutes. */
export function loadOf(text: string, minutes: number): Load {
  return parseLoad(text, { slotMs: 60_000, from: 0, slots: minutes, loadSeed: 7 });
}

/** Counts per minute, the last `slots` of which are replayed. */
export function loadFrom(counts: readonly number[], slots: number, scale = 1): Load {
  return loadOfTrace('counts', { kind: 'counts', counts }, { slotMs: 60_000, from: counts.length - slots, slots }, scale);
}

/** The reference profile on c5.large within half a second. */
export function specOf(load: Load, policy: string, other: Partial<SimulationSpec> = {}): SimulationSpec {
  return {
    load,
    policy,
    profile: referenceSimulated(),
    types: ['c5.large'],
    objective: parseObjective('p99.8<=500ms'),
    leadMs: null,
    memoryMiB: 3538,
    instancesMax: 1000,
    seed: 6,
    serviceSeed: 11,
    faults: { launchFailureShare: 0, interruptionsPerHour: 0 },
    isCorrecting: false,
    ...other,
  };
}
