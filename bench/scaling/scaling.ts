/** `npm run bench -- scaling`: the published comparison of scaling policies, reproduced with the platform's own code. */
import { availableParallelism } from 'node:os';
import { cpuUsage } from 'node:process';
import { simulateAll } from '../../src/simulation/index.ts';
import { commit, machine } from '../machine.ts';
import { keep, keptOf } from '../results.ts';
import { loadOf, orderOf } from './orders.ts';
import { type ScalingResults, type ScalingRow, scalingTable } from './report.ts';
import { loadNames, rows } from './rows.ts';

/** `only` names one load; those of the others stay as they were found before. */
export async function scaling({ only, isDry }: { readonly only: string; readonly isDry: boolean }): Promise<void> {
  const missing: string[] = [];
  const seen: ScalingRow[] = [];
  const before = cpuUsage();
  for (const name of loadNames.filter((load) => load.includes(only))) {
    const load = loadOf(name);
    if (typeof load === 'string') {
      missing.push(load);
      continue;
    }
    const results = await simulateAll(
      rows.map(({ policy }) => orderOf(policy, load)),
      {
        threads: availableParallelism(),
        interrupted: new AbortController().signal,
        onDone: ({ policy, costUsdPerMillion }) => console.error(`${name}, ${policy}: $${costUsdPerMillion?.toFixed(2)} per million`),
      },
    );
    for (const [i, result] of results.entries()) {
      const { requests, coldStarts, dropped, p50Ms, p99Ms } = result;
      seen.push({
        load: name,
        policy: rows[i]?.policy ?? result.policy,
        costUsdPerMillion: result.costUsdPerMillion ?? 0,
        attainmentPercent: result.attainment * 100,
        overflowPercent: result.overflowShare * 100,
        requests,
        coldStarts,
        dropped,
        p50Ms,
        p99Ms,
      });
    }
  }
  const { user, system } = cpuUsage(before);
  const kept = only === '' ? [] : (keptOf<ScalingResults>('scaling')?.rows ?? []).filter(({ load }) => !load.includes(only));
  const requests = seen.reduce((sum, row) => sum + row.requests, 0);
  const requestsPerMinuteAndCore = Math.round((requests * 60e6) / (user + system));
  const at = new Date().toISOString();
  const results: ScalingResults = {
    at,
    commit: commit(),
    machine: machine(),
    requestsPerMinuteAndCore,
    missing,
    rows: [...kept, ...seen].sort((a, b) => loadNames.indexOf(a.load) - loadNames.indexOf(b.load)),
  };
  console.log(scalingTable(results));
  if (!isDry) keep('scaling', results, scalingTable(results));
}
