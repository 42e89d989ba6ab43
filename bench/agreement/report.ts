/** The agreement table in bench/README.md: medians over the runs of a scenario. */
import { percentileOf } from '../load/latencies.ts';
import type { Agreement, Measured } from './scenario.ts';

interface Row {
  readonly title: string;
  readonly value: (measured: Measured) => number;
  readonly text: (value: number) => string;
  readonly difference: (live: number, simulated: number) => string;
  readonly target: string;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const byRatio = (live: number, simulated: number): string => (live === 0 ? '–' : `${percent(simulated / live - 1)}`);

const rows: readonly Row[] = [
  { title: 'p50', value: ({ p50Ms }) => p50Ms, text: (ms) => `${ms.toFixed(1)} ms`, difference: byRatio, target: '' },
  { title: 'p95', value: ({ p95Ms }) => p95Ms, text: (ms) => `${ms.toFixed(1)} ms`, difference: byRatio, target: '± 15 %' },
  {
    title: 'overflow',
    value: ({ overflowShare }) => overflowShare,
    text: percent,
    difference: (live, simulated) => `${((simulated - live) * 100).toFixed(1)} points`,
    target: '± 5 points',
  },
  {
    title: 'cost per million',
    value: ({ usdPerMillion }) => usdPerMillion,
    text: (usd) => `$${usd.toFixed(3)}`,
    difference: byRatio,
    target: '± 10 %',
  },
  {
    title: 'within the objective',
    value: ({ inTime }) => inTime,
    text: percent,
    difference: (live, simulated) => `${((simulated - live) * 100).toFixed(1)} points`,
    target: '',
  },
];

export function agreementTable(results: readonly Agreement[]): string {
  const lines = [...new Set(results.map(({ scenario }) => scenario))].flatMap((scenario) => {
    const ofScenario = results.filter((result) => result.scenario === scenario);
    const median = (value: (result: Agreement) => number): number =>
      percentileOf(
        ofScenario.map(value).sort((a, b) => a - b),
        50,
      );
    return rows.map(({ title, value, text, difference, target }) => {
      const [live, simulated] = [median((result) => value(result.live)), median((result) => value(result.simulated))];
      return [scenario, title, text(live), text(simulated), difference(live, simulated), target];
    });
  });
  const header = ['load', '', 'live', 'simulated', 'difference', 'target'];
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
