/** The interface to serving, a higher layer; injected when the platform is built. */

import type { ModelVersion } from '../registry/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import type { EndpointConfig, VariantConfig } from './config/endpoint-config.ts';
import type { LadderConfig } from './config/ladder-config.ts';
import type { CountedVersion } from './rollouts/version-counts.ts';

/** The routing of an endpoint. */
export interface ServedEndpoint {
  readonly config: EndpointConfig;
  readonly generation: number;
  readonly variants: readonly { readonly config: VariantConfig; readonly version: ModelVersion }[];
}

/** A ready worker with its link. */
export interface ServedWorker {
  readonly id: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly generation: number;
  readonly version: ModelVersion;
  readonly instanceType: string;
  /** 0 for a function: it is billed by use. */
  readonly usdPerHour: number;
  /** Memory limit of a function's execution environment; null for an instance. */
  readonly functionMemoryMiB: number | null;
  /** The time from requesting a function until it is ready; 0 for an instance. */
  readonly coldStartMs: number;
  readonly threads: number;
  readonly link: ServingLink;
  /** The plans that it has loaded; absent for a worker with one model. */
  readonly ladder?: LadderConfig;
  /** The shadow whose model it has loaded too, to run it in idle time. */
  readonly shadow?: LoadedShadow;
}

/** A shadow whose model the workers of the production variant load too. */
export interface LoadedShadow {
  /** The variant that receives the copies. */
  readonly variant: string;
  readonly version: ModelVersion;
}

/** Implemented by `Serving`. Synchronous, so the reconciler knows that a step has taken effect when the call returns. */
export interface ServingPort {
  /** Replaces the endpoint's routing atomically. Its workers were attached before. */
  serve(endpoint: ServedEndpoint): void;
  /** An instance was requested: it is billed from now on, even if it never becomes ready. `drain` ends the billing. */
  launched(instance: Pick<ServedWorker, 'id' | 'endpoint' | 'variant' | 'usdPerHour'>): void;
  /** A worker is ready; called again with its new link after a restart. */
  attach(worker: ServedWorker): void;
  /** The worker died or is about to be stopped: it gets no more batches. Unknown ids are ignored. */
  detach(workerId: string): void;
  /** A requested function failed: it crashed repeatedly while starting, or could not be started. */
  functionFailed(workerId: string, reason: string): void;
  /** The worker gets no new batch; resolves when its open one is answered. Unknown ids are ignored. */
  drain(workerId: string): Promise<void>;
  /** Rejects new requests until the endpoint is served again; resolves when the pending ones are answered. */
  suspend(endpoint: string): Promise<void>;
  /** As `suspend`, and also removes the endpoint. */
  discard(endpoint: string): Promise<void>;
  /** The counts of each version that has workers, over all its variants, even if no requests are routed to it. */
  counted(endpoint: string): readonly CountedVersion[];
}
