/** A chart as a table, for screen readers and for exact numbers. */
import type { ReactElement } from 'react';
import { fullTime } from '../format/time.ts';
import { tableRows } from './chart-data.ts';
import type { ChartLine } from './chart-props.ts';

interface ChartTableProps {
  readonly at: readonly number[];
  readonly lines: readonly ChartLine[];
  readonly unit?: string | undefined;
  readonly format: (value: number, isAxis: boolean) => string;
}

export function ChartTable({ at, lines, unit, format }: ChartTableProps): ReactElement {
  return (
    // Scrollable regions must be reachable by keyboard.
    <div className="chart-table" tabIndex={0} role="region" aria-label="The chart as a table">
      <table className="dense">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {lines.map(({ label }) => (
              <th scope="col" className="n" key={label}>
                {label}
                {unit === undefined ? null : <span className="u">{unit}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {tableRows(at).map((index) => (
            <tr key={at[index]}>
              <th scope="row" className="t">
                {fullTime((at[index] ?? 0) * 1000)}
              </th>
              {lines.map(({ label, values }) => (
                <td className="n" key={label}>
                  {values[index] === null || values[index] === undefined ? '–' : format(values[index], false)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
