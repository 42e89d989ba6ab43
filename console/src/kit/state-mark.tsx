/** A state with its shape, colour and text, the same on every page. */
import type { ReactElement, ReactNode } from 'react';

/**
 * `ok`: in service; `changing`: in transition; `warn`: above the objective, or pending; `bad`: failed or rejected; `zero`: nothing is running;
 * `decision`: made by Penstock; `person`: made by a user.
 */
export type StateKind = 'ok' | 'changing' | 'warn' | 'bad' | 'zero' | 'decision' | 'person';

const shapes: Record<StateKind, ReactElement> = {
  ok: <circle cx="6" cy="6" r="4.5" fill="currentColor" />,
  changing: (
    <>
      <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
      <path d="M6 1.5a4.5 4.5 0 0 1 0 9z" fill="currentColor" />
    </>
  ),
  warn: <path d="M6 .8 11.6 11H.4z" fill="currentColor" />,
  bad: <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" />,
  zero: <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  decision: <path d="M6 .8 11.2 6 6 11.2.8 6z" fill="currentColor" />,
  person: <circle cx="6" cy="6" r="4" fill="currentColor" />,
};

export function StateShape({ kind }: { readonly kind: StateKind }): ReactElement {
  return (
    <svg className={`state-shape state-${kind}`} width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
      {shapes[kind]}
    </svg>
  );
}

export function StateMark({ kind, children }: { readonly kind: StateKind; readonly children: ReactNode }): ReactElement {
  return (
    <span className={`state state-${kind}`}>
      <StateShape kind={kind} />
      {children}
    </span>
  );
}
