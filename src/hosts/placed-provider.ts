/**
 * The workers of the home and of its hosts as one provider. It decides where a worker starts, adopts workers that an earlier home started,
 * and moves workers away from hosts that are lost or draining. Borrowed workers stay on the machine of the home.
 */
import { type Clock, every } from '../clock.ts';
import { defined } from '../defined.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerExit } from '../records/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import { lacksOf } from './abilities.ts';
import { chooseFrom } from './choose-host.ts';
import { HomeParts } from './home-parts.ts';
import type { PlacedWorker, WantedHostState } from './host.ts';
import { HostPool } from './host-pool.ts';
import { type HostsView, hostFactsOf, type ObservedHost, type PlacedSpec, placedSpecOf, type UnplacedWorker } from './hosts-view.ts';
import { KnownRequirements } from './known-requirements.ts';
import { localReason } from './link/worker-spec.ts';
import { LinkedHosts } from './linked-hosts.ts';
import { RoundLimits } from './move-limits.ts';
import { observedHome, observedHost } from './observed-hosts.ts';
import { openPlacedTasks } from './open-placed-tasks.ts';
import type { HomeProvider, LocalWorkers, PlacedProviderOptions, PlacementListener } from './placed-options.ts';
import type { PlacedTasks } from './placed-tasks.ts';
import type { NewPlacement } from './placement-decisions.ts';
import { type MoveCause, planMoves } from './plan-moves.ts';
import { specDigest } from './remote-worker.ts';
import { unplacedView, unplacedWorker } from './unplaced-workers.ts';
import { WorkerMoves } from './worker-moves.ts';

const roundEveryMs = 500;

export class PlacedProvider extends HomeParts implements HomeProvider {
  readonly #options: PlacedProviderOptions;
  /** Instance types with devices. */
  readonly #accelerated: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #linked: LinkedHosts;
  readonly #needs: KnownRequirements;
  readonly tasks: PlacedTasks;
  /** The name of the host of each worker that is not on the home. */
  readonly #hostOf = new Map<string, string>();
  /** Workers that no host has room for, with the reason. */
  readonly #unplaced = new Map<string, { readonly spec: WorkerSpec; reason: string; readonly sinceMs: number }>();
  /** Workers of draining hosts that no other host has room for. */
  #blocked: readonly UnplacedWorker[] = [];
  readonly #moves: WorkerMoves;
  /** Instances that the home started while no host was linked. */
  readonly #stopgaps = new Set<string>();
  readonly #limits: RoundLimits;
  readonly #leaving = new Set<string>();
  /** Hosts whose certificates are refused. */
  readonly #removed = new Set<string>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(view: WorkerView) => void>();
  readonly #endListeners = new Set<(id: string, exit: WorkerExit | null) => void>();
  readonly #stopRounds: () => void;
  readonly #hostListeners = new Set<() => void>();
  #listener: PlacementListener = { placed: () => undefined, rejected: () => undefined, sentWrongBytes: () => undefined };
  #wantedOf: (host: string) => WantedHostState = () => 'ready';
  #isClosed = false;

  constructor(options: PlacedProviderOptions) {
    super(options.local);
    this.#options = options;
    this.#accelerated = new Set(Object.keys(options.accelerators ?? {}));
    const { clock, log, local } = options;
    [this.#clock, this.#log] = [clock, log];
    this.#needs = new KnownRequirements({
      log,
      isConfined: () => local.isolation?.mode !== 'none',
      ...defined({ python: options.python }),
    });
    this.#linked = new LinkedHosts({
      ...options,
      ...defined({ archiveOf: options.python?.archiveOf }),
      onChange: (view) => this.#changed(view),
      onTask: (view) => this.tasks.changed(view),
      onTasks: (host) => this.tasks.reported(host),
      onEnded: (id, exit) => this.#ended(id, exit),
      onWrongBytes: (host, sha256, toHost) => this.#listener.sentWrongBytes(host, sha256, toHost),
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
    this.tasks = openPlacedTasks(options, {
      linked: this.#linked,
      needs: this.#needs,
      observed: () => this.#observed(),
      wantedOf: (host) => this.#wanted(host),
      isLeaving: (host) => this.#leaving.has(host),
    });
    this.#moves = new WorkerMoves({
      clock,
      log,
      local,
      home: options.home.name,
      host: (name) => this.#linked.host(name),
      onMoved: (id, to) => this.#isNowOn(id, to),
    });
    this.#limits = new RoundLimits({
      clock,
      moves: this.#moves,
      link: (id) => this.link(id),
      variantOf: ({ spec }) => this.#placedSpec(spec).variant,
      isStopgap: ({ spec }) => this.#isStopgap(spec),
      isMovable: ({ spec }) => !this.#isLocal(spec),
    });
    local.onChange((view) => this.#changed(view));
    local.onEnded((id, exit) => {
      if (!this.#hostOf.has(id)) this.#ended(id, exit); // else another process serves as this worker
    });
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
      forget: (host) => this.#forget(host),
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
    this.#moves.forget(id);
    this.#stopgaps.delete(id);
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
    this.tasks.close();
    this.#linked.close();
    await this.#options.local.close();
  }

  async #start(spec: WorkerSpec): Promise<void> {
    const { local } = this.#options;
    if (this.#hostOf.has(spec.id) || this.#unplaced.has(spec.id)) return;
    if (spec.python !== undefined) await this.#needs.learn(spec);
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
    const placed = this.#placedSpec(spec);
    const hasHosts = this.#linked.hosts.length > 0;
    if (!hasHosts && this.#localWorkers !== 'never') {
      if (spec.kind === 'instance') this.#stopgaps.add(spec.id);
      return local.start(spec);
    }
    const lacks = hasHosts ? (lacksOf(this.#linked.hosts, placed.needs) ?? this.#noDevices(placed)) : null;
    if (lacks !== null) return this.#startHere(spec, lacks);
    const choice = hasHosts ? chooseFrom(this.#pool(), placed) : noHost;
    if (!choice.fits) {
      this.#listener.rejected(placed, choice.reason);
      throw new PlatformError('unavailable', choice.reason);
    }
    this.#placed(spec, { host: choice.host, cause: null, from: null, reason: choice.reason });
    await this.#startOn(spec, choice.host, digest);
  }

  /** Why no host can run the worker; null if one can, or the worker needs no device. */
  #noDevices({ accelerator }: PlacedSpec): string | null {
    if (accelerator === null) return null;
    const hasPlaces = this.#linked.hosts.some(({ capacity: { accelerators = {} } }) => (accelerators[accelerator] ?? 0) > 0);
    return hasPlaces ? null : `no host has a device for ${accelerator}`;
  }

  /** No host has what it needs, whatever its room: as without hosts, it starts on the machine of the home. */
  #startHere(spec: WorkerSpec, reason: string): Promise<void> {
    const { home, local } = this.#options;
    if (spec.kind === 'instance') this.#stopgaps.add(spec.id);
    this.#placed(spec, { host: home.name, cause: null, from: null, reason });
    return local.start(spec);
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

  get #localWorkers(): LocalWorkers {
    return this.#options.localWorkers ?? 'always';
  }

  #wanted(name: string): WantedHostState {
    return this.#leaving.has(name) ? 'draining' : this.#wantedOf(name);
  }

  /** The machine of the home is a host as well. */
  #observed(): readonly ObservedHost[] {
    const { home, local, accelerators = {} } = this.#options;
    const specOf = (spec: WorkerSpec): PlacedSpec => this.#placedSpec(spec);
    return [
      observedHome({ ...home, accelerators, warmWorkers: local.warmWorkers }, local.list(), {
        specOf,
        localWorkers: this.#localWorkers,
        isStopgap: (spec) => this.#isStopgap(spec),
      }),
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

  /** Of the machine of the home. */
  get warmWorkers(): number {
    return this.#options.local.warmWorkers;
  }

  /** Files of this machine are not on hosts. */
  #isLocal(spec: WorkerSpec): boolean {
    return localReason(spec) !== null || this.#needs.of(spec) === null;
  }

  /** An instance of the home for lack of hosts: it moves as soon as there is a better place. */
  #isStopgap(spec: WorkerSpec): boolean {
    if (spec.kind !== 'instance' || this.#hostOf.has(spec.id) || this.#isLocal(spec)) return false;
    return this.#localWorkers !== 'always' || this.#stopgaps.has(spec.id);
  }

  get #hasStopgaps(): boolean {
    return this.#options.local.list().some(({ spec }) => this.#isStopgap(spec));
  }

  #placedSpec(spec: WorkerSpec): PlacedSpec {
    return placedSpecOf(spec, this.#accelerated, this.#needs.of(spec));
  }

  /** Moves what must not stay where it is. Decides only: the moves go on by themselves. */
  #round(): void {
    if (this.#isClosed) return;
    const nodes = this.#options.nodes?.() ?? [];
    for (const host of this.#linked.hosts) if (nodes.length > 0) host.sendNodes(nodes);
    this.#placeUnplaced();
    this.#moves.giveUp();
    const { hosts } = this.#linked;
    const mustMove =
      [this.#options.home, ...hosts].some(({ name }) => this.#wanted(name) === 'draining') || hosts.some(({ isLost }) => isLost);
    const mayMove = hosts.length > 0 && this.#limits.isOptionalDue(this.#hasStopgaps);
    if (!mustMove) this.#blocked = [];
    if (!mustMove && !mayMove) return;
    const views = this.list();
    const plan = planMoves(this.#pool(), this.#limits.of(views, mayMove));
    for (const { worker, cause, to, reason } of plan.moves) this.#move(worker, { cause, to, reason });
    this.#limits.began(plan.moves);
    for (const { worker, cause, reason } of plan.pending) if (cause === 'host-lost') this.#unplace(worker.id, reason);
    const blocked = plan.pending.filter(({ cause }) => cause !== 'host-lost');
    this.#blocked = blocked.map(({ worker, reason }) => {
      const sinceMs = this.#blocked.find((each) => each.worker === worker.id)?.sinceMs ?? this.#clock.wallMs();
      return unplacedWorker({ ...worker, endpoint: views.find(({ spec }) => spec.id === worker.id)?.spec.endpoint ?? '' }, reason, sinceMs);
    });
    for (const worker of plan.ending) this.#endFunction(worker);
    this.#dismissDrained();
    this.#dropRemoved();
  }

  #forget(name: string): void {
    const host = this.#linked.host(name);
    if (host === undefined) return;
    this.#removed.add(name);
    this.tasks.forget(name);
    host.lose('the host was removed');
    this.#round();
  }

  /** Not while workers are left on it: it is lost, so they start elsewhere. One that has joined again stays. */
  #dropRemoved(): void {
    for (const name of this.#removed) {
      const host = this.#linked.host(name);
      if (host?.isLost === true && host.workers.length > 0) continue;
      this.#removed.delete(name);
      if (host?.isLost !== true) continue;
      this.#linked.remove(name);
      this.#hostsChanged();
    }
  }

  #move(
    { id, host: from }: PlacedWorker,
    { cause, to, reason }: { readonly cause: MoveCause; readonly to: string; readonly reason: string },
  ): void {
    const spec = this.list().find((view) => view.spec.id === id)?.spec;
    if (spec === undefined || this.#moves.has(id) || this.#isLocal(spec)) return;
    this.#placed(spec, { host: to, cause, from, reason });
    if (cause === 'host-lost') {
      this.#linked.host(from)?.forget(id);
      this.#hostOf.delete(id);
      this.#startOn(spec, to, specDigest(spec)).catch((error: unknown) => {
        this.#log.warn({ worker: id, from, to, error: messageOf(error) }, 'a worker of a lost host was not started: tried again');
        this.#unplaced.set(id, { spec, reason: messageOf(error), sinceMs: this.#clock.wallMs() });
      });
      return;
    }
    this.#moves.begin(spec, { from, to, cause });
  }

  #isNowOn(id: string, name: string): void {
    this.#stopgaps.delete(id);
    if (name === this.#options.home.name) this.#hostOf.delete(id);
    else this.#hostOf.set(id, name);
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
      // Its host may have returned, and it may run there still.
      if (this.#adopt(unplaced.spec, specDigest(unplaced.spec))) {
        this.#unplaced.delete(id);
        continue;
      }
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
      if (host !== undefined && host.workers.length + host.tasks.count > 0) continue;
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
    const home = this.#options.home.name;
    const name = view.host?.name ?? home;
    this.#moves.changed(id, name, view.state);
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

const noHost = {
  fits: false,
  reason: 'no host has room: none is linked, and the nodes run no such worker themselves (--local-workers never)',
} as const;
