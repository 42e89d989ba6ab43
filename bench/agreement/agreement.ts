/** `npm run bench -- agreement`: compares the simulator with a live server. See README.md. */
import { commit, machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';
import { agreementTable } from './report.ts';
import { type Agreement, compare } from './scenario.ts';
import { subjects } from './subjects.ts';

interface AgreementOptions {
  readonly runs: number;
  /** Part of a subject's name; empty runs all subjects. */
  readonly only: string;
  /** Adds the runs to the stored results instead of replacing them. */
  readonly isAdded: boolean;
  readonly isDry: boolean;
}

/** If this idle process was not scheduled for longer, the machine was busy with other work and the run is discarded. */
const stallMsMax = 100;

export async function agreement({ runs, only, isAdded, isDry }: AgreementOptions): Promise<void> {
  const results: Agreement[] = isAdded ? [...(readResults<{ readonly results: readonly Agreement[] }>('agreement')?.results ?? [])] : [];
  const chosen = subjects.filter(({ name }) => name.includes(only));
  for (let run = 1; run <= runs; run++) {
    for (const subject of chosen) {
      const say = (text: string): void => console.error(`run ${run} of ${runs}: ${text}`);
      for (const compared of await compare(subject, say)) {
        const { scenario, stalledMs = 0 } = compared;
        if (stalledMs <= stallMsMax) results.push(compared);
        else say(`discarded, because the machine stalled for ${stalledMs.toFixed(0)} ms: ${scenario}`);
      }
    }
  }
  const { cores, cpu, node } = machine();
  if (results.length === 0) throw new Error('all runs were discarded because the machine stalled: run the benchmark on an idle machine');
  const runCounts = Object.values(Object.groupBy(results, ({ scenario }) => scenario)).map((all) => all?.length ?? 0);
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, medians of ${Math.min(...runCounts)} runs on ${cores} cores (${cpu}, Node ${node}), load generator on the same machine.`;
  const table = `${caption}\n\n${agreementTable(results)}`;
  console.log(table);
  if (!isDry) writeResults('agreement', { at, commit: commit(), machine: machine(), results }, table);
}
