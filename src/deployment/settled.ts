/** Waiting until an endpoint is what was wanted of it, or is known not to become so. */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { keyOf } from '../registry/index.ts';
import type { EndpointView } from './endpoint-view.ts';
import { noEndpoint } from './refusals.ts';

interface Endpoints {
  get(name: string): EndpointView;
  onChange(listener: (view: EndpointView) => void): () => void;
  onGone(listener: (name: string) => void): () => void;
}

/** Throws `not_found` if there is none or it is deleted meanwhile, `deadline_exceeded` after `timeoutMs`. */
export async function settled(endpoints: Endpoints, name: string, clock: Clock, timeoutMs: number): Promise<EndpointView> {
  const now = endpoints.get(name);
  if (isSettled(now)) return now;
  const { promise, resolve, reject } = Promise.withResolvers<EndpointView>();
  const isIt = (other: string) => keyOf(other) === keyOf(name);
  const stopListening = endpoints.onChange((view) => {
    if (isIt(view.config.name) && isSettled(view)) resolve(view);
  });
  const stopListeningGone = endpoints.onGone((gone) => {
    if (isIt(gone)) reject(noEndpoint(name));
  });
  const cancelTimer = clock.after(timeoutMs, () => {
    reject(new PlatformError('deadline_exceeded', `endpoint ${name} is still ${endpoints.get(name).status} after ${timeoutMs} ms`));
  });
  try {
    return await promise;
  } finally {
    stopListening();
    stopListeningGone();
    cancelTimer();
  }
}

function isSettled({ status }: EndpointView): boolean {
  return status === 'InService' || status === 'Failed' || status === 'Unloaded';
}
