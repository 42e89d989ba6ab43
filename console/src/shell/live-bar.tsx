/**
 * The only bar below the top bar while numbers are not live: since when, how old they are, and when the next attempt is. If the server does not
 * respond at all, it says that instead, on every page.
 */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useEffect, useState } from 'react';
import { useAwaySinceMs } from '../api/away.ts';
import { useLiveState } from '../api/live.tsx';
import { duration } from '../kit/format/format.ts';
import { exactTime } from '../kit/format/time.ts';
import { Note } from '../kit/page/note.tsx';

/** Outages shorter than this are not shown. */
const graceMs = 4000;

export function LiveBar(): ReactElement | null {
  const { state, retry, resume } = useLiveState();
  const awaySinceMs = useAwaySinceMs();
  const client = useQueryClient();
  const outage = state?.kind === 'lost' || state?.kind === 'paused' ? state : null;
  const nowMs = useSeconds(awaySinceMs !== null || outage !== null);
  if (awaySinceMs !== null) {
    const tryAgain = (): void => {
      retry();
      void client.invalidateQueries();
    };
    return (
      <div className="not-live" role="status">
        <Note
          tone="bad"
          title={`Penstock has not responded since ${exactTime(awaySinceMs)}.`}
          end={
            <Button size="sm" onClick={tryAgain}>
              Retry now
            </Button>
          }
        >
          It was stopped, or the network is down. Everything below is {duration(Math.max(0, nowMs - awaySinceMs))} old; this page retries by
          itself.
        </Note>
      </div>
    );
  }
  if (outage === null) return null;
  const ageS = Math.max(0, Math.round((nowMs - outage.sinceMs) / 1000));
  if (outage.kind === 'paused') {
    return (
      <div className="not-live">
        <Note
          icon="pause"
          title={`Paused at ${exactTime(outage.sinceMs)}.`}
          end={
            <Button size="sm" onClick={resume}>
              Go live
            </Button>
          }
        >
          {ageS} s behind. New data is loaded when you go live.
        </Note>
      </div>
    );
  }
  if (nowMs - outage.sinceMs < graceMs) return null;
  const inS = Math.max(0, Math.ceil((outage.nextTryMs - nowMs) / 1000));
  return (
    <div className="not-live" role="status">
      <Note
        tone="warn"
        title={`Not live since ${exactTime(outage.sinceMs)}.`}
        end={
          <Button size="sm" onClick={retry}>
            Retry now
          </Button>
        }
      >
        Lost the connection to Penstock; retrying in {inS} s. The numbers below are up to {ageS} s old.
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
