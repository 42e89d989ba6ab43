/** A titled section of a page: header, body and footer. */
import { type ReactElement, type ReactNode, useId } from 'react';

export interface CardProps {
  readonly title: ReactNode;
  /** Width in a `.grid`, in twelfths. */
  readonly span?: 3 | 4 | 5 | 6 | 7 | 8 | 12;
  /** Next to the title, usually a legend. */
  readonly aside?: ReactNode;
  /** At the right end of the header: a link, a filter, a word. */
  readonly end?: ReactNode;
  readonly footer?: ReactNode;
  /** Adds padding around the body. Leave it out for tables and charts, which extend to the edge. */
  readonly padded?: boolean;
  readonly className?: string;
  readonly children: ReactNode;
}

export function Card({ title, span, aside, end, footer, padded = false, className = '', children }: CardProps): ReactElement {
  const id = useId();
  return (
    <section className={`card ${span === undefined ? '' : `c${span}`} ${className}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside}
        {end === undefined ? null : <span className="end">{end}</span>}
      </header>
      {padded ? <div className="body">{children}</div> : children}
      {footer === undefined ? null : <footer>{footer}</footer>}
    </section>
  );
}
