/**
 * The workers of the home and of its hosts as one provider. It decides where a worker starts, adopts workers that an earlier home started,
 * and moves workers away from hosts that are lost or draining. Borrowed workers, tasks and Python stay on the machine of the home.
 */
import { type Clock, every } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { LocalProvider, Provider, WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerExit } from '../records/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import { chooseFrom } from './choose-host.ts';
import { HomeParts } from './home-parts.ts';
import type { PlacedWorker, WantedHostState } from './host.ts';
import { HostPool } from './host-pool.ts';
import { type HostsView, hostFactsOf, type ObservedHost, type PlacedSpec, placedSpecOf, type UnplacedWorker } from './hosts-view.ts';
import { localReason } from './link/worker-spec.ts';
import { LinkedHosts, type LinkedHostsDeps } from './linked-hosts.ts';
import { observedHome, observedHost } from './observed-hosts.ts';
import type { NewPlacement } from './placement-decisions.ts';
import { type MoveCause, planMoves } from './plan-moves.ts';
import { specDigest } from './remote-worker.ts';

/** What is placed besides: the machine of the home. */
export interface HomeMachine {
  readonly name: string;
  readonly zone: string;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
}

/** Where workers are placed, for records of it. */
export interface PlacementListener {
  readonly placed: (placement: NewPlacement) => void;
  /** A start found no host; its caller tries again. */
  readonly rejected: (worker: PlacedSpec, reason: string) => void;
}

/** The provider of the machine of the home, without what only it can link. */
export type HomeProvider = Omit<Pick<LocalProvider, keyof LocalProvider>, 'link' | 'open'> & Provider;

export interface PlacedProviderOptions
  extends Pick<LinkedHostsDeps, 'clock' | 'log' | 'epoch' | 'fetch' | 'onLine' | 'expected' | 'expectedMs' | 'times'> {
  readonly local: Pick<LocalProvider, keyof LocalProvider>;
  readonly home: HomeMachine;
  /** Instance types with devices: their workers stay on the home. */
  readonly accelerated?: ReadonlySet<string>;
}

/** A worker whose replacement is started on another host. */
interface Move {
  readonly from: string;
  readonly to: string;
  readonly cause: MoveCause;
  /** Given up at this time, by the monotonic clock. */
  readonly untilMs: number;
}

const roundEveryMs = 500;
/** A move is given up if the replacement is not ready within this time. */
const moveMsMax = 600_000;
/** Open runs on a replaced worker may take as long as the timeout of an endpoint. */
const drainMsMax = 60_000;
const drainCheckMs = 50;

export class PlacedProvider extends HomeParts implements HomeProvider {
  readonly #options: PlacedProviderOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #linked: LinkedHosts;
  /** The name of the host of each worker that is not on the home. */
  readonly #hostOf = new Map<string, string>();
  /** Workers that no host has room for, with the reason. */
  readonly #unplaced = new Map<string, { readonly spec: WorkerSpec; reason: string; readonly sinceMs: number }>();
  /** Workers of draining hosts that no other host has room for. */
  #blocked: readonly UnplacedWorker[] = [];
  readonly #moves = new Map<string, Move>();
  readonly #leaving = new Set<string>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(view: WorkerView) => void>();
  readonly #endListeners = new Set<(id: string, exit: WorkerExit | null) => void>();
  readonly #stopRounds: () => void;
  readonly #hostListeners = new Set<() => void>();
  #listener: PlacementListener = { placed: () => undefined, rejected: () => undefined };
  #wantedOf: (host: string) => WantedHostState = () => 'ready';
  #isClosed = false;

  constructor(options: PlacedProviderOptions) {
    super(options.local);
    this.#options = options;
    const { clock, log, local } = options;
    [this.#clock, this.#log] = [clock, log];
    this.#linked = new LinkedHosts({
      ...options,
      onChange: (view) => this.#changed(view),
      onEnded: (id, exit) => this.#ended(id, exit),
      onLinked: () => this.#hostsChanged(),
      onLost: () => {
        this.#round();
        this.#hostsChanged();
      },
      onLeaving: (host) => {
        log.info({ host: host.name }, 'a host stops: its workers move');
        this.#leaving.add(host.name);
        this.#round();
      },
    });
    local.onChange((view) => this.#changed(view));
    local.onEnded((id, exit) => this.#ended(id, exit));
    this.#stopRounds = every(clock, roundEveryMs, () => this.#round());
  }

  /** Follows what the operator wants of each host, and records placements. Before, every host takes workers. */
  follow(states: { wantedOf(host: string): WantedHostState }, listener: PlacementListener): void {
    this.#wantedOf = (host) => states.wantedOf(host);
    this.#listener = listener;
  }

  get linked(): LinkedHosts {
    return this.#linked;
  }

  /** The hosts, the machine of the home among them. */
  get view(): HostsView {
    return {
      list: () => this.#observed(),
      unplaced: () => [
        ...[...this.#unplaced.values()].map(({ spec, reason, sinceMs }) => unplacedWorker(this.#placedSpec(spec), reason, sinceMs)),
        ...this.#blocked,
      ],
      onChange: (listener) => {
        this.#hostListeners.add(listener);
        return () => this.#hostListeners.delete(listener);
      },
    };
  }

  /** Rejects with `unavailable` if no host has room. A worker of an earlier home that is equal goes on in its place. */
  start(spec: WorkerSpec): Promise<void> {
    const starting = this.#starting.get(spec.id);
    if (starting !== undefined) return starting;
    const start = this.#start(spec).finally(() => this.#starting.delete(spec.id));
    this.#starting.set(spec.id, start);
    return start;
  }

  async stop(id: string): Promise<void> {
    const move = this.#moves.get(id);
    this.#moves.delete(id);
    this.#unplaced.delete(id);
    const name = this.#hostOf.get(id);
    this.#hostOf.delete(id);
    const hosts = [name, move?.from, move?.to].map((each) => this.#linked.host(each ?? '')).filter((host) => host !== undefined);
    await Promise.all([this.#options.local.stop(id), ...new Set(hosts).values().map((host) => host.stop(id))]);
  }

  list(): readonly WorkerView[] {
    const local = this.#options.local.list().filter(({ spec }) => !this.#hostOf.has(spec.id));
    const remote = [...this.#hostOf].flatMap(([id, name]) => this.#linked.host(name)?.worker(id)?.view() ?? []);
    return [...local, ...remote, ...[...this.#unplaced.values()].map(unplacedView)];
  }

  link(id: string): ServingLink | null {
    const name = this.#hostOf.get(id);
    return name === undefined ? this.#options.local.link(id) : (this.#linked.host(name)?.worker(id)?.link ?? null);
  }

  restart(id: string, reason: string): void {
    const name = this.#hostOf.get(id);
    if (name === undefined) this.#options.local.restart(id, reason);
    else this.#linked.host(name)?.restart(id, reason);
  }

  onChange(listener: (view: WorkerView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As `LocalProvider.onEnded`. */
  onEnded(listener: (id: string, exit: WorkerExit | null) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Ends the workers of the home. Those of hosts go on: the next home adopts them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopRounds();
    this.#linked.close();
    await this.#options.local.close();
  }

  async #start(spec: WorkerSpec): Promise<void> {
    const { local } = this.#options;
    if (this.#hostOf.has(spec.id) || this.#unplaced.has(spec.id)) return;
    if (this.#isLocal(spec) || local.list().some((view) => view.spec.id === spec.id)) return local.start(spec);
    const digest = specDigest(spec);
    // A worker of an earlier home goes on as soon as its host is linked; a new one waits until it is clear that there is none.
    while (!this.#adopt(spec, digest)) {
      if (this.#isClosed) throw new PlatformError('unavailable', 'the server is stopping: no worker can be started now');
      if (this.#linked.isSettled) return this.#startNew(spec, digest);
      await this.#linked.next;
    }
  }

  #adopt(spec: WorkerSpec, digest: string): boolean {
    for (const host of this.#linked.hosts) {
      if (!host.isLinked || this.#wanted(host.name) === 'draining' || !host.adopt(spec, digest)) continue;
      this.#hostOf.set(spec.id, host.name);
      const view = host.worker(spec.id)?.view();
      if (view !== undefined) this.#notify(view);
      this.#hostsChanged();
      return true;
    }
    return false;
  }

  async #startNew(spec: WorkerSpec, digest: string): Promise<void> {
    const { local } = this.#options;
    if (this.#linked.hosts.length === 0) return local.start(spec);
    const placed = this.#placedSpec(spec);
    const choice = chooseFrom(this.#pool(), placed);
    if (!choice.fits) {
      this.#listener.rejected(placed, choice.reason);
      throw new PlatformError('unavailable', choice.reason);
    }
    this.#placed(spec, { host: choice.host, cause: null, from: null, reason: choice.reason });
    await this.#startOn(spec, choice.host, digest);
  }

  async #startOn(spec: WorkerSpec, name: string, digest: string): Promise<void> {
    const host = this.#linked.host(name);
    if (host === undefined) return this.#options.local.start(spec);
    this.#hostOf.set(spec.id, name);
    try {
      await host.start(spec, digest);
    } catch (error) {
      if (this.#hostOf.get(spec.id) === name) this.#hostOf.delete(spec.id);
      throw error;
    }
  }

  #wanted(name: string): WantedHostState {
    return this.#leaving.has(name) ? 'draining' : this.#wantedOf(name);
  }

  /** The machine of the home is a host as well. */
  #observed(): readonly ObservedHost[] {
    const { home, local } = this.#options;
    const specOf = (spec: WorkerSpec): PlacedSpec => this.#placedSpec(spec);
    return [
      observedHome(home, local.list(), specOf),
      ...this.linked.hosts.map((host) => observedHost(host, specOf, this.#leaving.has(host.name))),
    ];
  }

  #pool(): HostPool {
    const observed = this.#observed();
    const currentHost = (id: string): string => this.#hostOf.get(id) ?? this.#options.home.name;
    // Of a worker that moves, the other process counts too.
    const workers = observed
      .flatMap((host) => host.workers)
      .map((worker) => (currentHost(worker.id) === worker.host ? worker : { ...worker, id: `${worker.id} (other)` }));
    return new HostPool(
      observed.map((host) => hostFactsOf(host, this.#wanted(host.name))),
      workers,
    );
  }

  /** Devices, Python environments and files of this machine are not on hosts. */
  #isLocal(spec: WorkerSpec): boolean {
    return localReason(spec) !== null || this.#options.accelerated?.has(spec.instanceType) === true;
  }

  #placedSpec(spec: WorkerSpec): PlacedSpec {
    return placedSpecOf(spec, this.#options.accelerated ?? noTypes);
  }

  /** Moves what must not stay where it is. Decides only: the moves go on by themselves. */
  #round(): void {
    if (this.#isClosed) return;
    this.#placeUnplaced();
    this.#giveUpMoves();
    const mustMove = this.#linked.hosts.some((host) => host.isLost || this.#wanted(host.name) === 'draining');
    if (!mustMove && this.#wanted(this.#options.home.name) !== 'draining') {
      this.#blocked = [];
      return;
    }
    const views = this.list();
    const unready = views.filter(({ spec, state }) => spec.kind === 'instance' && (state !== 'ready' || this.#moves.has(spec.id)));
    const plan = planMoves(this.#pool(), {
      busyVariants: new Set(unready.map(({ spec }) => this.#placedSpec(spec).variant)),
      idleWorkers: new Set(),
    });
    for (const { worker, cause, to, reason } of plan.moves) this.#move(worker, { cause, to, reason });
    for (const { worker, cause, reason } of plan.pending) if (cause === 'host-lost') this.#unplace(worker.id, reason);
    const blocked = plan.pending.filter(({ cause }) => cause !== 'host-lost');
    this.#blocked = blocked.map(({ worker, reason }) => {
      const sinceMs = this.#blocked.find((each) => each.worker === worker.id)?.sinceMs ?? this.#clock.wallMs();
      return unplacedWorker({ ...worker, endpoint: views.find(({ spec }) => spec.id === worker.id)?.spec.endpoint ?? '' }, reason, sinceMs);
    });
    for (const worker of plan.ending) this.#endFunction(worker);
    this.#dismissDrained();
  }

  #move(
    { id, host: from }: PlacedWorker,
    { cause, to, reason }: { readonly cause: MoveCause; readonly to: string; readonly reason: string },
  ): void {
    const spec = this.list().find((view) => view.spec.id === id)?.spec;
    if (spec === undefined || this.#moves.has(id) || this.#isLocal(spec)) return;
    this.#placed(spec, { host: to, cause, from, reason });
    const digest = specDigest(spec);
    const failed = (error: unknown): void => {
      this.#moves.delete(id);
      this.#log.warn({ worker: id, from, to, error: messageOf(error) }, 'a worker could not be moved: tried again');
    };
    if (cause === 'host-lost') {
      this.#linked.host(from)?.forget(id);
      this.#hostOf.delete(id);
      this.#startOn(spec, to, digest).catch((error: unknown) => {
        failed(error);
        this.#unplaced.set(id, { spec, reason: messageOf(error), sinceMs: this.#clock.wallMs() });
      });
      return;
    }
    this.#moves.set(id, { from, to, cause, untilMs: this.#clock.nowMs() + moveMsMax });
    this.#startBeside(spec, to, digest).catch(failed);
  }

  /** The worker stays where it is, and may move again. */
  #giveUpMoves(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, { to, untilMs }] of this.#moves) {
      if (nowMs < untilMs) continue;
      this.#moves.delete(id);
      this.#stopOn(to, id).catch((error: unknown) =>
        this.#log.warn({ worker: id, error: messageOf(error) }, 'a replacement was not stopped'),
      );
    }
  }

  /** The worker that serves stays the current one until the other is ready. */
  async #startBeside(spec: WorkerSpec, to: string, digest: string): Promise<void> {
    const { home, local } = this.#options;
    if (to === home.name) return local.start(spec);
    await this.#linked.host(to)?.start(spec, digest);
  }

  #stopOn(name: string, id: string): Promise<void> {
    return this.#linked.host(name)?.stop(id) ?? this.#options.local.stop(id);
  }

  /** The replacement is ready: from now on it serves, and the old worker stops when its open runs are answered. */
  #switch(id: string, move: Move): void {
    const { home, local } = this.#options;
    const old = move.from === home.name ? local.link(id) : (this.#linked.host(move.from)?.worker(id)?.link ?? null);
    if (move.to === home.name) this.#hostOf.delete(id);
    else this.#hostOf.set(id, move.to);
    this.#moves.delete(id);
    const untilMs = this.#clock.nowMs() + drainMsMax;
    const stop = (): void => {
      if (old !== null && 'runsOpen' in old && Number(old.runsOpen) > 0 && this.#clock.nowMs() < untilMs) {
        this.#clock.after(drainCheckMs, stop);
        return;
      }
      this.#stopOn(move.from, id).catch((error: unknown) =>
        this.#log.warn({ worker: id, error: messageOf(error) }, 'a moved worker was not stopped'),
      );
    };
    this.#clock.after(drainCheckMs, stop); // after serving has its link
  }

  /** It has no host: no process runs for it. */
  #unplace(id: string, reason: string): void {
    const known = this.#unplaced.get(id);
    if (known !== undefined) known.reason = reason;
    const name = this.#hostOf.get(id);
    const host = name === undefined ? undefined : this.#linked.host(name);
    const spec = host?.worker(id)?.spec;
    if (spec === undefined) return;
    host?.forget(id);
    this.#hostOf.delete(id);
    const unplaced = { spec, reason, sinceMs: this.#clock.wallMs() };
    this.#unplaced.set(id, unplaced);
    this.#notify(unplacedView(unplaced));
  }

  #placeUnplaced(): void {
    for (const [id, unplaced] of this.#unplaced) {
      const choice = chooseFrom(this.#pool(), this.#placedSpec(unplaced.spec));
      if (!choice.fits) {
        unplaced.reason = choice.reason;
        continue;
      }
      this.#unplaced.delete(id);
      this.#placed(unplaced.spec, { host: choice.host, cause: 'host-lost', from: null, reason: choice.reason });
      this.#startOn(unplaced.spec, choice.host, specDigest(unplaced.spec)).catch((error: unknown) => {
        this.#unplaced.set(id, { ...unplaced, reason: messageOf(error) });
      });
    }
  }

  /** Serving requests another one when it needs it. One that starts has failed. */
  #endFunction({ id, host: name }: PlacedWorker): void {
    const host = this.#linked.host(name);
    const worker = host?.worker(id);
    if (host === undefined || worker === undefined || worker.hasFailed) return;
    if (!host.isLost && (worker.link?.runsOpen ?? 0) > 0) return;
    worker.fail(host.isLost ? `host ${name} is lost` : `host ${name} is draining`);
    this.#notify(worker.view());
  }

  #dismissDrained(): void {
    for (const name of this.#leaving) {
      const host = this.#linked.host(name);
      if (host !== undefined && host.workers.length > 0) continue;
      this.#leaving.delete(name);
      host?.dismiss('its workers run on other hosts');
      this.#linked.remove(name);
      this.#hostsChanged();
    }
  }

  #placed(spec: WorkerSpec, placement: Omit<NewPlacement, 'worker'>): void {
    this.#log.info({ worker: spec.id, ...placement }, 'a worker is placed');
    this.#listener.placed({ worker: this.#placedSpec(spec), ...placement });
  }

  #hostsChanged(): void {
    for (const listener of this.#hostListeners) listener();
  }

  #changed(view: WorkerView): void {
    const { id } = view.spec;
    const move = this.#moves.get(id);
    const home = this.#options.home.name;
    const name = view.host?.name ?? home;
    if (move !== undefined && name === move.to && view.state === 'ready') this.#switch(id, move);
    // Of a worker that was replaced, or will only replace another, nothing is reported.
    if ((this.#hostOf.get(id) ?? home) === name) this.#notify(view);
    if (name !== home) this.#hostsChanged();
  }

  #ended(id: string, exit: WorkerExit | null): void {
    for (const listener of this.#endListeners) listener(id, exit);
  }

  #notify(view: WorkerView): void {
    for (const listener of this.#listeners) listener(view);
  }
}

const noTypes: ReadonlySet<string> = new Set();

function unplacedWorker(
  { id, endpoint, cpuMilli, memoryMiB, accelerator }: Omit<UnplacedWorker, 'worker' | 'reason' | 'sinceMs'> & { readonly id: string },
  reason: string,
  sinceMs: number,
): UnplacedWorker {
  return { worker: id, endpoint, cpuMilli, memoryMiB, accelerator, reason, sinceMs };
}

function unplacedView({
  spec,
  reason,
  sinceMs,
}: {
  readonly spec: WorkerSpec;
  readonly reason: string;
  readonly sinceMs: number;
}): WorkerView {
  return { spec, state: 'starting', pid: null, rssBytes: null, restarts: 0, reason, startedAtMs: sinceMs, readyAtMs: null };
}
