/** What placement and operators see of a linked host, and of the machine of the home, which is a host as well. */
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { HostFacts } from './host.ts';
import type { HostWorker, ObservedHost, PlacedSpec } from './hosts-view.ts';
import type { RemoteHost } from './remote-host.ts';

type SpecOf = (spec: WorkerSpec) => PlacedSpec;

export function observedHost(host: RemoteHost, specOf: SpecOf, isLeaving: boolean): ObservedHost {
  return {
    name: host.name,
    ...host.capacity,
    isHome: false,
    isLeaving,
    link: host.isLost ? 'lost' : host.isLinked ? 'linked' : 'away',
    silentMs: host.silentMs,
    lagMs: null,
    address: host.address,
    ...factsOf(host.workers),
    workers: host.workers.map((view) => workerOn(host.name, view, specOf)),
  };
}

export function observedHome(
  home: Pick<HostFacts, 'name' | 'zone' | 'cpuMilli' | 'memoryMiB'>,
  views: readonly WorkerView[],
  specOf: SpecOf,
): ObservedHost {
  const workers = views.map((view) => workerOn(home.name, view, specOf));
  return { ...home, isHome: true, isLeaving: false, link: 'linked', silentMs: 0, lagMs: null, address: null, ...factsOf(views), workers };
}

function factsOf(views: readonly WorkerView[]): Pick<HostFacts, 'accelerators' | 'artifacts' | 'warmWorkers' | 'isOnNotice'> {
  const artifacts = new Set(views.map(({ spec }) => spec.artifact.sha256));
  return { accelerators: {}, artifacts, warmWorkers: 0, isOnNotice: false };
}

function workerOn(host: string, { spec, state, startedAtMs }: WorkerView, specOf: SpecOf): HostWorker {
  return { ...specOf(spec), host, state, startedAtMs };
}
