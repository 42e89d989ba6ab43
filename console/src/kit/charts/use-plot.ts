/** Manages the uPlot instance outside React: recreates it if lines or colours change, and otherwise only updates its data. */
import { useComputedColorScheme } from '@mantine/core';
import { type RefObject, useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import { useUtc } from '../format/time.ts';
import { maxOf, stacked, steadyTop, topFor } from './chart-data.ts';
import { flagText, type PlotMark, type PlotState, plotOptions } from './chart-plot.ts';
import type { PlotProps } from './chart-props.ts';

/** A mark with its distance from the left edge, in pixels. */
export interface PositionedMark {
  readonly mark: PlotMark;
  readonly left: number;
}

interface PlotTarget {
  readonly box: RefObject<HTMLDivElement | null>;
  /** Pixels; 0 until the box is measured. */
  readonly width: number;
  readonly flag: RefObject<HTMLDivElement | null>;
  readonly onPositioned: (placed: readonly PositionedMark[]) => void;
}

/** Values that change often, such as callbacks, are read through refs, so that they do not recreate the plot. */
export function usePlot(props: PlotProps, target: PlotTarget): void {
  const { lines, isStacked = false, band, height = 180, syncKey = 'page', at, objective, marks, now = null, range, topMax } = props;
  const scheme = useComputedColorScheme('light');
  const [utc] = useUtc();
  const plot = useRef<uPlot | null>(null);
  const state = useRef<PlotState>({ top: 0, span: 0, objective: null, marks: [], now: null });
  const latest = useRef({ props, target });
  latest.current = { props, target };
  const kind = lines.map(({ label, color, width = '', isDashed = '' }) => [label, color, width, isDashed].join()).join(';');
  const hasBand = band !== undefined;
  const isSized = target.width > 0;
  const data = useMemo((): (number | null)[][] => {
    const columns = isStacked ? stacked(lines.map(({ values }) => values)) : lines.map(({ values }) => [...values]);
    return [...columns, ...(band === undefined ? [] : [[...band.high], [...band.low]])];
  }, [lines, isStacked, band]);

  // Creates the plot without data; the next effect sets the data.
  useEffect(() => {
    if (!isSized) return undefined;
    plot.current = makePlot(latest, state.current, (placed) => latest.current.target.onPositioned(placed));
    return () => {
      plot.current?.destroy();
      plot.current = null;
    };
  }, [kind, isStacked, hasBand, height, syncKey, scheme, utc, isSized]);

  const [from, to] = [range?.[0] ?? at[0] ?? 0, range?.[1] ?? at.at(-1) ?? 1];
  const objectiveValue = objective?.value ?? null;
  // The dependencies of the effect above are repeated here: a new plot needs its data.
  useEffect(() => {
    const { current: plotInstance } = plot;
    if (plotInstance === null) return;
    const top = Math.min(topFor(maxOf(data), objectiveValue ?? 0), topMax ?? Number.POSITIVE_INFINITY);
    const span = Math.round((to - from) / 60);
    const before = span === state.current.span ? state.current.top : null;
    Object.assign(state.current, { top: steadyTop(before, top), span, objective: objectiveValue, marks: marks ?? [], now });
    plotInstance.batch(() => {
      plotInstance.setData([[...at], ...data] as uPlot.AlignedData, false);
      plotInstance.setScale('x', { min: from, max: to });
    });
  }, [data, at, from, to, objectiveValue, marks, now, topMax, kind, isStacked, hasBand, height, syncKey, scheme, utc, isSized]);

  useEffect(() => {
    if (target.width > 0) plot.current?.setSize({ width: target.width, height });
  }, [target.width, height]);
}

type Latest = RefObject<{ props: PlotProps; target: PlotTarget }>;

function makePlot(latest: Latest, state: PlotState, onPlaced: PlotTarget['onPositioned']): uPlot | null {
  const { props, target } = latest.current;
  const { lines, isStacked = false, isWhole = false, band, height = 180, syncKey = 'page' } = props;
  const { current: box } = target.box;
  if (box === null) return null;
  let placed = '';
  const plotInstance: uPlot = new uPlot(
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
        showFlag(latest.current.target.flag.current, latest.current.props.at, index, left);
      },
      onZoom: (fromMs, toMs) => latest.current.props.onZoom?.(fromMs, toMs),
      onDraw: (plot) => {
        const places = markPositions(plot, state.marks);
        const key = places.map(({ mark, left }) => `${mark.id} ${left}`).join();
        if (key === placed) return;
        placed = key;
        onPlaced(places);
      },
    }),
    [[], ...lines.map(() => []), ...(band === undefined ? [] : [[], []])] as unknown as uPlot.AlignedData,
    box,
  );
  return plotInstance;
}

function showFlag(flag: HTMLDivElement | null, at: readonly number[], index: number | null, left: number): void {
  if (flag === null) return;
  flag.hidden = index === null;
  if (index === null) return;
  flag.textContent = flagText(at, index);
  flag.style.left = `${left + 6}px`;
  flag.style.top = 'calc(100% - 28px)';
}

function markPositions(plot: uPlot, marks: readonly PlotMark[]): readonly PositionedMark[] {
  const { min = 0, max = 0 } = plot.scales['x'] ?? {};
  return marks
    .filter(({ atMs }) => atMs / 1000 >= min && atMs / 1000 <= max)
    .map((mark) => ({ mark, left: Math.round(plot.valToPos(mark.atMs / 1000, 'x') + plot.over.offsetLeft) }));
}
