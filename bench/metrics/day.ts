/**
 * Fills the server's metric store with a day of data on a virtual clock; only a few endpoints have traffic. Values are added in steps of ten
 * seconds, except for the last hour, which is stored by the second. Rows of ten seconds or a minute are the same either way.
 */
import { VirtualClock } from '../../src/clock.ts';
import { MetricStore, penstockNamespace, type SampledValue, variantMetricKey } from '../../src/metrics/index.ts';
import { AnswerColumns } from '../../src/metrics/series/answer-columns.ts';
import { VariantSeries } from '../../src/metrics/series/variant-series.ts';
import { type Random, SeededRandom } from '../../src/random.ts';
import type { Database } from '../../src/storage/index.ts';

export interface Day {
  readonly store: MetricStore;
  /** End of the day in epoch milliseconds. */
  readonly endMs: number;
  readonly requests: number;
  /** Exact latencies of one endpoint by the start of their ten seconds, for comparison with the stored values. */
  readonly watched: ReadonlyMap<number, readonly number[]>;
}

export interface DayOptions {
  readonly endpoints: number;
  readonly busy: number;
  /** Average rate of each busy endpoint. */
  readonly meanRatePerSecond: number;
  readonly hours: number;
}

export const watchedEndpoint = 'endpoint-0';
const hourS = 3600;
const variant = 'AllTraffic';

export async function simulateDay(db: Database, { endpoints, busy, meanRatePerSecond, hours }: DayOptions): Promise<Day> {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1));
  const store = new MetricStore({
    db,
    clock,
    onFailure: (error) => {
      throw error;
    },
  });
  await store.open();
  const all = Array.from({ length: endpoints }, (_, index) => new VariantSeries(store, `endpoint-${index}`, variant));
  const random = new SeededRandom(7);
  const latencies = Float64Array.from({ length: 4096 }, () => 2 * Math.exp(0.5 * normal(random)));
  const answers = new AnswerColumns();
  const watched = new Map<number, number[]>();
  let [requests, next] = [0, 0];
  const endS = hours * hourS;
  for (let second = 0; second < endS; ) {
    const step = second < endS - hourS ? 10 : 1;
    const tenMs = clock.wallMs() - (clock.wallMs() % 10_000);
    const share = 1 + 0.6 * Math.sin((2 * Math.PI * second) / (24 * hourS));
    for (let index = 0; index < busy; index++) {
      const series = all[index] as VariantSeries;
      const arrived = poisson(random, meanRatePerSecond * share * step);
      requests += arrived;
      for (let i = 0; i < arrived; i++) {
        // Latency varies with the time of day, too.
        const computeMs = (latencies[next++ & 4095] as number) * (0.7 + share / 2);
        const queueMs = (latencies[(next * 7) & 4095] as number) * share;
        const totalMs = computeMs + queueMs + 0.2;
        const answer = { totalMs, queueMs, computeMs, encodeMs: 0.05 + 0.01 * queueMs, rows: 1, costUsd: computeMs * 1e-8 };
        if (answers.add(answer, totalMs > 10)) count(answers, series);
        if (i % 4 === 0) series.dispatched(i % 16 === 0 ? 'full' : 'idle', 1 + (i % 8));
        if (index === 0) listAt(watched, tenMs).push(totalMs);
      }
      count(answers, series);
      if ((second + step) % 10 === 0)
        for (const { metricKey, metric, value } of sampledValues(index, arrived)) store.feed(metricKey, metric).add(value);
    }
    second += step;
    clock.advance(step * 1000);
    if (second % 10 === 0) await store.flush();
  }
  return { store, endMs: clock.wallMs(), requests, watched };
}

function count(answers: AnswerColumns, series: VariantSeries): void {
  series.answered(answers, 'instance');
  answers.clear();
}

/** Metrics sampled every ten seconds for endpoints with instances. */
function sampledValues(index: number, count: number): SampledValue[] {
  const metricKey = variantMetricKey(penstockNamespace, `endpoint-${index}`, variant);
  const worker = { namespace: penstockNamespace, dimensions: { ...metricKey.dimensions, Worker: '0' } };
  return [
    { metricKey, metric: { name: 'Instances', unit: 'Count' }, value: 1 },
    { metricKey, metric: { name: 'QueueRows', unit: 'Count' }, value: count % 5 },
    { metricKey, metric: { name: 'Spent', unit: 'None' }, value: 0.000_12 },
    { metricKey: worker, metric: { name: 'WorkerMemory', unit: 'Bytes' }, value: 1e8 + 4096 * (count % 100) },
    { metricKey: worker, metric: { name: 'WorkerProcessor', unit: 'Percent' }, value: 1 + (count % 60) },
  ];
}

function listAt(map: Map<number, number[]>, key: number): number[] {
  let list = map.get(key);
  if (list === undefined) map.set(key, (list = []));
  return list;
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Uses the normal approximation, which is good enough for large means. */
function poisson(random: Random, mean: number): number {
  return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
}
