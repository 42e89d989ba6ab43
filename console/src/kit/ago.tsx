/** A time as people say it, with the exact one beside it; it keeps up by itself. */
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

/** Now, to five seconds. One timer serves the page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}

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
