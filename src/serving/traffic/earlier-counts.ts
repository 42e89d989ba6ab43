/** Results of an endpoint before an update, from its stored metrics: the last hour, or the last day if that had few requests. */
import { type CountedBefore, productionVariants, requestsOf, sumOfCounts, type VersionCounts, zeroCounts } from '../../deployment/index.ts';
import type { ErrorCode } from '../../errors.ts';
import { type MetricStore, penstockNamespace, sagemakerNamespace, variantMetricKey } from '../../metrics/index.ts';
import { isRejection } from './traffic-meter.ts';

const minuteMs = 60_000;
const windowsMs = [3_600_000, 86_400_000];
/** With fewer requests the window is extended. */
const requestsMin = 300;

/** Returns a function that reads the counts of an endpoint up to `untilMs`, over all its variants. */
export function readEarlierCounts(store: Pick<MetricStore, 'columns' | 'series' | 'namesOf'>): CountedBefore {
  return async ({ name, variants }, { createdAtMs, untilMs }) => {
    // The minute of creation can include requests to a previous endpoint of the same name.
    const ownMs = Math.ceil(createdAtMs / minuteMs) * minuteMs;
    let counts = zeroCounts;
    for (const windowMs of windowsMs) {
      const fromMs = Math.max(ownMs, Math.floor((untilMs - windowMs) / minuteMs) * minuteMs);
      if (fromMs >= untilMs) break;
      const span = { fromMs, toMs: untilMs, periodMs: minuteMs };
      const each = await Promise.all(productionVariants(variants).map((variant) => countsOf(store, name, variant.name, span)));
      counts = sumOfCounts(each);
      if (requestsOf(counts) >= requestsMin) break;
    }
    return counts;
  };
}

type Span = Omit<Parameters<MetricStore['columns']>[0], 'metricKey'>;

/** Counts of one variant. `answered` is derived: all invocations minus those that ended with an error. */
async function countsOf(
  store: Pick<MetricStore, 'columns' | 'series' | 'namesOf'>,
  endpoint: string,
  variant: string,
  span: Span,
): Promise<VersionCounts> {
  const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
  const errors = store.namesOf(metricKey, 'Errors/');
  const own = await store.columns({ ...span, metricKey }, ['ObjectiveMissed', ...errors]);
  const calls = await store.series({ ...span, metricKey: variantMetricKey(sagemakerNamespace, endpoint, variant), name: 'Invocations' });
  const total = (name: string): number => (own[name] ?? []).reduce((all, { sum: each }) => all + each, 0);
  const codeOf = (name: string): ErrorCode | 'cancelled' => name.slice('Errors/'.length) as ErrorCode | 'cancelled';
  const of = (isIt: (code: ErrorCode) => boolean): number =>
    errors.reduce((all, name) => {
      const code = codeOf(name);
      return code !== 'cancelled' && isIt(code) ? all + total(name) : all;
    }, 0);
  const ended = errors.reduce((all, name) => all + total(name), 0);
  const requested = calls.reduce((all, { count }) => all + count, 0);
  return {
    answered: Math.max(0, requested - ended),
    late: total('ObjectiveMissed'),
    failed: of((code) => !isRejection(code)),
    refused: of(isRejection),
    overloaded: of((code) => code === 'overloaded'),
  };
}
