/** A page: its title, what is true of it now, what can be done; the rest is its children. Sets the title of the tab. */
import { type ReactElement, type ReactNode, useEffect } from 'react';

export interface PageProps {
  readonly title: string;
  /** Marks and chips in the row of the title. */
  readonly beside?: ReactNode;
  /** Facts under the title; each a `<span>`. */
  readonly facts?: ReactNode;
  /** Buttons; at most one of them is solid. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, beside, facts, actions, children }: PageProps): ReactElement {
  useEffect(() => {
    document.title = `${title} · Penstock`;
  }, [title]);
  return (
    <>
      <div className="head">
        <div>
          <div className="row wrap">
            <h1>{title}</h1>
            {beside}
          </div>
          {facts === undefined ? null : <p className="sub">{facts}</p>}
        </div>
        {actions === undefined ? null : <div className="row wrap act">{actions}</div>}
      </div>
      {children}
    </>
  );
}
