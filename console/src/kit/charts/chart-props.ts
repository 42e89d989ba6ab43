/** Props that the time chart shares with its plot and its table. */
import type { ReactNode } from 'react';
import type { CardProps } from '../card.tsx';
import type { ChartColumn } from './chart-data.ts';
import type { PlotLine, PlotMark } from './chart-plot.ts';

/** A line or, in a stack, an area. */
export interface ChartLine extends PlotLine {
  readonly values: ChartColumn;
}

export interface TimeChartProps {
  readonly title: string;
  readonly span?: CardProps['span'];
  /** Epoch seconds, ascending. All columns have the same length. */
  readonly at: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly isStacked?: boolean;
  /** Values are integers, so ticks are integers, too. */
  readonly isWhole?: boolean;
  /** The likely range of a forecast; null outside of it. */
  readonly band?: { readonly high: ChartColumn; readonly low: ChartColumn } | undefined;
  readonly objective?: { readonly value: number; readonly label: string } | null;
  readonly marks?: readonly PlotMark[];
  /** Epoch seconds of the edges. Default: those of the data. */
  readonly range?: readonly [number, number];
  /** Epoch seconds; set only if there is a forecast. */
  readonly now?: number | null;
  readonly unit?: string;
  readonly height?: number;
  /** Charts with the same key share their cursor. Default: all charts of the page. */
  readonly syncKey?: string;
  readonly format: (value: number, isAxis: boolean) => string;
  readonly onZoom?: (fromMs: number, toMs: number) => void;
  readonly onMark?: (id: string) => void;
  /** Limits the axis, so that a few outliers do not flatten the rest. The legend still shows their values. */
  readonly topMax?: number | undefined;
  readonly footer?: ReactNode;
}

export type PlotProps = Omit<TimeChartProps, 'onMark'> & {
  readonly onMark: TimeChartProps['onMark'];
  readonly onCursor: (index: number | null) => void;
};
