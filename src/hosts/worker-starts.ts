/** Starts workers: as those of an earlier home, which go on, on the host that placement chooses, or on the machine of the home. */

import { PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerSpec } from '../providers/index.ts';
import { lacksOf } from './abilities.ts';
import { chooseFrom } from './choose-host.ts';
import type { PlacedSpec } from './hosts-view.ts';
import type { KnownRequirements } from './known-requirements.ts';
import type { LinkedHosts } from './linked-hosts.ts';
import type { PlacedProviderOptions, PlacementListener } from './placed-options.ts';
import type { NewPlacement } from './placement-decisions.ts';
import { specDigest } from './remote-worker.ts';
import type { WorkerPlaces } from './worker-places.ts';

export interface WorkerStartsDeps extends Pick<PlacedProviderOptions, 'local' | 'home'> {
  readonly log: Log;
  readonly linked: LinkedHosts;
  readonly needs: Pick<KnownRequirements, 'learn'>;
  readonly places: WorkerPlaces;
  readonly listener: () => PlacementListener;
  /** A worker of an earlier home goes on. */
  readonly onAdopted: (id: string) => void;
}

export class WorkerStarts {
  readonly #deps: WorkerStartsDeps;
  readonly #starting = new Map<string, Promise<void>>();
  #isClosed = false;

  constructor(deps: WorkerStartsDeps) {
    this.#deps = deps;
  }

  /** Starts that wait for hosts are rejected. */
  close(): void {
    this.#isClosed = true;
  }

  /** As `Provider.start`. */
  start(spec: WorkerSpec): Promise<void> {
    const starting = this.#starting.get(spec.id);
    if (starting !== undefined) return starting;
    const start = this.#start(spec).finally(() => this.#starting.delete(spec.id));
    this.#starting.set(spec.id, start);
    return start;
  }

  /** Whether a host runs it for an earlier home: it goes on there. */
  adopt(spec: WorkerSpec): boolean {
    const { linked, places, onAdopted } = this.#deps;
    const digest = specDigest(spec);
    for (const host of linked.hosts) {
      if (!host.isLinked || places.wanted(host.name) === 'draining' || !host.workers.adopt(spec, digest)) continue;
      places.hostOf.set(spec.id, host.name);
      onAdopted(spec.id);
      return true;
    }
    return false;
  }

  /** Starts it on the host that was chosen. */
  async startOn(spec: WorkerSpec, name: string): Promise<void> {
    const { linked, places, local } = this.#deps;
    const host = linked.host(name);
    if (host === undefined) return local.start(spec);
    places.hostOf.set(spec.id, name);
    try {
      await host.workers.start(spec, specDigest(spec));
    } catch (error) {
      if (places.hostOf.get(spec.id) === name) places.hostOf.delete(spec.id);
      throw error;
    }
  }

  /** Reports where a worker starts or moves to. */
  placed(spec: WorkerSpec, placement: Omit<NewPlacement, 'worker'>): void {
    const { log, places, listener } = this.#deps;
    log.info({ worker: spec.id, ...placement }, 'a worker is placed');
    listener().placed({ worker: places.placedSpec(spec), ...placement });
  }

  async #start(spec: WorkerSpec): Promise<void> {
    const { local, places, needs, linked } = this.#deps;
    if (places.hostOf.has(spec.id) || places.unplaced.has(spec.id)) return;
    if (spec.python !== undefined) await needs.learn(spec);
    if (places.isLocal(spec) || local.list().some((view) => view.spec.id === spec.id)) return local.start(spec);
    // A worker of an earlier home goes on as soon as its host is linked; a new one waits until it is clear that there is none.
    while (!this.adopt(spec)) {
      if (this.#isClosed) throw new PlatformError('unavailable', 'the server is stopping: no worker can be started now');
      if (linked.isSettled) return this.#startNew(spec);
      await linked.next;
    }
  }

  async #startNew(spec: WorkerSpec): Promise<void> {
    const { local, places, linked, listener } = this.#deps;
    const placed = places.placedSpec(spec);
    const hasHosts = linked.hosts.length > 0;
    if (!hasHosts && places.localWorkers !== 'never') {
      if (spec.kind === 'instance') places.stopgaps.add(spec.id);
      return local.start(spec);
    }
    const lacks = hasHosts ? (lacksOf(linked.hosts, placed.needs) ?? this.#noDevices(placed)) : null;
    if (lacks !== null) return this.#startHere(spec, lacks);
    const choice = hasHosts ? chooseFrom(places.pool(), placed) : noHost;
    if (!choice.fits) {
      listener().rejected(placed, choice.reason);
      throw new PlatformError('unavailable', choice.reason);
    }
    this.placed(spec, { host: choice.host, cause: null, from: null, reason: choice.reason });
    await this.startOn(spec, choice.host);
  }

  /** Why no host can run the worker; null if one can, or the worker needs no device. */
  #noDevices({ accelerator }: PlacedSpec): string | null {
    if (accelerator === null) return null;
    const hasPlaces = this.#deps.linked.hosts.some(({ capacity: { accelerators = {} } }) => (accelerators[accelerator] ?? 0) > 0);
    return hasPlaces ? null : `no host has a device for ${accelerator}`;
  }

  /** No host has what it needs, whatever its room: as without hosts, it starts on the machine of the home. */
  #startHere(spec: WorkerSpec, reason: string): Promise<void> {
    const { home, local, places } = this.#deps;
    if (spec.kind === 'instance') places.stopgaps.add(spec.id);
    this.placed(spec, { host: home.name, cause: null, from: null, reason });
    return local.start(spec);
  }
}

const noHost = {
  fits: false,
  reason: 'no host has room: none is linked, and the nodes run no such worker themselves (--local-workers never)',
} as const;
