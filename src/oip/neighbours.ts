/** What this room needs from others, as narrow as it needs it. `platform.ts` hands it in. */
import type { Caller, Permission } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import type { EndpointView } from '../deployment/index.ts';
import type { Listener, WriteAccess } from '../http/index.ts';
import type { CallWatch, Log, Refusals, RequestTraces } from '../monitoring/index.ts';
import type { ServedView, Serving } from '../serving/index.ts';

export interface Deployed {
  readonly config: { readonly name: string; readonly variants: readonly { readonly name: string; readonly version: number }[] };
  readonly status: EndpointView['status'];
  readonly reason: string | null;
  readonly variants: readonly {
    readonly name: string;
    readonly workers: readonly { readonly rssBytes: number | null }[];
  }[];
}

export interface OipServices {
  readonly serving: Pick<Serving, 'route' | 'invoke' | 'reject'> & {
    endpoints(): readonly ServedView[];
    endpoint(name: string): ServedView | undefined;
  };
  /** Every endpoint there is, also those that are not served (yet, or any more). */
  readonly deployed: () => readonly Deployed[];
  /** Resolves when the endpoint is ready; rejects `unavailable` when that takes too long. */
  readonly load: (endpoint: string, who: string) => Promise<unknown>;
  /** Resolves when the last request is answered and the workers have stopped. */
  readonly unload: (endpoint: string, who: string) => Promise<unknown>;
  readonly health: () => { readonly live: boolean; readonly ready: boolean; readonly reason: string | null };
  /** Told whenever `health` may answer anything else. */
  readonly onHealthChange: (listener: () => void) => void;
  readonly listener: Pick<Listener, 'authenticate' | 'bodies' | 'limits'>;
  readonly access: { require(caller: Caller, permission: Permission): void };
  /** Is told of calls whose route is watched. */
  readonly calls: Pick<CallWatch, 'begin'>;
  /** Is told of each inference request, with the trace that its caller is in; null where nothing is traced. */
  readonly traces?: Pick<RequestTraces, 'begin' | 'refuse'> | null;
  readonly clock: Clock;
  /** Is told of control calls, and of inferences that were refused at the door. */
  readonly writeAccess: WriteAccess;
  /** Is told of whoever was refused what would have changed something, or showed a key that is none. */
  readonly refusals: Pick<Refusals, 'record'>;
  readonly log: Log;
  /** The product's version. */
  readonly version: string;
}
