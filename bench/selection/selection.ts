/** `npm run bench -- selection`: certified floors, the time of a choice, policies on recorded loads, what a selection costs when one model suffices, and the simulator against a server. The last two are measured on a server. */
import { type SplitResult, trySplits } from '../../test/selection/splits.ts';
import { commit, machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';
import { measureAlone } from './alone.ts';
import { choosingTimes } from './choosing.ts';
import { driftRows } from './drift.ts';
import { simulateFleets } from './fleets.ts';
import { runHeldBack } from './held-back.ts';
import { compareLive } from './live/live.ts';
import { disturbance } from './live/quiet-machine.ts';
import { type SelectionResults, selectionTable } from './report.ts';

const splitsEach = 300;
const floors = [0.85, 0.88, 0.9];
const sizes = [500, 2000];
/** The first is that of the tests. */
const splitSeeds = [1, 101, 201];
const parts = ['floors', 'choosing', 'drift', 'fleets', 'held-back', 'alone', 'live'];

interface SelectionOptions {
  readonly only: string;
  readonly isDry: boolean;
  /** Of the live load. */
  readonly seconds: number;
  /** Times as many requests as recorded. Fewer for a slow machine. */
  readonly scale: number;
}

/** `only` selects parts, comma-separated; stored results of the others are retained. */
export async function selection({ only, isDry, seconds, scale }: SelectionOptions): Promise<void> {
  const isPart = (part: string): boolean => only === '' || only.split(',').includes(part);
  const stored = readResults<SelectionResults>('selection');
  if (!parts.some(isPart)) throw new Error(`--only ${only}: expected some of ${parts.join(', ')}`);
  const splits = isPart('floors')
    ? floors.flatMap((floor) => sizes.flatMap((rows) => splitSeeds.map((seed) => splitsOf(floor, rows, seed))))
    : (stored?.splits ?? []);
  const choosing = isPart('choosing') ? choosingTimes() : (stored?.choosing ?? []);
  const drift = isPart('drift') ? await driftRows() : (stored?.drift ?? []);
  const { rows: fleets, missing } = isPart('fleets')
    ? await simulateFleets(['fixed', 'elastic', 'elastic, batched calls'])
    : { rows: stored?.fleets ?? [], missing: stored?.missing ?? [] };
  const heldBack = isPart('held-back') ? await runHeldBack() : { rows: stored?.heldBack ?? [], missing: [] };
  const alone = isPart('alone') ? await measureAlone() : (stored?.alone ?? null);
  const live = isPart('live') ? await compareLive({ seconds, scale }, (text) => console.error(text)) : (stored?.live ?? null);
  const results: SelectionResults = {
    at: new Date().toISOString(),
    commit: commit(),
    machine: machine(),
    splits,
    choosing,
    drift,
    fleets,
    missing: [...new Set([...missing, ...heldBack.missing])],
    heldBack: heldBack.rows,
    alone,
    live,
  };
  const text = selectionTable(results);
  console.log(text);
  const disturbed = isPart('live') && live !== null ? disturbance(live.machine) : null;
  if (disturbed !== null) throw new Error(`the live comparison does not count and was not stored: ${disturbed}. Run it on a quiet machine`);
  if (!isDry) writeResults('selection', results, text);
}

function splitsOf(floor: number, rows: number, seed: number): SplitResult {
  const result = trySplits({ floor, rows, splits: splitsEach, seed });
  console.error(
    `floor ${floor}, ${rows} rows, seed ${seed}: certified broken in ${result.certifiedBroken}, measured in ${result.measuredBroken}`,
  );
  return result;
}
