/** The results as JSON and as the tables in bench/README.md. */
import type { Machine } from '../machine.ts';
import { keep } from '../results.ts';
import type { Accuracy } from './accuracy.ts';
import type { GridTiming } from './grid-thread.ts';
import { type Comparison, type Judged, policyNames } from './policies.ts';

export interface BatchingResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly grids: readonly GridTiming[];
  readonly accuracies: readonly Accuracy[];
  readonly comparisons: readonly Comparison[];
}

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

export function tables({ at, commit, machine, grids, accuracies, comparisons }: BatchingResults): string {
  const cost = ({ costUsdPerMillion, latePercent }: Judged): string => `$${costUsdPerMillion.toFixed(3)}, ${latePercent.toFixed(2)} %`;
  const largest = (values: readonly number[]): string => `${Math.max(...values.map(Math.abs)).toFixed(2)} %`;
  const errorsOf = (some: readonly Accuracy[]): string[] => [
    String(some.length),
    largest(some.map(({ p95ErrorPercent }) => p95ErrorPercent)),
    largest(some.map(({ costErrorPercent }) => costErrorPercent)),
  ];
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}).`,
    'How long a choice takes in its thread, of 15:',
    table(
      ['policy, arrivals, service times', 'median', 'worst', 'settings', 'of which latency was looked at'],
      grids.map(({ name, medianMs, worstMs, considered, evaluated }) => [
        name,
        `${medianMs.toFixed(0)} ms`,
        `${worstMs.toFixed(0)} ms`,
        String(considered),
        String(evaluated),
      ]),
    ),
    `The exact model against the simulated rule, ${((accuracies[0]?.requests ?? 0) / 1e6).toFixed(1)} million requests each, the largest errors:`,
    table(
      ['service times', 'settings', 'p95', 'cost'],
      [
        ['fixed', ...errorsOf(accuracies.filter(({ cv }) => cv === 0))],
        ['random, cv 0.3', ...errorsOf(accuracies.filter(({ cv }) => cv > 0))],
      ],
    ),
    'USD per million requests, and the share that was late, under p95 <= SLO (so 5 % may be):',
    table(
      ['arrivals', 'SLO', 'service cv', ...policyNames],
      comparisons.map(({ workload, sloMs, cv, policies }) => [workload, `${sloMs} ms`, String(cv), ...policies.map(cost)]),
    ),
  ].join('\n\n');
}

export function write(results: BatchingResults): void {
  keep('batching', results, tables(results));
}
