/** Under the top bar, while numbers are not live: since when, how old they are, when it is tried again. */
import { Button } from '@mantine/core';
import { type ReactElement, useEffect, useState } from 'react';
import { useLiveState } from '../api/live.tsx';
import { Note } from '../kit/note.tsx';
import { exactTime } from '../kit/time.ts';

/** A connection that comes back within so long is not worth a word. */
const patienceMs = 4000;

export function LiveBar(): ReactElement | null {
  const { state, retry, resume } = useLiveState();
  const isShown = state?.kind === 'lost' || state?.kind === 'paused';
  const nowMs = useSeconds(isShown);
  if (state === null || !isShown) return null;
  const ageS = Math.max(0, Math.round((nowMs - state.sinceMs) / 1000));
  if (state.kind === 'paused') {
    return (
      <div className="not-live">
        <Note
          icon="pause"
          title={`Paused at ${exactTime(state.sinceMs)}.`}
          end={
            <Button size="sm" onClick={resume}>
              Go live
            </Button>
          }
        >
          {ageS} s behind. Charts keep their place; new data is kept.
        </Note>
      </div>
    );
  }
  if (nowMs - state.sinceMs < patienceMs) return null;
  const inS = Math.max(0, Math.ceil((state.nextTryMs - nowMs) / 1000));
  return (
    <div className="not-live" role="status">
      <Note
        tone="warn"
        title={`Not live since ${exactTime(state.sinceMs)}.`}
        end={
          <Button size="sm" onClick={retry}>
            Retry now
          </Button>
        }
      >
        The connection to Penstock dropped; retrying in {inS} s. Numbers below are up to {ageS} s old.
      </Note>
    </div>
  );
}

function useSeconds(isRunning: boolean): number {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    if (!isRunning) return undefined;
    setNowMs(Date.now());
    const timer = setInterval(() => setNowMs(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return nowMs;
}
