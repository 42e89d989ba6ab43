/** The state of something that runs on the server. While the server does not respond, it is unknown, and only the last one is named. */
import type { ReactElement } from 'react';
import { useAwaySinceMs } from '../api/away.ts';
import { type StateKind, StateMark } from './state-mark.tsx';

export function LiveStateMark({ kind, word }: { readonly kind: StateKind; readonly word: string }): ReactElement {
  const isAway = useAwaySinceMs() !== null;
  if (!isAway) return <StateMark kind={kind}>{word}</StateMark>;
  return <StateMark kind="zero">Unknown, was {`${word.charAt(0).toLowerCase()}${word.slice(1)}`}</StateMark>;
}
