/** The report of a quickstart and its text. Pure. */

import { formatObjective, type Objective } from '../../objective.ts';
import { nearestRank } from '../../quantiles.ts';
import { formatMsText } from '../output/format.ts';
import { table } from '../output/table.ts';

export interface LoadFigures {
  readonly requests: number;
  readonly failed: number;
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Percent of all requests, including failed ones, that were answered within the objective. */
  readonly withinObjectivePercent: number;
  /** Rows per run of the model. */
  readonly meanBatch: number;
  readonly costUsdPerMillion: number;
}

export interface QuickstartReport {
  readonly url: string;
  readonly endpoint: string;
  readonly model: string;
  readonly objective: Objective;
  /** Accuracy of the endpoint's predictions for the held-out rows. */
  readonly accuracy: { readonly value: number; readonly right: number; readonly rows: number };
  readonly startedInMs: number;
  readonly firstPredictionAfterMs: number;
  readonly burst: LoadFigures;
  readonly load: LoadFigures;
}

/** Computes nearest-rank percentiles and shares of a load. */
export function figuresOf(load: {
  readonly latenciesMs: readonly number[];
  readonly failed: number;
  readonly elapsedMs: number;
  readonly objective: Objective;
  readonly rows: number;
  readonly runs: number;
  readonly usd: number;
}): LoadFigures {
  const sorted = load.latenciesMs.toSorted((a, b) => a - b);
  const at = (quantile: number): number => (sorted.length === 0 ? 0 : nearestRank(sorted, quantile));
  const requests = sorted.length + load.failed;
  const within = sorted.filter((ms) => ms <= load.objective.latencyMs).length;
  return {
    requests,
    failed: load.failed,
    ratePerSecond: (sorted.length * 1000) / load.elapsedMs,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    withinObjectivePercent: requests === 0 ? 0 : (100 * within) / requests,
    meanBatch: load.runs === 0 ? 0 : load.rows / load.runs,
    costUsdPerMillion: sorted.length === 0 ? 0 : (1e6 * load.usd) / sorted.length,
  };
}

export function reportText(report: QuickstartReport): string {
  const { accuracy, burst, load, objective } = report;
  const isMet = load.withinObjectivePercent >= objective.percentile;
  const rows = [
    { what: 'burst', figures: burst },
    { what: 'open loop', figures: load },
  ];
  const figures = table(rows, [
    { title: 'load', cell: ({ what }) => what },
    { title: 'requests', align: 'right', cell: ({ figures: { requests } }) => requests },
    { title: 'failed', align: 'right', cell: ({ figures: { failed } }) => failed },
    { title: 'per second', align: 'right', cell: ({ figures: { ratePerSecond } }) => Math.round(ratePerSecond) },
    { title: 'p50', align: 'right', cell: ({ figures: { p50Ms } }) => formatMsText(p50Ms) },
    { title: 'p95', align: 'right', cell: ({ figures: { p95Ms } }) => formatMsText(p95Ms) },
    { title: 'p99', align: 'right', cell: ({ figures: { p99Ms } }) => formatMsText(p99Ms) },
    { title: 'in time', align: 'right', cell: ({ figures: { withinObjectivePercent } }) => `${withinObjectivePercent.toFixed(2)} %` },
    { title: 'mean batch', align: 'right', cell: ({ figures: { meanBatch } }) => meanBatch.toFixed(1) },
    { title: 'USD per million', align: 'right', cell: ({ figures: { costUsdPerMillion } }) => costUsdPerMillion.toFixed(4) },
  ]);
  return [
    '',
    `${report.model} at ${report.url}, objective ${formatObjective(objective)}: ${isMet ? 'met' : 'missed'} (${load.withinObjectivePercent.toFixed(2)} % in time)`,
    `accuracy ${accuracy.value.toFixed(3)} (${accuracy.right} of ${accuracy.rows} held-out rows); first prediction ${formatMsText(report.firstPredictionAfterMs)} after the start`,
    '',
    figures,
    ...(isMet
      ? []
      : ['The objective was missed, most likely because other processes used the CPU. Wait until the machine is idle and run this again.']),
    'Latency is measured from the scheduled send time. The load generator shares this machine with the server.',
    '',
  ].join('\n');
}

/** Shows how to call the deployed endpoint. */
export function callText({ url, endpoint }: Pick<QuickstartReport, 'url' | 'endpoint'>, row: readonly number[]): string {
  const body = JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, row.length], data: row }] });
  return [
    'Call it with curl:',
    '',
    `  curl ${url}/v2/models/${endpoint}/infer -d '${body}'`,
    '',
    'or from Python:',
    '',
    '  import json, urllib.request',
    `  body = json.dumps({"inputs": [{"name": "pixels", "datatype": "FP32", "shape": [1, ${row.length}], "data": [0] * ${row.length}}]})`,
    `  print(urllib.request.urlopen("${url}/v2/models/${endpoint}/infer", body.encode()).read().decode())`,
    '',
    `Explore: penstock describe ${endpoint} · penstock top · ${url}/api/docs`,
    '',
  ].join('\n');
}
