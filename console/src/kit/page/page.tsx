/** The layout of a page: title, current facts, actions, content. Also sets the title of the browser tab. */
import { type ReactElement, type ReactNode, useEffect } from 'react';

export interface PageProps {
  readonly title: string;
  /** Marks and chips next to the title. */
  readonly aside?: ReactNode;
  /** Facts below the title, each in a `<span>`. */
  readonly facts?: ReactNode;
  /** Buttons, at most one of them solid. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function PageLayout({ title, aside, facts, actions, children }: PageProps): ReactElement {
  useEffect(() => {
    document.title = `${title} · Penstock`;
  }, [title]);
  return (
    <>
      <div className="head">
        <div>
          <div className="row wrap">
            <h1>{title}</h1>
            {aside}
          </div>
          {facts === undefined ? null : <p className="sub">{facts}</p>}
        </div>
        {actions === undefined ? null : <div className="row wrap act">{actions}</div>}
      </div>
      {children}
    </>
  );
}
