/** The key figures of a page in a row: label, value, and one line of context. */
import type { ReactElement, ReactNode } from 'react';

export interface StripNumber {
  readonly label: string;
  readonly value: string;
  readonly unit?: string;
  readonly note?: ReactNode;
  /** Colour of the note. Use `bad` only if action is needed. `warn` colours the value, too. */
  readonly tone?: 'bad' | 'warn';
  /** 0 to 1. Draws a bar before the note, in the colour of latency. */
  readonly bar?: number | null;
}

export function NumberStrip({ numbers }: { readonly numbers: readonly StripNumber[] }): ReactElement {
  return (
    <dl className="kpis">
      {numbers.map(({ label, value, unit, note, tone, bar }) => (
        <div className="kpi" key={label}>
          <dt>{label}</dt>
          <dd className={tone === 'warn' ? tone : undefined}>
            {value}
            {unit === undefined ? null : <span className="u">{unit}</span>}
          </dd>
          <dd className={`s ${tone ?? ''}`} title={typeof note === 'string' ? note : undefined}>
            {bar === undefined || bar === null ? null : (
              <span className="bar" aria-hidden="true">
                <i style={{ width: `${Math.min(100, bar * 100)}%` }} />
              </span>
            )}
            {note ?? ' '}
          </dd>
        </div>
      ))}
    </dl>
  );
}
