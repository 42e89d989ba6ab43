/** What requests need of a ready worker: all that serving, functions and transforms call. */
import type { MissingModel } from '../worker-plans.ts';
import type { WorkerLink } from './link.ts';

/**
 * Two implementations: a worker of this machine (`WorkerLink`), and one of another host, whose agent relays its calls. A worker that
 * is restarted gets a new link. Open calls of a lost worker reject with `WorkerLost`.
 */
export interface ServingLink extends Pick<WorkerLink, 'run' | 'invoke' | 'status' | 'runsOpen' | 'runsSent'> {
  /** Models of the plans that could not be loaded, as of now. */
  readonly missing: { readonly found: readonly MissingModel[] };
}
