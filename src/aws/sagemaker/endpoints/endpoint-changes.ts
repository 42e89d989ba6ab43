/** Holds calls until an endpoint leaves a transitional status, so that polling clients see the change at once. */
import type { Clock } from '../../../clock.ts';
import type { Deployments, EndpointStatus, EndpointView } from '../../../deployment/index.ts';
import { nameKey } from '../../../names.ts';

/** Waiters of AWS's clients poll at once and then every 30 s. A change within this time is reported to the first poll. */
export const holdMs = 2000;

export interface EndpointChangeDeps {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'onChange' | 'onDeleted'>;
}

/**
 * Resolves when the endpoint has none of `statuses`, is deleted, `holdMs` have passed, or the client has disconnected. Check the
 * status before: only changes are observed.
 */
export async function holdWhileUpdating(
  { clock, deployments }: EndpointChangeDeps,
  { config }: EndpointView,
  statuses: readonly EndpointStatus[],
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const isSame = (name: string): boolean => nameKey(name) === nameKey(config.name);
  const stops = [
    deployments.onChange((view) => {
      if (isSame(view.config.name) && !statuses.includes(view.status)) resolve();
    }),
    deployments.onDeleted((name) => {
      if (isSame(name)) resolve();
    }),
    clock.after(holdMs, resolve),
  ];
  const abort = (): void => resolve();
  signal.addEventListener('abort', abort, { once: true });
  await promise;
  signal.removeEventListener('abort', abort);
  for (const stop of stops) stop();
}
