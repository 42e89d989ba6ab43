/**
 * A chart over time in its card. The legend is the readout: what is now, or what was under the cursor, in all charts of the page at once.
 * Dragging asks for a closer look; marks on the axis open what was decided there. The same can be shown as a table.
 */
import { type ReactElement, type ReactNode, useRef, useState } from 'react';
import { Card, type CardProps } from './card.tsx';
import { type Column, lastOf, maxOf } from './chart-data.ts';
import type { PlotLine, PlotMark } from './chart-plot.ts';
import { ChartTable } from './chart-table.tsx';
import { Legend, type LegendItem } from './legend.tsx';
import { type Placed, usePlot } from './use-plot.ts';
import { useWidth } from './use-width.ts';

export interface ChartLine extends PlotLine {
  readonly values: Column;
}

export interface TimeChartProps {
  readonly title: string;
  readonly span?: CardProps['span'];
  /** Epoch seconds, ascending; all columns are as long. */
  readonly at: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly isStacked?: boolean;
  /** What is counted comes in whole pieces, and so do the ticks. */
  readonly isWhole?: boolean;
  /** What lies between is likely; null where nothing is said. */
  readonly band?: { readonly high: Column; readonly low: Column } | undefined;
  readonly objective?: { readonly value: number; readonly label: string } | null;
  readonly marks?: readonly PlotMark[];
  /** Epoch seconds of the edges; those of the data unless given. */
  readonly range?: readonly [number, number];
  /** Epoch seconds, where there is a forecast. */
  readonly now?: number | null;
  readonly unit?: string;
  readonly height?: number;
  readonly syncKey?: string;
  readonly format: (value: number, isAxis: boolean) => string;
  readonly onZoom?: (fromMs: number, toMs: number) => void;
  readonly onMark?: (id: string) => void;
  /** No higher than this: a few outliers must not press all else to the ground. The readout still tells them. */
  readonly topMax?: number | undefined;
  readonly footer?: ReactNode;
}

export const noMarks: readonly PlotMark[] = [];

export function TimeChart(props: TimeChartProps): ReactElement {
  const { title, span, at, lines, isStacked = false, objective = null, unit, format, marks = noMarks, onMark } = props;
  const [isTable, setIsTable] = useState(false);
  const [cursor, setCursor] = useState<number | null>(null);
  const valueOf = ({ values }: ChartLine): string => {
    const value = cursor === null ? lastOf(values) : (values[cursor] ?? null);
    return value === null ? '–' : format(value, false);
  };
  const legend: LegendItem[] = lines.map((line) => ({
    label: line.label,
    color: line.color,
    mark: isStacked ? 'area' : line.isDashed === true ? 'dash' : 'line',
    value: valueOf(line),
  }));
  if (objective !== null) legend.push({ label: objective.label, color: 'bad', mark: 'dash', tone: 'bad' });
  return (
    <Card
      title={title}
      {...(span === undefined ? {} : { span })}
      beside={<Legend items={legend} unit={unit} />}
      end={
        <button type="button" className="quiet as-table" onClick={() => setIsTable(!isTable)}>
          {isTable ? 'Show as chart' : 'Show as table'}
        </button>
      }
      footer={props.footer}
    >
      {isTable ? (
        <ChartTable at={at} lines={lines} format={format} unit={unit} />
      ) : (
        <Plot {...props} marks={marks} onMark={onMark} onCursor={setCursor} />
      )}
    </Card>
  );
}

export type PlotProps = Omit<TimeChartProps, 'onMark'> & {
  readonly onMark: TimeChartProps['onMark'];
  readonly onCursor: (index: number | null) => void;
};

function Plot(props: PlotProps): ReactElement {
  const { lines, height = 180, onMark } = props;
  const [box, width] = useWidth<HTMLDivElement>();
  const flag = useRef<HTMLDivElement>(null);
  const [placed, setPlaced] = useState<readonly Placed[]>([]);
  usePlot(props, { box, width, flag, onPlaced: setPlaced });
  return (
    <div className="chart">
      <div ref={box} role="img" aria-label={sentenceOf(props)} style={{ height }} data-lines={lines.length} />
      <div ref={flag} className="flag" hidden />
      {onMark === undefined
        ? null
        : placed.map(({ mark, left }) => (
            <button
              key={mark.id}
              type="button"
              className="chart-mark"
              tabIndex={-1}
              aria-hidden="true"
              title={mark.title}
              style={{ left: left + 6, top: height - 26 + 6 }}
              onClick={() => onMark(mark.id)}
            />
          ))}
    </div>
  );
}

/** The latest, the most, and what was promised. */
function sentenceOf({ title, lines, objective, format, unit = '' }: PlotProps): string {
  const parts = lines.map(({ label, values }) => {
    const last = lastOf(values);
    return last === null ? `${label}: nothing measured` : `${label} ${format(last, false)}, at most ${format(maxOf([values]), false)}`;
  });
  const promise = objective === undefined || objective === null ? '' : `; ${objective.label}`;
  return `${title}: ${parts.join('; ')}${promise}${unit === '' ? '' : ` (${unit})`}`;
}
