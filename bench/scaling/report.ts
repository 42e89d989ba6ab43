/** The scaling table in bench/README.md. */
import type { Machine } from '../machine.ts';
import { differences, isCostAlike, type LoadName, type Reproduced, rows } from './rows.ts';

export interface ScalingRow extends Reproduced {
  /** When it was simulated. */
  readonly at: string;
  readonly load: LoadName;
  readonly policy: string;
  readonly requests: number;
  readonly coldStarts: number;
  readonly dropped: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface ScalingResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly requestsPerMinuteAndCore: number;
  /** Loads that were not available, with the reason. */
  readonly missing: readonly string[];
  readonly rows: readonly ScalingRow[];
}

export function scalingTable({ at, commit, machine, requestsPerMinuteAndCore, missing, rows: results }: ScalingResults): string {
  const loads = [...new Set(results.map(({ load }) => load))];
  const header = ['policy', ...loads.flatMap((load) => [`${load}: $ per million, in time`, 'published', 'difference'])];
  let [compared, agreeing, costingAlike] = [0, 0, 0];
  const lines = rows.map(({ policy, published }) => {
    const cells = loads.flatMap((load) => {
      const found = results.find((other) => other.load === load && other.policy === policy);
      if (found === undefined) return ['–', '–', ''];
      const here = `${found.costUsdPerMillion.toFixed(2)}, ${found.attainmentPercent.toFixed(3)} %`;
      if (published === null) return [here, '–', ''];
      const wanted = published[load];
      const differing = differences(load, wanted, found);
      compared++;
      if (differing.length === 0) agreeing++;
      if (isCostAlike(wanted, found)) costingAlike++;
      return [here, `${wanted.costUsdPerMillion.toFixed(2)}, ${wanted.attainmentPercent} %`, differing.join(', ')];
    });
    return [policy, ...cells];
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}): ${(requestsPerMinuteAndCore / 1e6).toFixed(0)} million requests per minute and core.`,
    ...missing.map((why) => `Skipped: ${why}.`),
    ...datesOf(at, results),
    `Of ${compared} published results, ${costingAlike} match in cost within 5 %, and ${agreeing} match in all figures.`,
    [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n');
}

/** Which rows an earlier run simulated. */
function datesOf(at: string, results: readonly ScalingRow[]): string[] {
  const earlier = [...new Set(results.map((row) => row.at.slice(0, 10)))].filter((date) => date !== at.slice(0, 10));
  return earlier.map((date) => {
    const policies = new Set(results.filter((row) => row.at.startsWith(date)).map(({ policy }) => policy));
    return `${policies.size} of ${rows.length} policies were simulated on ${date}.`;
  });
}
