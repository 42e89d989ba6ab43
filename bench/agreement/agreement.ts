/** `npm run bench -- agreement`: does the simulator say what the platform does? See README.md. */
import { commit, machine } from '../machine.ts';
import { keep } from '../results.ts';
import { agreementTable } from './report.ts';
import { type Agreement, compare, scenarios } from './scenario.ts';

export async function agreement({ runs, isDry }: { runs: number; isDry: boolean }): Promise<void> {
  const results: Agreement[] = [];
  for (let run = 1; run <= runs; run++) {
    for (const scenario of scenarios) {
      const result = await compare(scenario);
      console.error(`run ${run} of ${runs}: ${JSON.stringify(result)}`);
      results.push(result);
    }
  }
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, medians of ${runs} runs on ${cores} cores (${cpu}, Node ${node}), load generator on the same machine.`;
  const table = `${caption}\n\n${agreementTable(results)}`;
  console.log(table);
  if (!isDry) keep('agreement', { at, commit: commit(), machine: machine(), results }, table);
}
