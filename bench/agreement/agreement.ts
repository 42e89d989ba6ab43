/** `npm run bench -- agreement`: does the simulator say what the platform does? See README.md. */
import { commit, machine } from '../machine.ts';
import { keep } from '../results.ts';
import { agreementTable } from './report.ts';
import { type Agreement, compare } from './scenario.ts';
import { subjects } from './subjects.ts';

/** `only` is a part of the name of what is served. */
export async function agreement({ runs, only, isDry }: { runs: number; only: string; isDry: boolean }): Promise<void> {
  const results: Agreement[] = [];
  const chosen = subjects.filter(({ name }) => name.includes(only));
  for (let run = 1; run <= runs; run++) {
    for (const subject of chosen) results.push(...(await compare(subject, (text) => console.error(`run ${run} of ${runs}: ${text}`))));
  }
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, medians of ${runs} runs on ${cores} cores (${cpu}, Node ${node}), load generator on the same machine.`;
  const table = `${caption}\n\n${agreementTable(results)}`;
  console.log(table);
  if (!isDry) keep('agreement', { at, commit: commit(), machine: machine(), results }, table);
}
