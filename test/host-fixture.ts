/** Hosts and workers for tests. */
import type {
  HostFacts,
  HostsView,
  HostWorker,
  ObservedHost,
  PlacedWorker,
  PlacementRequest,
  UnplacedWorker,
  WorkerSize,
} from '../src/hosts/index.ts';

export function hostFixture(name: string, changes: Partial<HostFacts> = {}): HostFacts {
  return {
    name,
    zone: 'a',
    state: 'ready',
    cpuMilli: 8000,
    memoryMiB: 16_384,
    accelerators: {},
    artifacts: new Set(),
    warmWorkers: 0,
    isOnNotice: false,
    isLastResort: false,
    ...changes,
  };
}

export function instanceRequest(changes: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    variant: 'digits/blue',
    kind: 'instance',
    artifact: 'f00d',
    instances: 1,
    cpuMilli: 2000,
    memoryMiB: 4096,
    accelerator: null,
    ...changes,
  };
}

export function functionRequest(changes: Partial<PlacementRequest> = {}): PlacementRequest {
  return instanceRequest({ kind: 'function', cpuMilli: 500, memoryMiB: 1024, ...changes });
}

export function placedWorker(id: string, host: string, changes: Partial<PlacementRequest> = {}): PlacedWorker {
  return { ...instanceRequest(changes), id, host };
}

/** Hosts and workers in memory, which a test changes. Calls its listeners only when `changed` is called. */
export class MemoryHosts implements HostsView {
  readonly #hosts = new Map<string, ObservedHost>();
  readonly #listeners = new Set<() => void>();

  lost: UnplacedWorker[] = [];
  wantedTasks: WorkerSize[] = [];

  tasks(): readonly WorkerSize[] {
    return this.wantedTasks;
  }

  unplaced(): readonly UnplacedWorker[] {
    return this.lost;
  }

  list(): readonly ObservedHost[] {
    return [...this.#hosts.values()];
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(name: string, changes: Partial<ObservedHost> = {}): void {
    const { state: _, isOnNotice: __, ...facts } = hostFixture(name);
    const before = this.#hosts.get(name) ?? {
      ...facts,
      isHome: false,
      takesWorkers: true,
      isLeaving: false,
      link: 'linked',
      silentMs: 20,
      lagMs: 1,
      clockAheadMs: null,
      endsInMs: null,
      address: '127.0.0.1:9',
      workers: [],
    };
    this.#hosts.set(name, { ...before, ...changes });
  }

  forget(name: string): void {
    this.#hosts.delete(name);
  }

  /** Puts a worker on a host, beside the others. */
  start(id: string, name: string, changes: Partial<HostWorker> = {}): void {
    const [endpoint, variantName] = ['digits', 'blue'];
    const shown = {
      endpoint,
      variantName,
      model: 'digits/1',
      instanceType: 'local.1',
      state: 'ready',
      startedAtMs: 0,
      isStopgap: false,
    } as const;
    const worker: HostWorker = { ...placedWorker(id, name, { instances: null }), ...shown, ...changes };
    this.set(name, { workers: [...(this.#hosts.get(name)?.workers ?? []).filter((each) => each.id !== id), worker] });
  }

  stop(id: string, from?: string): void {
    for (const { name, workers } of this.list()) {
      if (from === undefined || name === from) this.set(name, { workers: workers.filter((each) => each.id !== id) });
    }
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
