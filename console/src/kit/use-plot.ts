/** The plot beside React: made anew for other lines or colours, and else only given data. */
import { useComputedColorScheme } from '@mantine/core';
import { type RefObject, useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import { maxOf, stacked, steadyTop, topFor } from './chart-data.ts';
import { flagText, type PlotMark, type PlotState, plotOptions } from './chart-plot.ts';
import { useUtc } from './time.ts';
import type { PlotProps } from './time-chart.tsx';

/** A mark, and how far from the left edge it stands. */
export interface Placed {
  readonly mark: PlotMark;
  readonly left: number;
}

interface PlotPlace {
  readonly box: RefObject<HTMLDivElement | null>;
  /** 0 until it is known. */
  readonly width: number;
  readonly flag: RefObject<HTMLDivElement | null>;
  readonly onPlaced: (placed: readonly Placed[]) => void;
}

export function usePlot(props: PlotProps, place: PlotPlace): void {
  const { lines, isStacked = false, band, height = 180, syncKey = 'page', at, objective, marks, now = null, range, topMax } = props;
  const scheme = useComputedColorScheme('light');
  const [utc] = useUtc();
  const plot = useRef<uPlot | null>(null);
  const state = useRef<PlotState>({ top: 0, span: 0, objective: null, marks: [], now: null });
  const latest = useRef({ props, place });
  latest.current = { props, place };
  const kind = lines.map(({ label, color, width = '', isDashed = '' }) => [label, color, width, isDashed].join()).join(';');
  const hasBand = band !== undefined;
  const isSized = place.width > 0;
  const data = useMemo((): (number | null)[][] => {
    const columns = isStacked ? stacked(lines.map(({ values }) => values)) : lines.map(({ values }) => [...values]);
    return [...columns, ...(band === undefined ? [] : [[...band.high], [...band.low]])];
  }, [lines, isStacked, band]);

  // What it is filled with has the effect below.
  useEffect(() => {
    if (!isSized) return undefined;
    plot.current = makePlot(latest, state.current, (placed) => latest.current.place.onPlaced(placed));
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [kind, isStacked, hasBand, height, syncKey, scheme, utc, isSized]);

  const [from, to] = [range?.[0] ?? at[0] ?? 0, range?.[1] ?? at.at(-1) ?? 1];
  const promised = objective?.value ?? null;
  // A plot that was made anew is to be filled again.
  useEffect(() => {
    const { current: made } = plot;
    if (made === null) return;
    const top = Math.min(topFor(maxOf(data), promised ?? 0), topMax ?? Number.POSITIVE_INFINITY);
    const span = Math.round((to - from) / 60);
    const before = span === state.current.span ? state.current.top : null;
    Object.assign(state.current, { top: steadyTop(before, top), span, objective: promised, marks: marks ?? [], now });
    made.batch(() => {
      made.setData([[...at], ...data] as uPlot.AlignedData, false);
      made.setScale('x', { min: from, max: to });
    });
  }, [data, at, from, to, promised, marks, now, topMax, kind, isStacked, hasBand, height, syncKey, scheme, utc, isSized]);

  useEffect(() => {
    if (place.width > 0) plot.current?.setSize({ width: place.width, height });
  }, [place.width, height]);
}

type Latest = RefObject<{ props: PlotProps; place: PlotPlace }>;

function makePlot(latest: Latest, state: PlotState, onPlaced: PlotPlace['onPlaced']): uPlot | null {
  const { props, place } = latest.current;
  const { lines, isStacked = false, isWhole = false, band, height = 180, syncKey = 'page' } = props;
  const { current: box } = place.box;
  if (box === null) return null;
  let placed = '';
  const made: uPlot = new uPlot(
    plotOptions({
      lines,
      isStacked,
      hasBand: band !== undefined,
      isWhole,
      height,
      width: box.clientWidth,
      syncKey,
      state,
      format: (value, isAxis) => latest.current.props.format(value, isAxis),
      onCursor: (index, left) => {
        latest.current.props.onCursor(index);
        showFlag(latest.current.place.flag.current, latest.current.props.at, index, left);
      },
      onZoom: (fromMs, toMs) => latest.current.props.onZoom?.(fromMs, toMs),
      onDraw: (plot) => {
        const places = placesOf(plot, state.marks);
        const key = places.map(({ mark, left }) => `${mark.id} ${left}`).join();
        if (key === placed) return;
        placed = key;
        onPlaced(places);
      },
    }),
    [[], ...lines.map(() => []), ...(band === undefined ? [] : [[], []])] as unknown as uPlot.AlignedData,
    box,
  );
  return made;
}

function showFlag(flag: HTMLDivElement | null, at: readonly number[], index: number | null, left: number): void {
  if (flag === null) return;
  flag.hidden = index === null;
  if (index === null) return;
  flag.textContent = flagText(at, index);
  flag.style.left = `${left + 6}px`;
  flag.style.top = 'calc(100% - 28px)';
}

function placesOf(plot: uPlot, marks: readonly PlotMark[]): readonly Placed[] {
  const { min = 0, max = 0 } = plot.scales['x'] ?? {};
  return marks
    .filter(({ atMs }) => atMs / 1000 >= min && atMs / 1000 <= max)
    .map((mark) => ({ mark, left: Math.round(plot.valToPos(mark.atMs / 1000, 'x') + plot.over.offsetLeft) }));
}
