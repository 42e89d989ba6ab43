/** Names and values, one pair per line. */
import { Fragment, type ReactElement, type ReactNode } from 'react';

export function Pairs({ pairs }: { readonly pairs: readonly (readonly [name: string, value: ReactNode])[] }): ReactElement {
  return (
    <dl className="pairs">
      {pairs.map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
