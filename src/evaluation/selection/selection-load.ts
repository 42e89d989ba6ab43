/** The load of a selection by its metrics, and whether it is still the one that plans were priced by. */
import { type MetricStore, penstockNamespace, variantMetricKey } from '../../metrics/index.ts';

const minuteMs = 60_000;
/** Plans are priced by the mean of these minutes. */
const pricedMinutes = 10;
/** The load changed if each of the last minutes says so: one burst does not replace workers. */
const changedMinutes = 3;
const changedFactor = 1.5;
/** Of this many standard deviations of a Poisson count: few requests vary by more than the factor without a change. */
const deviations = 4;

/** Rows of each of the last ten full minutes, oldest first. */
export async function rowsByMinute(
  store: Pick<MetricStore, 'columns'>,
  endpoint: string,
  variant: string,
  wallMs: number,
): Promise<readonly number[]> {
  const toMs = Math.floor(wallMs / minuteMs) * minuteMs;
  const fromMs = toMs - pricedMinutes * minuteMs;
  const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
  const { Rows: points } = await store.columns({ metricKey, fromMs, toMs, periodMs: minuteMs }, ['Rows']);
  const byMinute = new Map(points.map(({ atMs, sum }) => [atMs, sum]));
  return Array.from({ length: pricedMinutes }, (_, i) => byMinute.get(fromMs + i * minuteMs) ?? 0);
}

/** Rows per second; null without rows. */
export function meanRate(rows: readonly number[]): number | null {
  const total = rows.reduce((sum, each) => sum + each, 0);
  return total === 0 ? null : (total * 1000) / (rows.length * minuteMs);
}

/** The rate of the last three minutes, if in each of them it was above 1.5 times the priced one, or below it by that factor; otherwise null. */
export function changedRate(pricedPerSecond: number, rows: readonly number[]): number | null {
  const last = rows.slice(-changedMinutes);
  const expected = (pricedPerSecond * minuteMs) / 1000;
  const isAbove = last.every((each) => each > changedFactor * expected);
  const isBelow = last.every((each) => each < expected / changedFactor);
  const total = last.reduce((sum, each) => sum + each, 0);
  const difference = Math.abs(total - last.length * expected);
  if (!(isAbove || isBelow) || difference < deviations * Math.sqrt(Math.max(total, last.length * expected))) return null;
  return meanRate(last);
}
