/** A part of a page with a title: what is beside the title, what is in it, what is below. */
import { type ReactElement, type ReactNode, useId } from 'react';

export interface CardProps {
  readonly title: ReactNode;
  /** Columns of twelve that it takes in a `.grid`. */
  readonly span?: 3 | 4 | 5 | 6 | 7 | 8 | 12;
  /** Beside the title: a legend. */
  readonly beside?: ReactNode;
  /** At the right end of the title's row: a link, a filter, a word. */
  readonly end?: ReactNode;
  readonly footer?: ReactNode;
  /** With the usual room around; without it for tables and charts, which go to the edge. */
  readonly padded?: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}

export function Card({ title, span, beside, end, footer, padded = false, className = '', children }: CardProps): ReactElement {
  const id = useId();
  return (
    <section className={`card ${span === undefined ? '' : `c${span}`} ${className}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {beside}
        {end === undefined ? null : <span className="end">{end}</span>}
      </header>
      {padded ? <div className="body">{children}</div> : children}
      {footer === undefined ? null : <footer>{footer}</footer>}
    </section>
  );
}
