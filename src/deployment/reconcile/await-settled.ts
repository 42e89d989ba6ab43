/** Waits until an endpoint has reached a stable status. */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { endpointNotFound } from '../deployment-errors.ts';
import type { EndpointView } from '../endpoint-view.ts';

interface Endpoints {
  get(name: string): EndpointView;
  onChange(listener: (view: EndpointView) => void): () => void;
  onDeleted(listener: (name: string) => void): () => void;
}

/** Throws `not_found` if the endpoint does not exist or is deleted while waiting, `deadline_exceeded` after `timeoutMs`. */
export async function settled(endpoints: Endpoints, name: string, clock: Clock, timeoutMs: number): Promise<EndpointView> {
  const now = endpoints.get(name);
  if (isSettled(now)) return now;
  const { promise, resolve, reject } = Promise.withResolvers<EndpointView>();
  const isSame = (other: string) => nameKey(other) === nameKey(name);
  const stopListening = endpoints.onChange((view) => {
    if (isSame(view.config.name) && isSettled(view)) resolve(view);
  });
  const stopListeningDeleted = endpoints.onDeleted((deleted) => {
    if (isSame(deleted)) reject(endpointNotFound(name));
  });
  const cancelTimer = clock.after(timeoutMs, () => {
    reject(new PlatformError('deadline_exceeded', `endpoint ${name} is still ${endpoints.get(name).status} after ${timeoutMs} ms`));
  });
  try {
    return await promise;
  } finally {
    stopListening();
    stopListeningDeleted();
    cancelTimer();
  }
}

function isSettled({ status }: EndpointView): boolean {
  return status === 'InService' || status === 'Failed' || status === 'Unloaded';
}
