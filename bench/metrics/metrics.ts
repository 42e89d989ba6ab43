/** `npm run bench -- metrics`: a day of metrics of 1,000 endpoints: size on disk, query latency, accuracy. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MetricPoint, penstockNamespace, statisticOf, variantMetricKey } from '../../src/metrics/index.ts';
import { openDatabase } from '../../src/storage/index.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { type Day, simulateDay, watchedEndpoint } from './day.ts';

const busy = { endpoints: 1000, busy: 50, meanRatePerSecond: 10 };
const dayMs = 86_400_000;
const rounds = 9;

interface Query {
  readonly statistic: string;
  readonly periodS: number;
  readonly points: number;
  readonly firstMs: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

export async function metrics({ isDry, hours }: { isDry: boolean; hours: number }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-metrics-'));
  try {
    const startedMs = performance.now();
    const written = await openDatabase({ file: join(folder, 'metrics.db'), synchronous: 'NORMAL' }, ['metrics']);
    const day = await simulateDay(written.db, { ...busy, hours });
    const simulatedInS = (performance.now() - startedMs) / 1000;
    const queries: Query[] = [];
    for (const periodS of [10, 60, 300]) {
      for (const statistic of ['p99', 'Average']) queries.push(await timed(day, statistic, periodS));
    }
    const worstError = await worstErrorOf(day);
    await day.store.close();
    await written.close();
    const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    const results = {
      at: new Date().toISOString(),
      commit: commit(),
      machine: machine(),
      ...busy,
      hours,
      requests: day.requests,
      simulatedInS,
      bytes,
      queries,
      worstError,
    };
    const text = report(results);
    console.log(text);
    if (!isDry) writeResults('metrics', results, text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Time from the query to the values of a chart. */
async function timed({ store, endMs }: Day, statistic: string, periodS: number): Promise<Query> {
  const tookMs: number[] = [];
  let points = 0;
  for (let round = 0; round < rounds; round++) {
    // A different endpoint each time, so that the database cache does not help.
    const metricKey = variantMetricKey(penstockNamespace, `endpoint-${round * 5}`, 'AllTraffic');
    const queriedMs = performance.now();
    const series = await store.series({ metricKey, name: 'Latency', fromMs: endMs - dayMs, toMs: endMs, periodMs: periodS * 1000 });
    points = series.map((point) => statisticOf(point, statistic)).length;
    tookMs.push(performance.now() - queriedMs);
  }
  const [firstMs = 0] = tookMs;
  const sorted = tookMs.toSorted((a, b) => a - b);
  return { statistic, periodS, points, firstMs, medianMs: sorted[rounds >> 1] ?? 0, worstMs: sorted.at(-1) ?? 0 };
}

/** The largest relative error of p50, p95 and p99 of ten seconds, over the day. */
async function worstErrorOf({ store, endMs, watched }: Day): Promise<number> {
  const metricKey = variantMetricKey(penstockNamespace, watchedEndpoint, 'AllTraffic');
  const series = await store.series({ metricKey, name: 'Latency', fromMs: endMs - dayMs, toMs: endMs, periodMs: 10_000 });
  let worst = 0;
  for (const point of series) worst = Math.max(worst, errorOf(point, watched.get(point.atMs) ?? []));
  return worst;
}

function errorOf(point: MetricPoint, values: readonly number[]): number {
  if (point.count !== values.length) throw new Error(`expected ${values.length} stored values, got ${point.count}`);
  const sorted = values.toSorted((a, b) => a - b);
  const errors = [50, 95, 99].map((percentile) => {
    const exact = sorted[Math.max(0, Math.ceil((percentile / 100) * sorted.length - 1e-9) - 1)] ?? 0;
    return Math.abs((statisticOf(point, `p${percentile}`) ?? 0) / exact - 1);
  });
  return Math.max(...errors);
}

interface Results {
  readonly at: string;
  readonly commit: string;
  readonly machine: ReturnType<typeof machine>;
  readonly endpoints: number;
  readonly busy: number;
  readonly hours: number;
  readonly requests: number;
  readonly simulatedInS: number;
  readonly bytes: number;
  readonly queries: readonly Query[];
  readonly worstError: number;
}

function report(results: Results): string {
  const { at, machine: on, endpoints, hours, requests, simulatedInS, bytes, queries, worstError } = results;
  const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  return [
    `${at.slice(0, 10)}, commit ${results.commit}, ${on.cores} cores (${on.cpu}, Node ${on.node}): ${hours} hours of ${endpoints} endpoints, ` +
      `${results.busy} of them with traffic, ${requests.toLocaleString('en')} requests, simulated in ${simulatedInS.toFixed(0)} s.`,
    '',
    '| | measured | target |',
    '|---|---|---|',
    `| database | ${(bytes / 1e6).toFixed(0)} MB | < 1000 MB |`,
    ...queries.map(
      ({ statistic, periodS, points, firstMs, medianMs, worstMs }) =>
        `| a day's ${statistic} by ${periodS} s, ${points} points | first ${ms(firstMs)} ms, median ${ms(medianMs)} ms, at most ${ms(worstMs)} ms | < 100 ms |`,
    ),
    `| largest error of p50, p95, p99 of ten seconds | ${(100 * worstError).toFixed(2)} % | <= 1 % |`,
  ].join('\n');
}
