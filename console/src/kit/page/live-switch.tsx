/** Pauses and resumes live updates, by a button or the space bar. */
import { Button } from '@mantine/core';
import { type ReactElement, useMemo } from 'react';
import { useLiveState } from '../../api/live.tsx';
import { usePageKeys } from './page-keys.ts';

export function LiveSwitch(): ReactElement {
  const { state, pause, resume } = useLiveState();
  const isPaused = state?.kind === 'paused';
  const keys = useMemo(() => ({ ' ': isPaused ? resume : pause }), [isPaused, pause, resume]);
  usePageKeys(keys);
  return (
    <Button size="sm" aria-pressed={!isPaused} onClick={isPaused ? resume : pause} title={isPaused ? 'Go live (Space)' : 'Pause (Space)'}>
      <span className={`live-dot ${state?.kind === 'live' ? '' : 'off'}`}>
        <i />
        {isPaused ? 'Paused' : 'Live'}
      </span>
    </Button>
  );
}

/** The state of the live connection as text, for the facts of a page. */
export function LiveFact(): ReactElement {
  const { state } = useLiveState();
  const isLive = state?.kind === 'live';
  return (
    <span className={`live-dot ${isLive ? '' : 'off'}`}>
      <i />
      {isLive ? 'Live' : state?.kind === 'paused' ? 'Paused' : state?.kind === 'lost' ? 'Not live' : 'Connecting'}
    </span>
  );
}
