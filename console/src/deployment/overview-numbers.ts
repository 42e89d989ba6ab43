/** The strip of the overview. */
import type { OverviewBody } from '../../../src/api/index.ts';
import { count, fixed, ms, parseObjective, percent, rate, usd } from '../kit/format.ts';
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
      note:
        totals.peak_rate === null || totals.peak_at === null
          ? 'none yet'
          : `peak ${rate(totals.peak_rate)} at ${clockTime(Date.parse(totals.peak_at))}`,
    },
    objectivesKept(endpoints),
    {
      label: `In time, last ${span}`,
      value: promised === 0 ? '–' : percent(inTime / promised),
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

function objectivesKept(endpoints: OverviewBody['endpoints']): StripNumber {
  const promising = endpoints.filter(({ objective, rate: now, latency_ms: latency }) => objective !== null && now > 0 && latency !== null);
  const [worst] = promising
    .filter(isOverObjective)
    .map(({ name, latency_ms: latency, objective }) => ({ name, overMs: (latency ?? 0) - (parseObjective(objective)?.latencyMs ?? 0) }))
    .toSorted((a, b) => b.overMs - a.overMs);
  const kept = promising.length - promising.filter(isOverObjective).length;
  if (promising.length === 0) return { label: 'Objectives kept', value: '–', note: 'none with traffic' };
  return {
    label: 'Objectives kept',
    value: String(kept),
    unit: `of ${promising.length} with traffic`,
    ...(worst === undefined ? { note: 'all of them' } : { note: `${worst.name} is ${ms(worst.overMs)} ms over`, tone: 'bad' as const }),
  };
}

/** Against instances for the peak that run all the time. Where that would have been cheaper, it says so. */
function saved({ always_on_usd: alwaysOn, spent_usd: spent }: OverviewBody['totals'], span: string): StripNumber {
  const label = 'Saved against always-on for peak';
  if (alwaysOn === null || alwaysOn <= 0) return { label, value: '–', note: 'not known yet' };
  const share = 1 - spent / alwaysOn;
  return { label, value: fixed(share * 100), unit: '%', note: `${usd(alwaysOn - spent)} in the last ${span}` };
}
