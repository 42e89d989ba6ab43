/** Interleaved rounds over the servers, stored after each round: what all loads of `npm run bench -- peers` share. */
import { hasWrk } from '../load/wrk.ts';
import { machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';

export interface LoadCell {
  readonly server: string;
  /** Cores that other programs kept busy. */
  readonly otherCores: number;
}

export interface PeersResults<Cell extends LoadCell> {
  readonly at: string;
  readonly commit: string;
  readonly machine: string;
  readonly generator: string;
  readonly missing: readonly string[];
  readonly rounds: readonly (readonly Cell[])[];
}

/** What the command line asks of each load. */
export interface LoadContext {
  readonly rounds: number;
  /** Found before the first load writes its results. */
  readonly commit: string;
  /** Each closed loop and each bare loop. */
  readonly measureMs: number;
  /** For files of the servers. */
  readonly scratch: string;
  /** Path of a tritonserver with the onnxruntime backend; empty for none. */
  readonly triton: string;
  readonly isWanted: (name: string) => boolean;
  /** Adds the rounds to those measured before. */
  readonly isAdded: boolean;
  readonly isDry: boolean;
}

export interface RoundsOf<Cell extends LoadCell> {
  /** Of the results and of the table in bench/README.md. */
  readonly scenario: string;
  readonly generator: string;
  readonly missing: readonly string[];
  /** Each starts its server, measures it, and ends it before the next one, so that idle servers take no time. */
  readonly servers: readonly { readonly name: string; readonly measure: () => Promise<readonly Cell[]> }[];
  readonly table: (results: PeersResults<Cell>) => string;
}

export const closedLoopGenerator = (): string => (hasWrk() ? 'wrk' : 'own generator');

export async function measureRounds<Cell extends LoadCell>(
  { rounds, commit, isAdded, isDry }: LoadContext,
  { scenario, generator, missing, servers, table }: RoundsOf<Cell>,
): Promise<void> {
  const { cores, cpu, node } = machine();
  const measured = isAdded ? [...(readResults<PeersResults<Cell>>(scenario)?.rounds ?? [])] : [];
  for (let round = 0; round < rounds; round++) {
    const cells: Cell[] = [];
    // In the opposite order every other time: the machine's speed drifts.
    for (const { name, measure } of round % 2 === 0 ? servers : servers.toReversed()) {
      try {
        const found = await measure();
        console.error(`${scenario}: ${JSON.stringify(found)}`);
        cells.push(...found);
      } catch (error) {
        // A server that does not start on a busy machine is left out of the round.
        console.error(`${scenario}: ${name}: ${String(error)}`);
      }
    }
    measured.push(cells);
    const head = { at: new Date().toISOString(), commit, machine: `${cores} cores (${cpu}, Node ${node})` };
    const results = { ...head, generator, missing, rounds: measured };
    console.log(table(results));
    if (!isDry) writeResults(scenario, results, table(results));
  }
}
