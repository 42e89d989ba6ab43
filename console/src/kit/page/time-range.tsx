/** The time range of a page, stored in its URL: the last minutes to days, live, or a range selected by dragging in a chart. */
import { Button, SegmentedControl } from '@mantine/core';
import { type ReactElement, useMemo } from 'react';
import type { HistoryQuery } from '../../api/queries.ts';
import { clockTime, useUtc } from '../format/time.ts';
import { usePageKeys } from './page-keys.ts';
import { periodFor, type RangeName, ranges } from './ranges.ts';
import { useSearchValues } from './search-state.ts';

export interface ChosenRange extends HistoryQuery {
  readonly name: RangeName;
  readonly title: string;
  readonly isZoomed: boolean;
  /** The live range, which stays subscribed while a chart is zoomed in. */
  readonly live: { readonly periodS: number; readonly spanS: number };
  readonly set: (name: string) => void;
  readonly zoom: (fromMs: number, toMs: number) => void;
  readonly reset: () => void;
}

/** A zoomed range has fixed ends (`fromMs`, `toMs`) and a period that fits its length and age. */
export function useTimeRange(defaultName: RangeName = '1h'): ChosenRange {
  const [values, change] = useSearchValues();
  const { range: requested, from, to } = values;
  return useMemo(() => {
    const chosen = ranges.find(({ name }) => name === requested) ?? ranges.find(({ name }) => name === defaultName) ?? ranges[1];
    const [fromMs, toMs] = [Number(from), Number(to)];
    const isZoomed = Number.isFinite(fromMs) && Number.isFinite(toMs) && fromMs > 0 && toMs > fromMs;
    const controls = {
      live: { periodS: chosen.periodS, spanS: chosen.spanS },
      set: (name: string) => change({ range: name === defaultName ? undefined : name, from: undefined, to: undefined }),
      zoom: (start: number, end: number) => change({ from: String(Math.round(start)), to: String(Math.round(end)) }),
      reset: () => change({ from: undefined, to: undefined }),
    };
    if (!isZoomed) return { ...chosen, fromMs: null, toMs: null, isZoomed, ...controls };
    return {
      ...chosen,
      fromMs,
      toMs,
      spanS: Math.round((toMs - fromMs) / 1000),
      periodS: periodFor(fromMs, toMs, Date.now()),
      isZoomed,
      ...controls,
    };
  }, [requested, from, to, defaultName, change]);
}

export interface TimeRangeProps {
  readonly range: ChosenRange;
  /** Default: all ranges. */
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
