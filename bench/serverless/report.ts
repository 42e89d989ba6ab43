/** The tables of serverless endpoints in bench/README.md. */
import type { PolicyResult } from './scenario.ts';

export interface AccuracyResult {
  readonly model: string;
  readonly ratePerSecond: number;
  /** All cores were busy with other programs until a minute before. */
  readonly isAfterBusySpell: boolean;
  readonly predictedP95Ms: number | null;
  readonly measuredP95Ms: number | null;
  readonly meanBatch: number | null;
  readonly predictedUsdPerMillion: number | null;
  readonly costUsdPerMillion: number | null;
}

const ms = (value: number | null): string => (value === null ? '–' : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`);
const usd = (value: number | null): string => (value === null ? '–' : `$${value.toFixed(2)}`);
const usdExact = (value: number | null): string => (value === null ? '–' : `$${value.toFixed(4)}`);
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

const difference = (predicted: number | null, measured: number | null): string => {
  if (predicted === null || measured === null) return '–';
  const percent = (predicted / measured - 1) * 100;
  return `${percent >= 0 ? '+' : ''}${percent.toFixed(0)} %`;
};

/** Predictions against measurements, with the difference of each. */
export function accuracyTable(results: readonly AccuracyResult[]): string {
  const columns = ['model', 'load', 'mean b', 'p95 predicted / measured', 'difference', '$ per million predicted / measured', 'difference'];
  const rows = results.map((result) => [
    result.model,
    `${result.ratePerSecond}/s${result.isAfterBusySpell ? ', after a busy spell' : ''}`,
    result.meanBatch?.toFixed(2) ?? '–',
    `${ms(result.predictedP95Ms)} / ${ms(result.measuredP95Ms)}`,
    difference(result.predictedP95Ms, result.measuredP95Ms),
    `${usdExact(result.predictedUsdPerMillion)} / ${usdExact(result.costUsdPerMillion)}`,
    difference(result.predictedUsdPerMillion, result.costUsdPerMillion),
  ]);
  return [columns, columns.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
