/** A selection on loads, seeds and splits that its rules were not made by. */
import { SelectionSimulation, type SelectionSimulationResult } from '../../src/simulation/index.ts';
import { type HeldBackLoad, heldBackLoads } from '../../test/selection/held-back.ts';
import type { Family } from '../../test/selection/selectable.ts';
import { elasticFleet, families, type SelectionSeeds, selectionSpecs } from '../../test/selection/simulated.ts';

export interface HeldBackRow {
  readonly family: Family;
  readonly load: string;
  readonly seed: number;
  readonly requests: number;
  /** Both with functions. */
  readonly best: HeldBackFigures;
  readonly select: HeldBackFigures;
  /** One fixed fleet, which carries the floor plan at the mean rate. */
  readonly instances: number;
  readonly fixedBest: HeldBackFigures;
  readonly degrade: HeldBackFigures;
}

export type HeldBackFigures = Pick<SelectionSimulationResult, 'attainment' | 'accuracy' | 'costUsdPerMillion'>;

const seeds: readonly SelectionSeeds[] = [
  { seed: 101, serviceSeed: 102, splitSeed: 103 },
  { seed: 201, serviceSeed: 202, splitSeed: 203 },
];

export async function runHeldBack(): Promise<{ rows: HeldBackRow[]; missing: string[] }> {
  const rows: HeldBackRow[] = [];
  const missing: string[] = [];
  for (const load of heldBackLoads()) {
    if (typeof load === 'string') missing.push(load);
    else for (const family of Object.keys(families) as Family[]) for (const each of seeds) rows.push(await rowOf(load, family, each));
  }
  return { rows, missing };
}

async function rowOf({ name, load }: HeldBackLoad, family: Family, each: SelectionSeeds): Promise<HeldBackRow> {
  const run = async (policies: readonly string[], fleet: Parameters<typeof selectionSpecs>[3]): Promise<SelectionSimulationResult[]> => {
    const results: SelectionSimulationResult[] = [];
    for (const spec of selectionSpecs(family, load, policies, fleet, each)) results.push(await new SelectionSimulation(spec).run());
    return results;
  };
  const [best, select] = await run(['always-best+functions', 'select+functions'], elasticFleet('hpa:70', 1));
  if (best === undefined || select === undefined) throw new Error('expected two simulations');
  // As the comparison: 1 for 257 and 553 requests a second, 2 for 516 and 844.
  const instances = Math.max(1, Math.ceil((1000 * select.requests) / load.durationMs / 600));
  const [fixedBest, degrade] = await run(['always-best', 'degrade'], { kind: 'fixed', instances });
  if (fixedBest === undefined || degrade === undefined) throw new Error('expected two simulations');
  const cost = select.costUsdPerMillion / best.costUsdPerMillion;
  console.error(`${family}, ${name}, seed ${each.seed}: cost ${cost.toFixed(2)}, ${(100 * select.attainment).toFixed(2)} % in time`);
  const figures = ({ attainment, accuracy, costUsdPerMillion }: SelectionSimulationResult): HeldBackFigures => ({
    attainment,
    accuracy,
    costUsdPerMillion,
  });
  return {
    family,
    load: name,
    seed: each.seed,
    requests: select.requests,
    best: figures(best),
    select: figures(select),
    instances,
    fixedBest: figures(fixedBest),
    degrade: figures(degrade),
  };
}
