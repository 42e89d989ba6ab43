/** Which time is looked at: the last minutes to days, live; or what a chart was dragged to. It stands in the address. */
import { Button, SegmentedControl } from '@mantine/core';
import { type ReactElement, useMemo } from 'react';
import type { HistoryWish } from '../api/queries.ts';
import { usePageKeys } from './page-keys.ts';
import { useSearchValues } from './search-state.ts';
import { clockTime, useUtc } from './time.ts';

/** At most 720 points each. */
export const ranges = [
  { name: '15m', title: '15 min', spanS: 900, periodS: 2 },
  { name: '1h', title: '1 h', spanS: 3600, periodS: 10 },
  { name: '6h', title: '6 h', spanS: 21_600, periodS: 30 },
  { name: '24h', title: '24 h', spanS: 86_400, periodS: 120 },
  { name: '7d', title: '7 d', spanS: 604_800, periodS: 900 },
] as const;

export type RangeName = (typeof ranges)[number]['name'];

export interface ChosenRange extends HistoryWish {
  readonly name: RangeName;
  readonly title: string;
  readonly isZoomed: boolean;
  readonly set: (name: string) => void;
  readonly zoom: (fromMs: number, toMs: number) => void;
  readonly reset: () => void;
}

const pointsMax = 720;
const periods = [1, 2, 5, 10, 30, 60, 120, 300, 900];

/** By seconds that are kept: no finer than the platform remembers. */
export function periodFor(fromMs: number, toMs: number, nowMs: number): number {
  const finest = nowMs - fromMs > 86_400_000 ? 60 : nowMs - fromMs > 3_600_000 ? 10 : 1;
  const wanted = (toMs - fromMs) / 1000 / pointsMax;
  return periods.find((period) => period >= finest && period >= wanted) ?? 900;
}

export function useTimeRange(usual: RangeName = '1h'): ChosenRange {
  const [values, change] = useSearchValues();
  const { range: asked, from, to } = values;
  return useMemo(() => {
    const chosen = ranges.find(({ name }) => name === asked) ?? ranges.find(({ name }) => name === usual) ?? ranges[1];
    const [fromMs, toMs] = [Number(from), Number(to)];
    const isZoomed = Number.isFinite(fromMs) && Number.isFinite(toMs) && fromMs > 0 && toMs > fromMs;
    const controls = {
      set: (name: string) => change({ range: name === usual ? undefined : name, from: undefined, to: undefined }),
      zoom: (start: number, end: number) => change({ from: String(Math.round(start)), to: String(Math.round(end)) }),
      reset: () => change({ from: undefined, to: undefined }),
    };
    if (!isZoomed) return { ...chosen, fromMs: null, toMs: null, isZoomed, ...controls };
    return { ...chosen, fromMs, toMs, spanS: (toMs - fromMs) / 1000, periodS: periodFor(fromMs, toMs, Date.now()), isZoomed, ...controls };
  }, [asked, from, to, usual, change]);
}

export interface TimeRangeProps {
  readonly range: ChosenRange;
  /** All unless given. */
  readonly names?: readonly RangeName[];
}

export function TimeRange({ range, names = ranges.map(({ name }) => name) }: TimeRangeProps): ReactElement {
  const [utc, setUtc] = useUtc();
  const { name, isZoomed, fromMs, toMs, set, reset } = range;
  const keys = useMemo(() => {
    const go = (step: number) => () => {
      const next = names[names.indexOf(name) + step];
      if (next !== undefined) set(next);
    };
    return { '[': go(-1), ']': go(1), ...(isZoomed ? { Escape: reset } : {}) };
  }, [names, name, set, isZoomed, reset]);
  usePageKeys(keys);
  return (
    <>
      {isZoomed ? (
        <Button size="sm" onClick={reset} title="Escape">
          {clockTime(fromMs ?? 0)}–{clockTime(toMs ?? 0)}, back to {range.title}
        </Button>
      ) : null}
      <SegmentedControl
        aria-label="Time range"
        value={isZoomed ? '' : name}
        onChange={set}
        data={ranges.filter((each) => names.includes(each.name)).map((each) => ({ value: each.name, label: each.title }))}
      />
      <button type="button" className="quiet" onClick={() => setUtc(!utc)} title="Switch between UTC and local time">
        {utc ? 'UTC' : 'local'}
      </button>
    </>
  );
}
