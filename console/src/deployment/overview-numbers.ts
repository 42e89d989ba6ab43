/** The key figures of the overview. */
import type { OverviewBody } from '../../../src/api/index.ts';
import { count, fixed, parseObjectiveText, percentInTime, rate, usd } from '../kit/format/format.ts';
import { usdFine } from '../kit/format/money.ts';
import { clockTime } from '../kit/format/time.ts';
import type { StripNumber } from '../kit/number-strip.tsx';
import { hasRecentShare, isMissingObjective } from './endpoint-state.ts';

export function overviewNumbers({ totals, endpoints }: OverviewBody, span: string): StripNumber[] {
  const { promised_requests: promised, in_time_requests: inTime } = totals;
  return [
    {
      label: 'Requests',
      value: rate(totals.rate),
      unit: '/s',
      note: formatPeak(totals),
    },
    objectivesMet(endpoints),
    {
      label: `In time, ${span}`,
      value: promised === 0 ? '–' : percentInTime(inTime / promised),
      ...(promised === 0 ? {} : { unit: '%' }),
      note: promised === 0 ? 'no requests with an objective' : `${count(inTime)} of ${count(promised)} requests`,
    },
    {
      label: 'Cost now',
      value: usd(totals.usd_per_hour),
      unit: '/h',
      note:
        totals.usd_per_million === null
          ? 'too few requests for a price per million'
          : `${usd(totals.usd_per_million)} per million requests`,
    },
    saved(totals, span),
  ];
}

/** The peak of whole minutes, as on the deploy page. The current rate may exceed it. */
function formatPeak({ rate: now, peak_rate: peak, peak_at: at }: OverviewBody['totals']): string {
  if (peak === null || at === null) return now > 0 ? 'the first minute' : 'none yet';
  return now > peak ? 'highest so far' : `peak ${rate(peak)} /s, at ${clockTime(Date.parse(at))}`;
}

/** Judged by the in-time share of the last hour, see `isMissingObjective`: an endpoint that is idle this second counts as well. */
function objectivesMet(endpoints: OverviewBody['endpoints']): StripNumber {
  const judged = endpoints.filter(hasRecentShare);
  if (judged.length === 0) return { label: 'Objectives met, 1 h', value: '–', note: 'no requests with an objective' };
  const missed = judged
    .filter(isMissingObjective)
    .map(({ name, in_time_last_hour: inTime, objective }) => ({
      name,
      inTime: inTime ?? 0,
      percentile: parseObjectiveText(objective)?.percentile ?? 0,
    }))
    .toSorted((a, b) => b.percentile - 100 * b.inTime - (a.percentile - 100 * a.inTime));
  const [worst] = missed;
  return {
    label: 'Objectives met, 1 h',
    value: String(judged.length - missed.length),
    unit: `of ${judged.length} with requests`,
    ...(worst === undefined
      ? { note: 'all met' }
      : {
          note: `${worst.name}: ${percentInTime(worst.inTime)} % in time, objective ${worst.percentile} %`,
          tone: 'bad' as const,
        }),
  };
}

/** Savings against running instances for the peak all the time. */
function saved({ always_on_usd: alwaysOn, spent_usd: spent }: OverviewBody['totals'], span: string): StripNumber {
  const label = 'Saved vs. always-on';
  if (alwaysOn === null || alwaysOn <= 0) return { label, value: '–', note: 'unknown yet' };
  // In the first minute, or with almost no traffic, always-on may be cheaper. A percentage would mislead.
  if (spent > alwaysOn * 0.99)
    return {
      label,
      value: 'none',
      note: spent < alwaysOn * 1.01 ? 'same cost' : `${usdFine(spent - alwaysOn)} more in ${span}`,
    };
  return { label, value: fixed((1 - spent / alwaysOn) * 100), unit: '%', note: `${usdFine(alwaysOn - spent)} in ${span}` };
}
