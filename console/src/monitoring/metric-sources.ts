/** Groups metrics by source, and converts series to columns with gaps. */
import type { MetricBody, SeriesBody } from '../../../src/api/index.ts';

export interface MetricSource {
  readonly key: string;
  readonly namespace: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly label: string;
  readonly metrics: readonly MetricBody[];
}

export function metricSourcesOf(metrics: readonly MetricBody[]): readonly MetricSource[] {
  const sources = new Map<string, MetricBody[]>();
  for (const metric of metrics) {
    const key = JSON.stringify([metric.namespace, ...Object.entries(metric.dimensions).sort(([a], [b]) => (a < b ? -1 : 1))]);
    const known = sources.get(key);
    if (known === undefined) sources.set(key, [metric]);
    else known.push(metric);
  }
  return [...sources]
    .map(([key, own]): MetricSource => {
      const { namespace = '', dimensions = {} } = own[0] ?? {};
      const sorted = own.toSorted((a, b) => a.name.localeCompare(b.name));
      return {
        key,
        namespace,
        dimensions,
        label: labelOf(dimensions) || (namespace === platformNamespace ? 'platform' : namespace),
        metrics: sorted,
      };
    })
    .sort((a, b) => a.namespace.localeCompare(b.namespace) || a.label.localeCompare(b.label));
}

/** Namespace of Penstock's own metrics. Without dimensions they describe the whole platform. */
const platformNamespace = 'Penstock';

/** Empty if there are no dimensions. */
function labelOf(dimensions: Readonly<Record<string, string>>): string {
  const { EndpointName: endpoint, VariantName: variant, ...others } = dimensions;
  const rest = Object.entries(others).map(([name, value]) => `${name} ${value}`);
  const own = endpoint === undefined ? [] : [variant === undefined || variant === 'AllTraffic' ? endpoint : `${endpoint}, ${variant}`];
  return [...own, ...rest].join(', ');
}

/** All periods of the range in epoch seconds, and a column per statistic with null for gaps. */
export function columnsOf({ from, to, period_s: periodS, points, statistics }: SeriesBody): { at: number[]; columns: (number | null)[][] } {
  const begin = Math.floor(Date.parse(from) / 1000 / periodS) * periodS;
  const length = Math.max(1, Math.ceil((Date.parse(to) / 1000 - begin) / periodS));
  const at = Array.from({ length }, (_, i) => begin + i * periodS);
  const columns = statistics.map(() => new Array<number | null>(length).fill(null));
  for (const point of points) {
    const index = Math.round((Date.parse(point.at) / 1000 - begin) / periodS);
    if (index < 0 || index >= length) continue;
    for (const [i, value] of point.values.entries()) (columns[i] as (number | null)[])[index] = value;
  }
  return { at, columns };
}
