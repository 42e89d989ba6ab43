/** What an endpoint did before an update, by what is kept of its metrics: the last hour, or the last day where that had few requests. */
import { type CountedBefore, nothingCounted, requestsOf, sumOfCounts, type VersionCounts } from '../deployment/index.ts';
import type { ErrorCode } from '../errors.ts';
import { type MetricStore, penstockNamespace, placeOfVariant, sagemakerNamespace } from '../monitoring/index.ts';
import { isRefusal } from '../serving/index.ts';

const minuteMs = 60_000;
const windowsMs = [3_600_000, 86_400_000];
/** Fewer say nothing of what is usual. */
const requestsMin = 300;

export function countedBefore(store: Pick<MetricStore, 'columns' | 'series' | 'namesOf'>): CountedBefore {
  return async ({ name, variants }, { createdAtMs, untilMs }) => {
    // The minute in which it was made may be another's in part.
    const ownMs = Math.ceil(createdAtMs / minuteMs) * minuteMs;
    let counts = nothingCounted;
    for (const windowMs of windowsMs) {
      const fromMs = Math.max(ownMs, Math.floor((untilMs - windowMs) / minuteMs) * minuteMs);
      if (fromMs >= untilMs) break;
      const span = { fromMs, toMs: untilMs, periodMs: minuteMs };
      const each = await Promise.all(variants.map((variant) => countsOf(store, name, variant.name, span)));
      counts = sumOfCounts(each);
      if (requestsOf(counts) >= requestsMin) break;
    }
    return counts;
  };
}

type Span = Omit<Parameters<MetricStore['columns']>[0], 'place'>;

async function countsOf(
  store: Pick<MetricStore, 'columns' | 'series' | 'namesOf'>,
  endpoint: string,
  variant: string,
  span: Span,
): Promise<VersionCounts> {
  const place = placeOfVariant(penstockNamespace, endpoint, variant);
  const errors = store.namesOf(place, 'Errors/');
  const own = await store.columns({ ...span, place }, ['ObjectiveMissed', ...errors]);
  const calls = await store.series({ ...span, place: placeOfVariant(sagemakerNamespace, endpoint, variant), name: 'Invocations' });
  const total = (name: string): number => (own[name] ?? []).reduce((all, { sum: each }) => all + each, 0);
  const codeOf = (name: string): ErrorCode | 'cancelled' => name.slice('Errors/'.length) as ErrorCode | 'cancelled';
  const of = (isIt: (code: ErrorCode) => boolean): number =>
    errors.reduce((all, name) => {
      const code = codeOf(name);
      return code !== 'cancelled' && isIt(code) ? all + total(name) : all;
    }, 0);
  const ended = errors.reduce((all, name) => all + total(name), 0);
  const asked = calls.reduce((all, { count }) => all + count, 0);
  return {
    answered: Math.max(0, asked - ended),
    late: total('ObjectiveMissed'),
    failed: of((code) => !isRefusal(code)),
    refused: of(isRefusal),
    overloaded: of((code) => code === 'overloaded'),
  };
}
