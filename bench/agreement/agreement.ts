/** `npm run bench -- agreement`: does the simulator say what the platform does? See README.md. */
import { commit, machine } from '../machine.ts';
import { keep, keptOf } from '../results.ts';
import { agreementTable } from './report.ts';
import { type Agreement, compare } from './scenario.ts';
import { subjects } from './subjects.ts';

interface AgreementOptions {
  readonly runs: number;
  /** A part of the name of what is served. */
  readonly only: string;
  /** To the runs that are kept already. */
  readonly isAdded: boolean;
  readonly isDry: boolean;
}

/** Who did not come to run for so long while it had nothing to do was on a machine that others used: nothing is said of that one. */
const stalledMsMost = 100;

export async function agreement({ runs, only, isAdded, isDry }: AgreementOptions): Promise<void> {
  const results: Agreement[] = isAdded ? [...(keptOf<{ readonly results: readonly Agreement[] }>('agreement')?.results ?? [])] : [];
  const chosen = subjects.filter(({ name }) => name.includes(only));
  for (let run = 1; run <= runs; run++) {
    for (const subject of chosen) {
      const say = (text: string): void => console.error(`run ${run} of ${runs}: ${text}`);
      for (const compared of await compare(subject, say)) {
        const { scenario, stalledMs = 0 } = compared;
        if (stalledMs <= stalledMsMost) results.push(compared);
        else say(`not kept, for the machine stood still for ${stalledMs.toFixed(0)} ms: ${scenario}`);
      }
    }
  }
  const { cores, cpu, node } = machine();
  if (results.length === 0) throw new Error('every run was disturbed: nothing is kept');
  const seen = Object.values(Object.groupBy(results, ({ scenario }) => scenario)).map((all) => all?.length ?? 0);
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, medians of ${Math.min(...seen)} runs on ${cores} cores (${cpu}, Node ${node}), load generator on the same machine.`;
  const table = `${caption}\n\n${agreementTable(results)}`;
  console.log(table);
  if (!isDry) keep('agreement', { at, commit: commit(), machine: machine(), results }, table);
}
