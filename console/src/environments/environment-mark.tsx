/** The state of an environment. */
import type { ReactElement } from 'react';
import type { EnvironmentBody } from '../../../src/api/index.ts';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';

const states: Readonly<Record<EnvironmentBody['state'], readonly [StateKind, string]>> = {
  building: ['changing', 'Building'],
  ready: ['ok', 'Ready'],
  failed: ['bad', 'Failed'],
};

export function EnvironmentMark({ state }: { readonly state: EnvironmentBody['state'] }): ReactElement {
  const [kind, text] = states[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}
