/** Where each worker of a home is, and what placement knows of it: the hosts, what they have room for, and what each worker needs. */
import type { WorkerSpec } from '../providers/index.ts';
import type { WantedHostState } from './host.ts';
import { HostPool } from './host-pool.ts';
import { hostFactsOf, type ObservedHost, type PlacedSpec, placedSpecOf, type UnplacedWorker } from './hosts-view.ts';
import type { KnownRequirements } from './known-requirements.ts';
import { localReason } from './link/worker-spec.ts';
import type { LinkedHosts } from './linked-hosts.ts';
import { observedHome, observedHost } from './observed-hosts.ts';
import type { LocalWorkers, PlacedProviderOptions } from './placed-options.ts';
import type { RemoteHost } from './remote-host.ts';
import { unplacedWorker } from './unplaced-workers.ts';

/** A worker that no host has room for. */
export interface WaitingWorker {
  readonly spec: WorkerSpec;
  reason: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

export type WorkerPlacesOptions = Pick<PlacedProviderOptions, 'local' | 'home' | 'accelerators' | 'localWorkers'>;

export class WorkerPlaces {
  readonly #options: WorkerPlacesOptions;
  readonly #linked: Pick<LinkedHosts, 'hosts' | 'host'>;
  readonly #needs: Pick<KnownRequirements, 'of'>;
  /** Instance types with devices. */
  readonly #accelerated: ReadonlySet<string>;
  /** The name of the host of each worker that is not on the home. */
  readonly hostOf = new Map<string, string>();
  readonly unplaced = new Map<string, WaitingWorker>();
  /** Instances that the home started while no host was linked. */
  readonly stopgaps = new Set<string>();
  /** Hosts whose agents stop. */
  readonly leaving = new Set<string>();
  /** What the operator wants of each host. */
  wantedOf: (host: string) => WantedHostState = () => 'ready';

  constructor(options: WorkerPlacesOptions, linked: Pick<LinkedHosts, 'hosts' | 'host'>, needs: Pick<KnownRequirements, 'of'>) {
    this.#options = options;
    this.#linked = linked;
    this.#needs = needs;
    this.#accelerated = new Set(Object.keys(options.accelerators ?? {}));
  }

  get localWorkers(): LocalWorkers {
    return this.#options.localWorkers ?? 'always';
  }

  /** What is wanted of a host: an agent that stops decides over the operator. */
  wanted(name: string): WantedHostState {
    return this.leaving.has(name) ? 'draining' : this.wantedOf(name);
  }

  /** The host of a worker; undefined for the machine of the home, and if it has no host. */
  remoteHostOf(id: string): RemoteHost | undefined {
    const name = this.hostOf.get(id);
    return name === undefined ? undefined : this.#linked.host(name);
  }

  /** The machine of the home is a host as well. */
  observed(): readonly ObservedHost[] {
    const { home, local, accelerators = {} } = this.#options;
    const specOf = (spec: WorkerSpec): PlacedSpec => this.placedSpec(spec);
    return [
      observedHome({ ...home, accelerators, warmWorkers: local.warmWorkers }, local.list(), {
        specOf,
        localWorkers: this.localWorkers,
        isStopgap: (spec) => this.isStopgap(spec),
      }),
      ...this.#linked.hosts.map((host) => observedHost(host, specOf, this.leaving.has(host.name))),
    ];
  }

  pool(): HostPool {
    const observed = this.observed();
    const currentHost = (id: string): string => this.hostOf.get(id) ?? this.#options.home.name;
    // Of a worker that moves, the other process counts too.
    const workers = observed
      .flatMap((host) => host.workers)
      .map((worker) => (currentHost(worker.id) === worker.host ? worker : { ...worker, id: `${worker.id} (other)` }));
    return new HostPool(
      observed.map((host) => hostFactsOf(host, this.wanted(host.name))),
      workers,
    );
  }

  /** Workers that no host has room for. */
  waiting(): readonly UnplacedWorker[] {
    return [...this.unplaced.values()].map(({ spec, reason, sinceMs }) => unplacedWorker(this.placedSpec(spec), reason, sinceMs));
  }

  placedSpec(spec: WorkerSpec): PlacedSpec {
    return placedSpecOf(spec, this.#accelerated, this.#needs.of(spec));
  }

  /** Files of this machine are not on hosts. */
  isLocal(spec: WorkerSpec): boolean {
    return localReason(spec) !== null || this.#needs.of(spec) === null;
  }

  /** An instance of the home for lack of hosts: it moves as soon as there is a better place. */
  isStopgap(spec: WorkerSpec): boolean {
    if (spec.kind !== 'instance' || this.hostOf.has(spec.id) || this.isLocal(spec)) return false;
    return this.localWorkers !== 'always' || this.stopgaps.has(spec.id);
  }

  get hasStopgaps(): boolean {
    return this.#options.local.list().some(({ spec }) => this.isStopgap(spec));
  }

  isNowOn(id: string, name: string): void {
    this.stopgaps.delete(id);
    if (name === this.#options.home.name) this.hostOf.delete(id);
    else this.hostOf.set(id, name);
  }

  /** It has been stopped. */
  remove(id: string): void {
    for (const part of [this.stopgaps, this.unplaced, this.hostOf]) part.delete(id);
  }
}
