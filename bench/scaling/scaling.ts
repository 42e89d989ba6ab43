/** `npm run bench -- scaling`: reproduces a published comparison of scaling policies with the platform's own code. */
import { availableParallelism } from 'node:os';
import { cpuUsage } from 'node:process';
import { simulateAll } from '../../src/simulation/index.ts';
import { commit, machine } from '../machine.ts';
import { readResults, writeResults } from '../results.ts';
import { type ScalingResults, type ScalingRow, scalingTable } from './report.ts';
import { loadNames, rows } from './rows.ts';
import { loadOf, publishedSpecOf } from './specs.ts';

/** `only` selects one load, or one policy; stored results of the others are retained. */
export async function scaling({ only, isDry }: { readonly only: string; readonly isDry: boolean }): Promise<void> {
  const missing: string[] = [];
  const measured: ScalingRow[] = [];
  const before = cpuUsage();
  const at = new Date().toISOString();
  const isPolicy = rows.some(({ policy }) => policy === only);
  const isMeasured = (load: string, policy: string): boolean => (isPolicy ? policy === only : load.includes(only));
  for (const name of loadNames) {
    const policies = rows.map(({ policy }) => policy).filter((policy) => isMeasured(name, policy));
    if (policies.length === 0) continue;
    const load = loadOf(name);
    if (typeof load === 'string') {
      missing.push(load);
      continue;
    }
    const results = await simulateAll(
      policies.map((policy) => publishedSpecOf(policy, load)),
      {
        threads: availableParallelism(),
        interrupted: new AbortController().signal,
        onDone: ({ policy, costUsdPerMillion }) => console.error(`${name}, ${policy}: $${costUsdPerMillion?.toFixed(2)} per million`),
      },
    );
    for (const [i, result] of results.entries()) {
      const { requests, coldStarts, dropped, p50Ms, p99Ms } = result;
      measured.push({
        load: name,
        policy: policies[i] ?? result.policy,
        at,
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
  const retained = (readResults<ScalingResults>('scaling')?.rows ?? []).filter(({ load, policy }) => !isMeasured(load, policy));
  const requests = measured.reduce((sum, row) => sum + row.requests, 0);
  const requestsPerMinuteAndCore = Math.round((requests * 60e6) / (user + system));
  const results: ScalingResults = {
    at,
    commit: commit(),
    machine: machine(),
    requestsPerMinuteAndCore,
    missing,
    rows: [...retained, ...measured].sort((a, b) => loadNames.indexOf(a.load) - loadNames.indexOf(b.load)),
  };
  console.log(scalingTable(results));
  if (!isDry) writeResults('scaling', results, scalingTable(results));
}
