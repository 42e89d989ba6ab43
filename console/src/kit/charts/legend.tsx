/** The legend of a chart, which also shows the current value of each line. */
import type { ReactElement } from 'react';
import type { TokenName } from '../../theme/tokens.ts';

export interface LegendItem {
  readonly label: string;
  readonly color: TokenName;
  /** A line, a dashed line, or an area. */
  readonly mark?: 'line' | 'dash' | 'area';
  readonly value?: string;
  readonly tone?: 'bad';
}

export function Legend({ items, unit }: { readonly items: readonly LegendItem[]; readonly unit?: string | undefined }): ReactElement {
  // The unit follows the last value: on a line of its own it would relate to nothing.
  const lastValued = items.findLastIndex(({ value }) => value !== undefined);
  return (
    <span className="leg">
      {items.map(({ label, color, mark = 'area', value, tone }, index) => (
        <span key={label} className={tone}>
          <i
            className={`sw ${mark === 'area' ? '' : mark === 'dash' ? 'l d' : 'l'}`}
            style={mark === 'area' ? { background: `var(--${color})` } : { borderColor: `var(--${color})` }}
          />
          {label}
          {value === undefined ? null : <b>{value}</b>}
          {unit !== undefined && index === lastValued ? <span className="dim">{unit}</span> : null}
        </span>
      ))}
      {unit === undefined || lastValued >= 0 ? null : <span className="dim">{unit}</span>}
    </span>
  );
}
