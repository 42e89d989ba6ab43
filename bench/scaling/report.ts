/** The scaling table in bench/README.md. */
import type { Machine } from '../machine.ts';
import { differences, isCostAlike, type LoadName, type Reproduced, rows } from './rows.ts';

export interface ScalingRow extends Reproduced {
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
  let [agreeing, costingAlike] = [0, 0];
  const lines = rows.map(({ policy, published }) => {
    const cells = loads.flatMap((load) => {
      const found = results.find((other) => other.load === load && other.policy === policy);
      if (found === undefined) return ['–', '–', ''];
      const wanted = published[load];
      const differing = differences(load, wanted, found);
      if (differing.length === 0) agreeing++;
      if (isCostAlike(wanted, found)) costingAlike++;
      const here = `${found.costUsdPerMillion.toFixed(2)}, ${found.attainmentPercent.toFixed(3)} %`;
      return [here, `${wanted.costUsdPerMillion.toFixed(2)}, ${wanted.attainmentPercent} %`, differing.join(', ')];
    });
    return [policy, ...cells];
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}): ${(requestsPerMinuteAndCore / 1e6).toFixed(0)} million requests per minute and core.`,
    ...missing.map((why) => `Skipped: ${why}.`),
    `Of ${results.length} results, ${costingAlike} match the published cost within 5 %, and ${agreeing} match in all figures.`,
    [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n');
}
