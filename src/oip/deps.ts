/** Dependencies of this module, as narrow as possible. Provided by `platform.ts`. */
import type { Caller, Permission } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import type { CallCapture } from '../data-quality/index.ts';
import type { EndpointView } from '../deployment/index.ts';
import type { Listener, WriteAccess } from '../http/index.ts';
import type { Log, RequestTraces } from '../logs/index.ts';
import type { RejectionAudit } from '../records/index.ts';
import type { ServedView, Serving } from '../serving/index.ts';
import type { Threads } from '../threads/index.ts';

/** The part of an endpoint that the protocol shows. */
export interface DeployedEndpoint {
  readonly config: {
    readonly name: string;
    readonly variants: readonly { readonly name: string; readonly version: number; readonly isShadow?: true }[];
  };
  readonly status: EndpointView['status'];
  readonly reason: string | null;
  readonly variants: readonly {
    readonly name: string;
    readonly workers: readonly { readonly rssBytes: number | null }[];
  }[];
}

/** What the handlers of this module get; all protocols of it share one object. */
export interface OipDeps {
  readonly serving: Pick<Serving, 'route' | 'invoke' | 'enter' | 'reject'> & {
    endpoints(): readonly ServedView[];
    endpoint(name: string): ServedView | undefined;
  };
  /** All endpoints, including endpoints that are not yet or no longer served. */
  readonly deployed: () => readonly DeployedEndpoint[];
  /** Resolves when the endpoint is ready; rejects with `unavailable` after a timeout. */
  readonly load: (endpoint: string, who: string) => Promise<unknown>;
  /** Resolves when the last request is answered and the workers have stopped. */
  readonly unload: (endpoint: string, who: string) => Promise<unknown>;
  readonly health: () => { readonly live: boolean; readonly ready: boolean; readonly reason: string | null };
  /** The listener runs whenever the result of `health` may have changed. */
  readonly onHealthChange: (listener: () => void) => void;
  readonly listener: Pick<Listener, 'authenticate' | 'bodies' | 'limits' | 'activity'>;
  readonly access: { require(caller: Caller, permission: Permission): void };
  /** Captures sampled calls of endpoints, for capture files, drift and labels. */
  readonly calls: Pick<CallCapture, 'begin'>;
  /** Traces inference requests, within the trace of their caller; null if tracing is off. */
  readonly traces?: Pick<RequestTraces, 'begin' | 'refuse'> | null;
  readonly clock: Clock;
  /** Decodes large bodies. */
  readonly threads: Threads;
  /** Receives control calls, and inferences rejected before they reached a model. */
  readonly writeAccess: WriteAccess;
  /** Receives rejected mutating calls and calls with an invalid key. */
  readonly refusals: Pick<RejectionAudit, 'record'>;
  readonly log: Log;
  /** Version of Penstock. */
  readonly version: string;
}
