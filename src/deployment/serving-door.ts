/** What deployment needs of serving, which lives above it: handed in when the platform is built. */

import type { ModelVersion } from '../registry/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import type { CountedVersion } from './version-counts.ts';

export interface ServedEndpoint {
  readonly config: EndpointConfig;
  readonly generation: number;
  readonly variants: readonly { readonly config: VariantConfig; readonly version: ModelVersion }[];
}

export interface ServedWorker {
  readonly id: string;
  readonly endpoint: string;
  readonly variant: string;
  readonly generation: number;
  readonly version: ModelVersion;
  readonly instanceType: string;
  /** 0 for a function: it costs by what it is used. */
  readonly usdPerHour: number;
  /** What a function's environment may use; null for an instance. */
  readonly functionMemoryMiB: number | null;
  /** From the wish for a function to its being ready; 0 for an instance. */
  readonly coldStartMs: number;
  readonly threads: number;
  readonly link: WorkerLink;
}

export interface ServingDoor {
  /** From now on this is the endpoint's routing, at one stroke. Its workers were attached before. */
  serve(endpoint: ServedEndpoint): void;
  /** An instance was asked for: it costs from now on, whether it becomes ready or not. Once it is sent away it is drained like others. */
  launched(instance: Pick<ServedWorker, 'id' | 'endpoint' | 'variant' | 'usdPerHour'>): void;
  /** A worker that is ready; again, with its new link, after a restart. */
  attach(worker: ServedWorker): void;
  /** The worker died, or is about to be stopped: it gets nothing any more. Unknown ids are fine. */
  detach(workerId: string): void;
  /** A function that was asked for will not come: it crashed again and again while it started, or could not be started. */
  functionFailed(workerId: string, reason: string): void;
  /** The worker gets no new batch; resolves when its open one is answered. Unknown ids are fine. */
  drain(workerId: string): Promise<void>;
  /** Refuses new requests until it is served again; resolves when those under way are answered. */
  suspend(endpoint: string): Promise<void>;
  /** As `suspend`, and the endpoint is unknown from now on. */
  forget(endpoint: string): Promise<void>;
  /** What each version did that has workers there, whether requests go to it or not; all variants of a version together. */
  counted(endpoint: string): readonly CountedVersion[];
}
