/** What placement and operators see of a linked host, and of the machine of the home, which is a host as well. */
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { HostFacts, WorkerSize } from './host.ts';
import type { HostTask, HostWorker, ObservedHost, PlacedSpec } from './hosts-view.ts';
import type { RemoteHost } from './remote-host.ts';

type SpecOf = (spec: WorkerSpec) => PlacedSpec;

export function observedHost(host: RemoteHost, specOf: SpecOf, isLeaving: boolean): ObservedHost {
  return {
    name: host.name,
    accelerators: {},
    ...host.capacity,
    abilities: host.abilities,
    isHome: false,
    takesWorkers: true,
    isLeaving,
    link: host.isLost ? 'lost' : host.isLinked ? 'linked' : 'away',
    silentMs: host.silentMs,
    lagMs: host.measured?.lagMs ?? null,
    clockAheadMs: host.measured?.aheadMs ?? null,
    endsInMs: host.endsInMs,
    address: host.address,
    ...factsOf(host.workers.views),
    warmWorkers: host.warmWorkers,
    tasks: heldBy(host.tasks.list),
    hostTasks: host.tasks.list,
    workers: host.workers.views.map((view) => ({ ...workerOn(host.name, view, specOf), isStopgap: false })),
  };
}

/** What tasks occupy that run, or will. */
function heldBy(tasks: readonly HostTask[]): Pick<WorkerSize, 'cpuMilli' | 'memoryMiB'> {
  const held = tasks.filter(({ state }) => state !== 'ended' && state !== 'lost');
  const sum = (of: (task: HostTask) => number): number => held.reduce((all, task) => all + of(task), 0);
  return { cpuMilli: sum(({ cpuMilli }) => cpuMilli), memoryMiB: sum(({ memoryMiB }) => memoryMiB) };
}

/** How the home is used for workers. */
interface HomeUse {
  readonly specOf: SpecOf;
  readonly localWorkers: 'always' | 'when-needed' | 'never';
  readonly isStopgap: (spec: WorkerSpec) => boolean;
}

export function observedHome(
  home: Pick<HostFacts, 'name' | 'zone' | 'cpuMilli' | 'memoryMiB' | 'accelerators' | 'warmWorkers'>,
  views: readonly WorkerView[],
  { specOf, localWorkers, isStopgap }: HomeUse,
): ObservedHost {
  return {
    ...home,
    isHome: true,
    takesWorkers: localWorkers !== 'never',
    isLeaving: false,
    link: 'linked',
    silentMs: 0,
    lagMs: null,
    clockAheadMs: null,
    endsInMs: null,
    address: null,
    ...factsOf(views),
    isLastResort: localWorkers !== 'always',
    workers: views.map((view) => ({ ...workerOn(home.name, view, specOf), isStopgap: isStopgap(view.spec) })),
  };
}

function factsOf(views: readonly WorkerView[]): Pick<HostFacts, 'artifacts' | 'isLastResort'> {
  const artifacts = new Set(views.map(({ spec }) => spec.artifact.sha256));
  return { artifacts, isLastResort: false };
}

function workerOn(host: string, { spec, state, startedAtMs }: WorkerView, specOf: SpecOf): Omit<HostWorker, 'isStopgap'> {
  return { ...specOf(spec), host, state, startedAtMs };
}
