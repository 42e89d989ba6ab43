/**
 * A time chart in a card. The legend shows the latest values, or those under the cursor, which all charts of a page share. Dragging zooms
 * in; marks on the axis open decisions. The data can also be shown as a table.
 */
import { type ReactElement, useRef, useState } from 'react';
import { useAwaySinceMs } from '../../api/away.ts';
import { Card } from '../card.tsx';
import { useNow } from '../format/ago.tsx';
import { duration } from '../format/format.ts';
import { lastOf, maxOf } from './chart-data.ts';
import type { PlotMark } from './chart-plot.ts';
import type { ChartLine, PlotProps, TimeChartProps } from './chart-props.ts';
import { ChartTable } from './chart-table.tsx';
import { Legend, type LegendItem } from './legend.tsx';
import { type PositionedMark, usePlot } from './use-plot.ts';
import { useWidth } from './use-width.ts';

const noMarks: readonly PlotMark[] = [];

/** Without a cursor, the legend shows the latest values, which may be older than the right edge. */
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
      aside={<Legend items={legend} unit={unit} />}
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

function Plot(props: PlotProps): ReactElement {
  const { lines, height = 180, onMark } = props;
  const [box, width] = useWidth<HTMLDivElement>();
  const flag = useRef<HTMLDivElement>(null);
  const [placed, setPlaced] = useState<readonly PositionedMark[]>([]);
  usePlot(props, { box, width, flag, onPositioned: setPlaced });
  return (
    <div className="chart">
      <div ref={box} role="img" aria-label={describeChart(props)} style={{ height }} data-lines={lines.length} />
      <div ref={flag} className="flag" hidden />
      <Age />
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

/** The age of the chart while the server does not respond. */
function Age(): ReactElement | null {
  const awaySinceMs = useAwaySinceMs();
  const nowMs = useNow();
  return awaySinceMs === null ? null : <span className="chart-age">{duration(Math.max(1000, nowMs - awaySinceMs))} old</span>;
}

/** For screen readers: the latest and the highest value of each line, and the objective. */
function describeChart({ title, lines, objective, format, unit = '' }: PlotProps): string {
  const parts = lines.map(({ label, values }) => {
    const last = lastOf(values);
    return last === null ? `${label}: no data` : `${label} ${format(last, false)}, at most ${format(maxOf([values]), false)}`;
  });
  const objectiveText = objective === undefined || objective === null ? '' : `; ${objective.label}`;
  return `${title}: ${parts.join('; ')}${objectiveText}${unit === '' ? '' : ` (${unit})`}`;
}
