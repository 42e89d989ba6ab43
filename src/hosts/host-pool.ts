/** Hosts with what is free on each, for many choices in a row. Pure: it acts on nothing outside of itself. */
import { lackOf } from './abilities.ts';
import type { HostFacts, PlacedWorker, PlacementRequest, WorkerSize } from './host.ts';

/** A host of a pool. */
export interface PooledHost {
  readonly facts: HostFacts;
  /** Index of its zone in `HostPool.zones`. */
  readonly zone: number;
  cpuFreeMilli: number;
  memoryFreeMiB: number;
  /** Workers by instance type with devices. */
  readonly onDevices: Map<string, number>;
  /** Instances by variant. */
  readonly instances: Map<string, number>;
}

/** Built for one round of placement: states of hosts do not change in it, workers do. */
export class HostPool {
  /** By name. */
  readonly hosts: readonly PooledHost[];
  readonly zones: readonly string[];
  readonly #byName: ReadonlyMap<string, PooledHost>;
  /** By variant: instances by zone. */
  readonly #inZones = new Map<string, number[]>();
  /** By variant: instances on hosts that are not lost. */
  readonly #responding = new Map<string, number>();
  readonly #workers = new Map<string, PlacedWorker>();

  constructor(hosts: readonly HostFacts[], workers: Iterable<PlacedWorker> = []) {
    const sorted = hosts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.zones = [...new Set(sorted.map(({ zone }) => zone))];
    const zoneIndex = new Map(this.zones.map((zone, i) => [zone, i]));
    this.hosts = sorted.map((facts) => ({
      facts,
      zone: zoneIndex.get(facts.zone) ?? 0,
      cpuFreeMilli: facts.cpuMilli - (facts.tasks?.cpuMilli ?? 0),
      memoryFreeMiB: facts.memoryMiB - (facts.tasks?.memoryMiB ?? 0),
      onDevices: new Map(),
      instances: new Map(),
    }));
    this.#byName = new Map(this.hosts.map((host) => [host.facts.name, host]));
    for (const worker of workers) this.place(worker);
  }

  host(name: string): PooledHost | undefined {
    return this.#byName.get(name);
  }

  worker(id: string): PlacedWorker | undefined {
    return this.#workers.get(id);
  }

  workers(): IterableIterator<PlacedWorker> {
    return this.#workers.values();
  }

  /** A worker that is placed already moves. One on an unknown host is remembered, and occupies nothing. */
  place(worker: PlacedWorker): void {
    this.remove(worker.id);
    this.#workers.set(worker.id, worker);
    this.#count(worker, 1);
  }

  /** Ignores unknown ids. */
  remove(id: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#workers.delete(id);
    this.#count(worker, -1);
  }

  /** By index of the zone: instances of a variant on hosts that keep them. Those on draining and lost hosts will be gone. */
  instancesByZone(variant: string): readonly number[] | undefined {
    return this.#inZones.get(variant);
  }

  /** Instances of a variant on hosts that are not lost. */
  instancesOf(variant: string): number {
    return this.#responding.get(variant) ?? 0;
  }

  #count(worker: PlacedWorker, by: 1 | -1): void {
    const host = this.#byName.get(worker.host);
    if (host === undefined) return;
    host.cpuFreeMilli -= by * worker.cpuMilli;
    host.memoryFreeMiB -= by * worker.memoryMiB;
    if (worker.accelerator !== null) add(host.onDevices, worker.accelerator, by);
    if (worker.kind !== 'instance') return;
    add(host.instances, worker.variant, by);
    if (host.facts.state !== 'lost') add(this.#responding, worker.variant, by);
    if (!keepsWorkers(host.facts)) return;
    let zones = this.#inZones.get(worker.variant);
    if (zones === undefined) this.#inZones.set(worker.variant, (zones = this.zones.map(() => 0)));
    zones[host.zone] = (zones[host.zone] ?? 0) + by;
  }
}

/** Whether workers stay where they are. */
export function keepsWorkers({ state }: Pick<HostFacts, 'state'>): boolean {
  return state === 'ready' || state === 'cordoned' || state === 'away';
}

/** Whether the worker fits into what is free now. */
export function hasRoom({ facts, cpuFreeMilli, memoryFreeMiB, onDevices }: PooledHost, size: WorkerSize): boolean {
  if (cpuFreeMilli < size.cpuMilli || memoryFreeMiB < size.memoryMiB) return false;
  if (size.accelerator === null) return true;
  return (onDevices.get(size.accelerator) ?? 0) < placesFor(facts, size.accelerator);
}

/** Whether the host has what the worker needs, and room for it now. */
export function canHave(host: PooledHost, request: WorkerSize & Pick<PlacementRequest, 'needs'>): boolean {
  return hasRoom(host, request) && lackOf(host.facts.abilities, request.needs) === null;
}

/** Whether the worker fits into the host if it has no others. */
export function isLargeEnough(facts: HostFacts, { cpuMilli, memoryMiB, accelerator }: WorkerSize): boolean {
  return facts.cpuMilli >= cpuMilli && facts.memoryMiB >= memoryMiB && (accelerator === null || placesFor(facts, accelerator) > 0);
}

function placesFor({ accelerators }: HostFacts, type: string): number {
  return Object.hasOwn(accelerators, type) ? (accelerators[type] ?? 0) : 0;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
