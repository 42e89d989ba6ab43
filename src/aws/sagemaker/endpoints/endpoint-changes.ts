/** Holds calls until an endpoint leaves a transitional status, so that polling clients see the change at once. */
import type { Clock } from '../../../clock.ts';
import type { Deployments, EndpointStatus, EndpointView } from '../../../deployment/index.ts';
import { nameKey } from '../../../names.ts';
import { type HeldCall, held } from '../../held-reads.ts';

export interface EndpointChangeDeps {
  readonly clock: Clock;
  readonly deployments: Pick<Deployments, 'onChange' | 'onDeleted'>;
}

/**
 * Resolves when the endpoint has none of `statuses`, is deleted, `ms` have passed, or the client has disconnected. Check the status
 * before: only changes are observed.
 */
export async function holdWhileUpdating(
  { clock, deployments }: EndpointChangeDeps,
  { config }: EndpointView,
  statuses: readonly EndpointStatus[],
  { call, ms }: { readonly call: HeldCall; readonly ms: number },
): Promise<void> {
  await held(clock, call, ms, async (signal) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const isSame = (name: string): boolean => nameKey(name) === nameKey(config.name);
    const stops = [
      deployments.onChange((view) => {
        if (isSame(view.config.name) && !statuses.includes(view.status)) resolve();
      }),
      deployments.onDeleted((name) => {
        if (isSame(name)) resolve();
      }),
    ];
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    for (const stop of stops) stop();
  });
}
