import type { LoadReport } from '../load/load.ts';
import type { Machine } from '../machine.ts';

export interface AsyncFigures {
  readonly ratePerSecond: number;
  readonly load: LoadReport;
  /** From the last acceptance until the queue was empty. */
  readonly drainMs: number;
}

export interface AsyncResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly figures: readonly AsyncFigures[];
  readonly flood: { readonly requests: number; readonly acceptedPerSecond: number; readonly finishedPerSecond: number };
}

export function asyncTable({ at, commit, machine, figures, flood }: AsyncResults): string {
  const { cores, cpu, memoryGiB, node } = machine;
  const rows = figures.map(({ ratePerSecond, load: { latencyMs, answers, inTime }, drainMs }) => {
    const times = [latencyMs.p50, latencyMs.p95, latencyMs.p99, latencyMs.max].map((ms) => `${ms.toFixed(1)} ms`);
    return `| ${[`${ratePerSecond}/s`, answers, ...times, `${(inTime * 100).toFixed(2)} %`, `${(drainMs / 1000).toFixed(1)} s`].join(' | ')} |`;
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}, ${memoryGiB} GiB, Node ${node}), load generator on the same machine: requests of ` +
      '`digits-mlp` with their bodies, Poisson, one instance that processes them at the same time. Target: accepted within 20 ms at p99.',
    '',
    '| submitted | accepted | p50 | p95 | p99 | max | within 20 ms | queue empty after |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `${flood.requests} submitted at once: ${flood.acceptedPerSecond.toFixed(0)} accepted per second, ` +
      `${flood.finishedPerSecond.toFixed(0)} finished per second, from the first submission to the last result.`,
  ].join('\n');
}
