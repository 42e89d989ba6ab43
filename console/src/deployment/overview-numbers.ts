/** The strip of the overview. */
import type { OverviewBody } from '../../../src/api/index.ts';
import { count, fixed, parseObjective, percentInTime, rate, usd } from '../kit/format.ts';
import { usdFine } from '../kit/money.ts';
import type { StripNumber } from '../kit/number-strip.tsx';
import { clockTime } from '../kit/time.ts';
import { isOverObjective } from './endpoint-state.ts';

export function overviewNumbers({ totals, endpoints }: OverviewBody, span: string): StripNumber[] {
  const { promised_requests: promised, in_time_requests: inTime } = totals;
  return [
    {
      label: 'Requests',
      value: rate(totals.rate),
      unit: '/s',
      note: peakWords(totals),
    },
    objectivesKept(endpoints),
    {
      label: `In time, ${span}`,
      value: promised === 0 ? '–' : percentInTime(inTime / promised),
      ...(promised === 0 ? {} : { unit: '%' }),
      note: promised === 0 ? 'no request with an objective' : `${count(inTime)} of ${count(promised)} requests`,
    },
    {
      label: 'Cost now',
      value: usd(totals.usd_per_hour),
      unit: '/h',
      note: totals.usd_per_million === null ? 'no requests to share it' : `${usd(totals.usd_per_million)} per million requests`,
    },
    saved(totals, span),
  ];
}

/** Of whole minutes, as Deploy has it: what comes now may be more. */
function peakWords({ rate: now, peak_rate: peak, peak_at: at }: OverviewBody['totals']): string {
  if (peak === null || at === null) return now > 0 ? 'the first minute' : 'none yet';
  return now > peak ? 'more than any minute before' : `busiest minute ${rate(peak)} /s, at ${clockTime(Date.parse(at))}`;
}

/** By the share in time: see `isOverObjective`. */
function objectivesKept(endpoints: OverviewBody['endpoints']): StripNumber {
  const promising = endpoints.filter(
    ({ objective, rate: now, in_time_last_hour: inTime }) => objective !== null && now > 0 && inTime !== null,
  );
  if (promising.length === 0) return { label: 'Objectives kept', value: '–', note: 'none with traffic' };
  const missed = promising
    .filter(isOverObjective)
    .map(({ name, in_time_last_hour: inTime, objective }) => ({
      name,
      inTime: inTime ?? 0,
      percentile: parseObjective(objective)?.percentile ?? 0,
    }))
    .toSorted((a, b) => b.percentile - 100 * b.inTime - (a.percentile - 100 * a.inTime));
  const [worst] = missed;
  return {
    label: 'Objectives kept',
    value: String(promising.length - missed.length),
    unit: `of ${promising.length} with traffic`,
    ...(worst === undefined
      ? { note: 'all of them' }
      : {
          note: `${worst.name}: ${percentInTime(worst.inTime)} % in time in the last hour, promise ${worst.percentile} %`,
          tone: 'bad' as const,
        }),
  };
}

/** Against instances for the peak that run all the time. Where that would have been cheaper, it says so. */
function saved({ always_on_usd: alwaysOn, spent_usd: spent }: OverviewBody['totals'], span: string): StripNumber {
  const label = 'Saved against always-on';
  if (alwaysOn === null || alwaysOn <= 0) return { label, value: '–', note: 'not known yet' };
  // While the first minute lasts, or with nearly no traffic, always-on would have been cheaper: nothing is saved then, and a share would mislead.
  if (spent > alwaysOn * 0.99)
    return {
      label,
      value: 'nothing',
      note: spent < alwaysOn * 1.01 ? 'it cost as much' : `it cost ${usdFine(spent - alwaysOn)} more in ${span}`,
    };
  return { label, value: fixed((1 - spent / alwaysOn) * 100), unit: '%', note: `${usdFine(alwaysOn - spent)} in ${span}` };
}
