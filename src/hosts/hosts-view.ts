/** Hosts as their links show them now: what the home knows of each, from its agent. */
import { nameKey } from '../names.ts';
import type { TaskState, WorkerSpec, WorkerState } from '../providers/index.ts';
import type { WorkerRequirements } from './abilities.ts';
import type { HostFacts, PlacedWorker, WantedHostState, WorkerSize } from './host.ts';

/**
 * `linked`: its agent responds. `away`: it does not, and its workers may still run. `lost`: it has been away for too long, so its workers
 * are placed again.
 */
export type HostLinkState = 'linked' | 'away' | 'lost';

/** A host by its link. What the operator wants of it is in `HostStates`. */
export interface ObservedHost extends Omit<HostFacts, 'state' | 'isOnNotice'> {
  /** Whether it is the machine of the node that serves. */
  readonly isHome: boolean;
  /** False for a home that keeps workers of hosts off its machine. */
  readonly takesWorkers: boolean;
  /** Its agent stops, and asked for its workers to move. */
  readonly isLeaving: boolean;
  readonly link: HostLinkState;
  /** Of its agent, if it is a machine of its own. */
  readonly version?: string;
  /** Since the last byte of its agent. */
  readonly silentMs: number;
  /** Round trip of its link; null if it is not known. */
  readonly lagMs: number | null;
  /** By how much its clock is ahead of that of the home; null if it is not known. */
  readonly clockAheadMs: number | null;
  /** Time until its agent stops; null unless it asked for its workers to move. */
  readonly endsInMs: number | null;
  /** Where its agent connects from; null if it is not known. */
  readonly address: string | null;
  readonly workers: readonly HostWorker[];
  /** Absent for the home. */
  readonly hostTasks?: readonly HostTask[];
}

/** A task on a host. An ended one has no process, but files that the home may not have read yet. */
export interface HostTask extends Pick<WorkerSize, 'cpuMilli' | 'memoryMiB'> {
  /** As in `TaskSpec`. */
  readonly id: string;
  /** `preparing`: its inputs are put into its folder. */
  readonly state: TaskState | 'preparing';
}

/** A worker that is placed, for placement and for its display. */
export interface PlacedSpec extends Omit<PlacedWorker, 'host'> {
  readonly endpoint: string;
  /** The name of the variant within its endpoint. */
  readonly variantName: string;
  /** `digits/3` */
  readonly model: string;
  readonly instanceType: string;
}

/** A worker on a host. */
export interface HostWorker extends PlacedSpec {
  readonly host: string;
  readonly state: WorkerState;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  /** The home runs it for lack of hosts. */
  readonly isStopgap: boolean;
}

/** A worker that no host has room for. */
export interface UnplacedWorker extends WorkerSize {
  readonly worker: string;
  readonly endpoint: string;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

/** All hosts that were linked to this home. */
export interface HostsView {
  list(): readonly ObservedHost[];
  unplaced(): readonly UnplacedWorker[];
  /** Tasks that hosts should have room for: those that wait for room, and those that run on hosts. */
  tasks(): readonly WorkerSize[];
  /** Of a host whose certificate is refused from now on: its workers start elsewhere at once, and then it is listed no more. */
  forget(host: string): void;
  /** Called when a host or one of its workers changed. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void;
}

/** What a worker of this specification occupies. `accelerated`: instance types with devices. */
export function placedSpecOf(spec: WorkerSpec, accelerated: ReadonlySet<string>, needs: WorkerRequirements | null = null): PlacedSpec {
  const { id, endpoint, variant, kind, artifact, threads, vcpuMax, memoryMiB, instanceType, modelName } = spec;
  return {
    id,
    endpoint,
    variantName: variant,
    // Not by generation: a change of the endpoint leaves instances running whose program it does not change, and adds others to them.
    variant: `${nameKey(endpoint)}/${nameKey(variant)}/${modelName}`,
    model: spec.displayName ?? modelName,
    instanceType,
    kind,
    artifact: artifact.sha256,
    instances: null,
    cpuMilli: Math.round(1000 * (vcpuMax ?? threads)),
    memoryMiB,
    accelerator: accelerated.has(instanceType) ? instanceType : null,
    ...(needs === null ? {} : { needs }),
  };
}

/** What placement goes by: the state of the link, and an agent that stops and a home without workers decide over what the operator wants. */
export function hostFactsOf(
  { link, isLeaving, takesWorkers, ...host }: Omit<ObservedHost, 'silentMs'>,
  operatorWants: WantedHostState,
): HostFacts {
  const wanted = isLeaving ? 'draining' : takesWorkers ? operatorWants : 'cordoned';
  const state = link === 'lost' ? 'lost' : link === 'away' && wanted !== 'draining' ? 'away' : wanted;
  return { ...host, state, isOnNotice: isLeaving };
}
