/** Hosts as their links show them now: what the home knows of each, from its agent. */
import type { WorkerSpec, WorkerState, WorkerView } from '../providers/index.ts';
import type { HostFacts, HostState, PlacedWorker, WantedHostState } from './host.ts';

/**
 * `linked`: its agent responds. `away`: it does not, and its workers may still run. `lost`: it has been away for too long, so its workers
 * are placed again.
 */
export type HostLinkState = 'linked' | 'away' | 'lost';

/** A host by its link. What the operator wants of it is in `HostStates`. */
export interface ObservedHost extends Omit<HostFacts, 'state'> {
  readonly link: HostLinkState;
  /** Since the last byte of its agent. */
  readonly silentMs: number;
  /** Round trip of the last beat; null before the first. */
  readonly lagMs: number | null;
  /** Where its agent connects from; null if it is not known. */
  readonly address: string | null;
  readonly workers: readonly HostWorker[];
}

/** A worker on a host, for placement and for its display. */
export interface HostWorker extends PlacedWorker {
  readonly endpoint: string;
  /** The name of the variant within its endpoint. */
  readonly variantName: string;
  /** `digits/3` */
  readonly model: string;
  readonly instanceType: string;
  readonly state: WorkerState;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
}

/** All hosts that were linked to this home. */
export interface HostsView {
  list(): readonly ObservedHost[];
  /** Called when a host or one of its workers changed. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void;
}

/** What a worker of this specification occupies, as the request for its host. `accelerated`: instance types with devices. */
export function placementRequestOf(spec: WorkerSpec, accelerated: ReadonlySet<string>): Omit<PlacedWorker, 'id' | 'host'> {
  const { endpoint, variant, generation, kind, artifact, threads, vcpuMax, memoryMiB, instanceType } = spec;
  return {
    variant: `${endpoint}/${variant}#${generation}`,
    kind,
    artifact: artifact.sha256,
    instances: null,
    cpuMilli: Math.round(1000 * (vcpuMax ?? threads)),
    memoryMiB,
    accelerator: accelerated.has(instanceType) ? instanceType : null,
  };
}

export function hostWorkerOf({ spec, state, startedAtMs }: WorkerView, host: string, accelerated: ReadonlySet<string>): HostWorker {
  const { id, endpoint, variant: variantName, instanceType, modelName, displayName: model = modelName } = spec;
  return { ...placementRequestOf(spec, accelerated), id, host, endpoint, variantName, model, instanceType, state, startedAtMs };
}

/** The state that placement goes by: the link decides over what is wanted. */
export function hostStateOf(link: HostLinkState, wanted: WantedHostState): HostState {
  if (link === 'lost') return 'lost';
  return link === 'away' && wanted !== 'draining' ? 'away' : wanted;
}
