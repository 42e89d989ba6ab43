/** The results as JSON and as the tables in bench/README.md. */
import type { Machine } from '../machine.ts';
import { writeResults } from '../results.ts';
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
    'Time per decision in its own thread, 15 runs:',
    table(
      ['policy, arrivals, service times', 'median', 'worst', 'settings', 'of which evaluated'],
      grids.map(({ name, medianMs, worstMs, considered, evaluated }) => [
        name,
        `${medianMs.toFixed(0)} ms`,
        `${worstMs.toFixed(0)} ms`,
        String(considered),
        String(evaluated),
      ]),
    ),
    `Largest errors of the exact model against the simulated rule, ${((accuracies[0]?.requests ?? 0) / 1e6).toFixed(1)} million requests each:`,
    table(
      ['service times', 'settings', 'p95', 'cost'],
      [
        ['fixed', ...errorsOf(accuracies.filter(({ cv }) => cv === 0))],
        ['random, cv 0.3', ...errorsOf(accuracies.filter(({ cv }) => cv > 0))],
      ],
    ),
    'USD per million requests, and the share of late responses, under p95 <= SLO (which allows 5 %):',
    table(
      ['arrivals', 'SLO', 'service cv', ...policyNames],
      comparisons.map(({ workload, sloMs, cv, policies }) => [workload, `${sloMs} ms`, String(cv), ...policies.map(cost)]),
    ),
  ].join('\n\n');
}

export function write(results: BatchingResults): void {
  writeResults('batching', results, tables(results));
}
