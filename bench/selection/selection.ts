/** `npm run bench -- selection`: certified floors, the time of a choice, policies on recorded loads, what a selection costs when one model suffices, and the simulator against a server. The last two are measured on a server. */
import { type SplitResult, trySplits } from '../../test/selection/splits.ts';
import { commit, machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';
import { measureAlone } from './alone.ts';
import { choosingTimes } from './choosing.ts';
import { simulateFleets } from './fleets.ts';
import { runHeldBack } from './held-back.ts';
import { compareLive } from './live/live.ts';
import { type SelectionResults, selectionTable } from './report.ts';

const splitsEach = 300;
const floors = [0.85, 0.88, 0.9];
const sizes = [500, 2000];
const parts = ['floors', 'choosing', 'fleets', 'held-back', 'alone', 'live'];
const liveSeconds = 600;
const liveScale = 100;

interface SelectionOptions {
  readonly only: string;
  readonly isDry: boolean;
  /** Of the live load; null: ten minutes. */
  readonly seconds: number | null;
  /** Times as many requests as recorded; null: a hundred. Fewer for a slow machine. */
  readonly scale: number | null;
}

/** `only` selects parts, comma-separated; stored results of the others are retained. */
export async function selection({ only, isDry, seconds, scale }: SelectionOptions): Promise<void> {
  const isPart = (part: string): boolean => only === '' || only.split(',').includes(part);
  const stored = readResults<SelectionResults>('selection');
  if (!parts.some(isPart)) throw new Error(`--only ${only}: expected some of ${parts.join(', ')}`);
  const splits = isPart('floors') ? floors.flatMap((floor) => sizes.map((rows) => splitsOf(floor, rows))) : (stored?.splits ?? []);
  const choosing = isPart('choosing') ? choosingTimes() : (stored?.choosing ?? []);
  const { rows: fleets, missing } = isPart('fleets')
    ? await simulateFleets(['fixed', 'elastic', 'elastic, batched calls'])
    : { rows: stored?.fleets ?? [], missing: stored?.missing ?? [] };
  const heldBack = isPart('held-back') ? await runHeldBack() : { rows: stored?.heldBack ?? [], missing: [] };
  const alone = isPart('alone') ? await measureAlone() : (stored?.alone ?? null);
  const live = isPart('live')
    ? await compareLive({ seconds: seconds ?? liveSeconds, scale: scale ?? liveScale }, (text) => console.error(text))
    : (stored?.live ?? null);
  const results: SelectionResults = {
    at: new Date().toISOString(),
    commit: commit(),
    machine: machine(),
    splits,
    choosing,
    fleets,
    missing: [...new Set([...missing, ...heldBack.missing])],
    heldBack: heldBack.rows,
    alone,
    live,
  };
  const text = selectionTable(results);
  console.log(text);
  if (!isDry) writeResults('selection', results, text);
}

function splitsOf(floor: number, rows: number): SplitResult {
  const result = trySplits({ floor, rows, splits: splitsEach, seed: 1 });
  console.error(`floor ${floor}, ${rows} rows: certified broken in ${result.certifiedBroken}, measured in ${result.measuredBroken}`);
  return result;
}
