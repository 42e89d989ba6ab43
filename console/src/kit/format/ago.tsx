/** A relative time (`4 min ago`) that updates itself, with the exact time as its tooltip. */
import { type ReactElement, useSyncExternalStore } from 'react';
import { fullTime, relative, useUtc } from './time.ts';

const stepMs = 5000;
const listeners = new Set<() => void>();
let nowMs = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    nowMs = Date.now();
    for (const each of listeners) each();
  }, stepMs);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The current time, up to five seconds old. One timer serves all components; it pauses in a hidden tab. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}

/** A time in the past: `at` is ISO 8601 or epoch milliseconds. If the server's clock is ahead, it shows `now`, never a future time. */
export function Ago({ at }: { readonly at: string | number }): ReactElement {
  useUtc();
  const now = useNow();
  const epochMs = typeof at === 'number' ? at : Date.parse(at);
  return (
    <time dateTime={new Date(epochMs).toISOString()} title={fullTime(epochMs)}>
      {relative(epochMs, Math.max(now, epochMs))}
    </time>
  );
}

/** A time in the future, such as `in 12 h`. */
export function Until({ at }: { readonly at: string }): ReactElement {
  useUtc();
  const now = useNow();
  const epochMs = Date.parse(at);
  return (
    <time dateTime={at} title={fullTime(epochMs)}>
      {relative(epochMs, now)}
    </time>
  );
}
