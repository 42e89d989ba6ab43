/**
 * The workers of a host as the home sees them, over all its links: as wanted here, and as its agent reports them. While the host is away, they
 * stand as unreachable, and go on there.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerExit } from '../records/index.ts';
import { malformedFrame } from '../runtime/index.ts';
import type { HostLink } from './host-link.ts';
import { type HostExit, type WorkerReport, type WorkerUsage, workersMax } from './link/reports.ts';
import { RemoteWorker } from './remote-worker.ts';
import { RemoteWorkerLink } from './remote-worker-link.ts';

/** What the workers of a host report to. Callbacks must not throw. */
export interface HostWorkersDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the home. */
  readonly epoch: number;
  /** The host. Its capacity is that of its current link. */
  readonly host: { readonly name: string; readonly capacity: { readonly zone: string } };
  /** How long a worker that an earlier home started waits to be wanted by this one, in milliseconds. */
  readonly unclaimedMsMax: number;
  readonly onChange: (view: WorkerView) => void;
  /** The current link has reported all workers. */
  readonly onReported: () => void;
  readonly onEnded: (workerId: string, exit: WorkerExit | null) => void;
  /** `ageMs`: since it was printed. */
  readonly onLine: (spec: WorkerSpec, line: string, requestIds: readonly string[], ageMs: number) => void;
}

export class HostWorkers {
  readonly #deps: HostWorkersDeps;
  /** By the ids of their specifications. */
  readonly #workers = new Map<string, RemoteWorker>();
  readonly #byKey = new Map<string, RemoteWorker>();
  /** Reported workers that nothing here wants yet, by their keys. */
  readonly #unclaimed = new Map<string, WorkerReport>();
  /** Workers that were given up, by their keys: what they printed before is known here, if the host returns. */
  readonly #forgotten = new Map<string, WorkerSpec>();
  #link: HostLink | null = null;
  #isReported = false;
  #keys = 0;
  #cancelUnclaimed: () => void = () => undefined;

  constructor(deps: HostWorkersDeps) {
    this.#deps = deps;
  }

  /** Whether the current link has reported all workers: until then, nothing is started over it. */
  get isReported(): boolean {
    return this.#isReported;
  }

  get count(): number {
    return this.#workers.size;
  }

  get views(): readonly WorkerView[] {
    return [...this.#workers.values()].map((worker) => worker.view());
  }

  get specs(): readonly WorkerSpec[] {
    return [...this.#workers.values()].map(({ spec }) => spec);
  }

  get(id: string): RemoteWorker | undefined {
    return this.#workers.get(id);
  }

  linked(link: HostLink): void {
    this.#link = link;
    this.#isReported = false;
    this.#unclaimed.clear();
  }

  /** They go on there, but cannot be reached. */
  unlinked(why: string): void {
    this.close();
    for (const worker of this.#workers.values()) {
      worker.unreachable(`the link to host ${this.#deps.host.name} is lost: ${why}`);
      this.#deps.onChange(worker.view());
    }
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#link = null;
    this.#isReported = false;
    this.#cancelUnclaimed();
  }

  /** A worker that an earlier home started here, and that may serve as this one, goes on without a restart. False if there is none. */
  adopt(spec: WorkerSpec, digest: string): boolean {
    const found = [...this.#unclaimed.values()].filter((report) => report.digest === digest);
    const report = found.find(({ state }) => state === 'ready') ?? found[0];
    if (report === undefined) return false;
    this.#unclaimed.delete(report.key);
    this.#forgotten.delete(report.key);
    const worker = this.#add(spec, digest, report.key);
    this.#deps.log.info({ host: this.#deps.host.name, worker: spec.id, state: report.state }, 'a worker was adopted');
    this.#update(worker, report);
    if (this.#isReported) this.#claim([report.key]);
    return true;
  }

  /** Resolves when the agent has accepted it. Rejects with the reason of the agent, and with `unavailable` if it is not linked. */
  async start(spec: WorkerSpec, digest: string): Promise<void> {
    const worker = this.#add(spec, digest, this.#newKey(spec.id));
    this.#deps.onChange(worker.view());
    if (!this.#isReported) return; // It is started as soon as the agent has reported.
    try {
      await this.#startThere(worker);
    } catch (error) {
      if (!(error instanceof PlatformError)) return; // The link broke: decided when the host is linked again, or lost.
      this.#remove(worker);
      throw error;
    }
  }

  /** Resolves when the process has ended, or the host is not linked: it then stops once it is. Ignores unknown ids. */
  async stop(id: string): Promise<void> {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#remove(worker);
    await this.#link?.command({ method: 'stop', key: worker.key }).catch((error: unknown) => {
      this.#deps.log.warn({ host: this.#deps.host.name, worker: id, error: messageOf(error) }, 'a worker of a host was not stopped');
    });
  }

  /** Gives the worker up: it is placed elsewhere. If the host returns, it ends there. */
  forget(id: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#remove(worker);
    if (this.#forgotten.size < workersMax) this.#forgotten.set(worker.key, worker.spec);
  }

  restart(id: string, reason: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#link?.command({ method: 'restart', key: worker.key, reason }).catch(() => undefined);
  }

  /** Throws if it reports too many. */
  reported(report: WorkerReport): void {
    const worker = this.#byKey.get(report.key);
    if (worker !== undefined) {
      this.#update(worker, report);
      return;
    }
    if (this.#unclaimed.size >= workersMax) throw malformedFrame(`it reports more than ${workersMax} workers`);
    // A late report of a worker that was stopped meanwhile is of no interest.
    if (!this.#isReported || this.#unclaimed.has(report.key)) this.#unclaimed.set(report.key, report);
  }

  /** What is wanted and was not reported does not run: the agent has lost it. */
  reportedAll(keys: ReadonlySet<string>): void {
    const { clock, log, host, unclaimedMsMax, onReported, onChange } = this.#deps;
    this.#isReported = true;
    for (const key of this.#unclaimed.keys()) if (!keys.has(key)) this.#unclaimed.delete(key);
    this.#claim([...keys].filter((key) => this.#specOf(key) !== undefined));
    onReported();
    for (const worker of this.#workers.values()) {
      if (keys.has(worker.key)) continue;
      this.#startThere(worker).catch((error: unknown) => {
        worker.unreachable(`host ${host.name} did not start it: ${messageOf(error)}`);
        log.warn({ host: host.name, worker: worker.spec.id, error: messageOf(error) }, 'a worker was not started again');
        onChange(worker.view());
      });
    }
    this.#cancelUnclaimed();
    this.#cancelUnclaimed = clock.after(unclaimedMsMax, () => this.#stopUnclaimed());
  }

  measured(usage: readonly WorkerUsage[]): void {
    for (const each of usage) this.#byKey.get(each.key)?.measured(each);
  }

  ended(key: string, exit: HostExit | null): void {
    const spec = this.#specOf(key);
    if (spec === undefined) return;
    const { id, endpoint, variant, kind, instanceType, modelName, displayName = modelName } = spec;
    const executor = kind === 'function' ? instanceType : `instance:${instanceType}`;
    this.#deps.onEnded(id, exit === null ? null : { worker: id, endpoint, variant, model: displayName, executor, ...exit });
  }

  printed(key: string, line: string, requestIds: readonly string[], ageMs: number): void {
    const spec = this.#specOf(key);
    if (spec !== undefined) this.#deps.onLine(spec, line, requestIds, ageMs);
  }

  #specOf(key: string): WorkerSpec | undefined {
    return this.#byKey.get(key)?.spec ?? this.#forgotten.get(key);
  }

  #add(spec: WorkerSpec, digest: string, key: string): RemoteWorker {
    const { clock, host } = this.#deps;
    assert(!this.#workers.has(spec.id), `worker ${spec.id} is placed on ${host.name} already`);
    const worker = new RemoteWorker({ spec, digest, key, clock, host: { name: host.name, zone: host.capacity.zone } });
    this.#workers.set(spec.id, worker);
    this.#byKey.set(key, worker);
    return worker;
  }

  #remove(worker: RemoteWorker): void {
    worker.unreachable('it was stopped');
    this.#workers.delete(worker.spec.id);
    this.#byKey.delete(worker.key);
  }

  /** A key of an earlier home may name another worker. */
  #newKey(id: string): string {
    return `${id}~${this.#deps.epoch}.${this.#keys++}`;
  }

  async #startThere({ spec, digest, key }: RemoteWorker): Promise<void> {
    assert(this.#link !== null, 'commands go to linked hosts');
    await this.#link.command({ method: 'start', key, digest, spec });
  }

  #update(worker: RemoteWorker, report: WorkerReport): void {
    const { epoch } = this.#deps;
    const isSame = worker.linkNumber === report.link && report.link !== 0;
    const calls = this.#link?.calls;
    const isReady = report.state === 'ready' && report.link !== 0 && calls !== undefined;
    const link = !isReady
      ? null
      : isSame
        ? worker.link
        : new RemoteWorkerLink({ calls, link: report.link, signature: report.signature, plans: worker.spec.plans, epoch });
    if (link !== null) link.missing.found = report.missing;
    worker.reported(report, link);
    this.#deps.onChange(worker.view());
  }

  /** The agent sends what these workers printed, also before. One of an earlier version does so unasked. */
  #claim(keys: readonly string[]): void {
    if (keys.length > 0) this.#link?.command({ method: 'claim', keys }).catch(() => undefined);
  }

  #stopUnclaimed(): void {
    for (const key of this.#unclaimed.keys()) {
      this.#deps.log.info({ host: this.#deps.host.name, worker: key }, 'a worker of an earlier home is not wanted: it is stopped');
      this.#link?.command({ method: 'stop', key }).catch(() => undefined);
    }
    this.#unclaimed.clear();
    this.#forgotten.clear();
  }
}
