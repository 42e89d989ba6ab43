/** Waits for an endpoint, so that who asks again and again is told at once. */
import type { Clock } from '../../clock.ts';
import type { Deployments, EndpointStatus, EndpointView } from '../../deployment/index.ts';
import { keyOf } from '../../registry/index.ts';

/** Waiters of AWS's clients ask at once and then every 30 s: what takes less than this is told at the first asking. */
export const holdMs = 2000;

export interface ChangeSources {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'onChange' | 'onGone'>;
}

/**
 * Resolves when the endpoint has another status than one of these, when it is gone, when `holdMs` are over, or when whoever asks
 * has gone. It is for the caller to look before.
 */
export async function held(
  { clock, deployments }: ChangeSources,
  { config }: EndpointView,
  statuses: readonly EndpointStatus[],
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const isIt = (name: string): boolean => keyOf(name) === keyOf(config.name);
  const stops = [
    deployments.onChange((view) => {
      if (isIt(view.config.name) && !statuses.includes(view.status)) resolve();
    }),
    deployments.onGone((name) => {
      if (isIt(name)) resolve();
    }),
    clock.after(holdMs, resolve),
  ];
  const leave = (): void => resolve();
  signal.addEventListener('abort', leave, { once: true });
  await promise;
  signal.removeEventListener('abort', leave);
  for (const stop of stops) stop();
}
