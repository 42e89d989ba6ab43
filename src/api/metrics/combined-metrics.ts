/** Metrics of all variants of an endpoint, merged by period. */
import { CombinedMeasure, type Measured, type MetricStore, variantMetricKey } from '../../metrics/index.ts';

/** A time range of whole periods. */
export interface PeriodRange {
  /** Epoch milliseconds; both multiples of the period. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly periodMs: number;
}

/** Keyed by the start of the period. Periods without data are absent. */
export type MeasuredByPeriod = ReadonlyMap<number, Measured>;

export type MetricReader = Pick<MetricStore, 'columns' | 'namesOf'>;

/** Metrics by name. A name that ends in `*` merges all metrics with that prefix. */
export async function readCombined<Name extends string>(
  store: MetricReader,
  { namespace, endpoint, variants }: { readonly namespace: string; readonly endpoint: string; readonly variants: readonly string[] },
  span: PeriodRange,
  names: readonly Name[],
): Promise<Record<Name, MeasuredByPeriod>> {
  const sums = new Map<Name, Map<number, CombinedMeasure>>(names.map((name) => [name, new Map()]));
  for (const variant of variants) {
    const metricKey = variantMetricKey(namespace, endpoint, variant);
    const own = names.flatMap((name) =>
      (name.endsWith('*') ? store.namesOf(metricKey, name.slice(0, -1)) : [name]).map((metric) => ({ name, metric })),
    );
    const read = await store.columns(
      { metricKey, ...span },
      own.map(({ metric }) => metric),
    );
    for (const { name, metric } of own) for (const point of read[metric] ?? []) add(sums.get(name), point.atMs, point);
  }
  return Object.fromEntries(sums) as unknown as Record<Name, MeasuredByPeriod>;
}

function add(into: Map<number, CombinedMeasure> | undefined, atMs: number, measured: Measured): void {
  let sum = into?.get(atMs);
  if (sum === undefined) into?.set(atMs, (sum = new CombinedMeasure()));
  sum?.add(measured);
}
