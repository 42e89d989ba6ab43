/** The serverless table in bench/README.md. */
import type { PolicyResult } from './scenario.ts';

const ms = (value: number | null): string => (value === null ? '–' : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`);
const usd = (value: number | null): string => (value === null ? '–' : `$${value.toFixed(2)}`);
const header = [
  'model',
  'policy',
  'B, mean b',
  'windows on target',
  'in time',
  'p95 at the client',
  'p95 predicted / measured',
  '$ per million predicted / measured',
];

export function serverlessTable(results: readonly PolicyResult[]): string {
  const rows = results.map((result) => [
    result.model,
    result.policy,
    `${result.batchSizeMax}, ${result.meanBatch?.toFixed(2) ?? '–'}`,
    `${result.windowsKept} of ${result.windows}`,
    `${(result.inTime * 100).toFixed(2)} % of ${result.requests.toLocaleString('en-US')}`,
    ms(result.clientP95Ms),
    `${ms(result.predictedP95Ms)} / ${ms(result.measuredP95Ms)}`,
    `${usd(result.predictedUsdPerMillion)} / ${usd(result.costUsdPerMillion)}`,
  ]);
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
