/** `npm run bench -- serverless`: see README.md. */
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { serverlessTable } from './report.ts';
import { models, type PolicyResult, runPolicy } from './scenario.ts';

/** Our policy and no batching: the difference is what batching saves on this machine. */
const policies = ['slack', 'none'];

export async function serverless({ seconds, isDry }: { seconds: number; isDry: boolean }): Promise<void> {
  const results: PolicyResult[] = [];
  for (const model of models) {
    for (const policy of policies) {
      console.error(`${model.name}, ${policy}`);
      const result = await runPolicy(model, policy, seconds * 1000);
      console.error(JSON.stringify(result));
      results.push(result);
    }
  }
  const { cores, cpu, node } = machine();
  const at = new Date().toISOString();
  const caption = `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}), load generator on the same machine, ${seconds} s each.`;
  const table = `${caption}\n\n${serverlessTable(results)}`;
  console.log(table);
  if (!isDry) writeResults('serverless', { at, commit: commit(), machine: machine(), results }, table);
}
