/** Policies of a selection on a fixed and on an elastic fleet, simulated, with the figures of an independent implementation. */
import { SelectionSimulation, type SelectionSimulationResult } from '../../src/simulation/index.ts';
import { loadNames, loadOf, type SelectionLoad } from '../../test/selection/loads.ts';
import type { Family } from '../../test/selection/selectable.ts';
import { elasticFleet, families, selectionSpecs } from '../../test/selection/simulated.ts';

export type FleetKind = 'fixed' | 'elastic' | 'elastic, batched calls';

export interface SelectionRow extends Omit<SelectionSimulationResult, 'shares'> {
  readonly fleet: FleetKind;
  readonly family: Family;
  readonly load: string;
}

const fixedPolicies = ['always-best', 'always-cheapest', 'proteus', 'singles', 'degrade'];
const elasticPolicies = ['always-best', 'always-best+functions', 'floor+functions', 'select+functions', 'degrade'];
const familyNames = Object.keys(families) as Family[];

export async function simulateFleets(kinds: readonly FleetKind[]): Promise<{ rows: SelectionRow[]; missing: string[] }> {
  const rows: SelectionRow[] = [];
  const missing: string[] = [];
  for (const name of loadNames) {
    const load = loadOf(name);
    if (typeof load === 'string') missing.push(load);
    else for (const kind of kinds) for (const family of familyNames) rows.push(...(await rowsOf(load, kind, family)));
  }
  return { rows, missing };
}

async function rowsOf({ name, load, instances }: SelectionLoad, kind: FleetKind, family: Family): Promise<SelectionRow[]> {
  const fleet = kind === 'fixed' ? ({ kind: 'fixed', instances } as const) : elasticFleet('hpa:70', kind === 'elastic' ? 1 : null);
  const policies = {
    fixed: fixedPolicies,
    elastic: elasticPolicies,
    'elastic, batched calls': elasticPolicies.filter((policy) => policy.endsWith('+functions')),
  }[kind];
  const rows: SelectionRow[] = [];
  for (const spec of selectionSpecs(family, load, policies, fleet)) {
    const { shares: _, ...result } = await new SelectionSimulation(spec).run();
    console.error(`${name}, ${family}, ${kind}, ${result.policy}: ${(100 * result.attainment).toFixed(1)} % in time`);
    rows.push({ fleet: kind, family, load: name, ...result });
  }
  return rows;
}
