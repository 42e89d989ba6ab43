/** The numbers of a page, in a row: what, how much, and one line of what that means. */
import type { ReactElement, ReactNode } from 'react';

export interface StripNumber {
  readonly label: string;
  readonly value: string;
  readonly unit?: string;
  readonly note?: ReactNode;
  /** Of the note: `bad` only where something is to be done about it. `warn` is of the number too. */
  readonly tone?: 'bad' | 'warn';
  /** 0 to 1: a bar before the note, in the colour of latency. */
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
