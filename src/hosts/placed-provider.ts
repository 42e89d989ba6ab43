/**
 * The workers of the home and of its hosts as one provider. `WorkerStarts` decides where a worker starts, and `PlacementRounds` moves workers
 * away from hosts that are lost or draining. Borrowed workers stay on the machine of the home.
 */
import { defined } from '../defined.ts';
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerExit } from '../records/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import { HomeParts } from './home-parts.ts';
import type { WantedHostState } from './host.ts';
import type { HostsView } from './hosts-view.ts';
import { KnownRequirements } from './known-requirements.ts';
import { LinkedHosts } from './linked-hosts.ts';
import { openPlacedTasks } from './open-placed-tasks.ts';
import { type HomeProvider, noListener, type PlacedProviderOptions, type PlacementListener } from './placed-options.ts';
import type { PlacedTasks } from './placed-tasks.ts';
import { PlacementRounds } from './placement-rounds.ts';
import { unplacedView } from './unplaced-workers.ts';
import { WorkerMoves } from './worker-moves.ts';
import { WorkerPlaces } from './worker-places.ts';
import { WorkerStarts } from './worker-starts.ts';

export class PlacedProvider extends HomeParts implements HomeProvider {
  readonly tasks: PlacedTasks;
  readonly #options: PlacedProviderOptions;
  readonly #linked: LinkedHosts;
  readonly #places: WorkerPlaces;
  readonly #starts: WorkerStarts;
  readonly #moves: WorkerMoves;
  readonly #rounds: PlacementRounds;
  readonly #listeners = new Set<(view: WorkerView) => void>();
  readonly #endListeners = new Set<(id: string, exit: WorkerExit | null) => void>();
  readonly #hostListeners = new Set<() => void>();
  #listener: PlacementListener = noListener;

  constructor(options: PlacedProviderOptions) {
    super(options.local);
    this.#options = options;
    const { clock, log, local, home, python, nodes } = options;
    const requirements = new KnownRequirements({ log, isConfined: () => local.isolation?.mode !== 'none', ...defined({ python }) });
    this.#linked = this.#openHosts(options);
    const linked = this.#linked;
    this.#places = new WorkerPlaces(options, linked, requirements);
    const places = this.#places;
    this.tasks = openPlacedTasks(options, {
      linked,
      needs: requirements,
      observed: () => places.observed(),
      wantedOf: (host) => places.wanted(host),
      onPlaced: (placement) => this.#listener.taskPlaced(placement),
      isLeaving: (host) => places.leaving.has(host),
    });
    this.#starts = new WorkerStarts({
      log,
      local,
      home,
      linked,
      needs: requirements,
      places,
      listener: () => this.#listener,
      onAdopted: (id) => this.#adopted(id),
    });
    this.#moves = new WorkerMoves({
      clock,
      log,
      local,
      home: home.name,
      host: (name) => linked.host(name),
      onMoved: (id, to) => places.isNowOn(id, to),
    });
    this.#rounds = new PlacementRounds({
      clock,
      log,
      home,
      nodes,
      linked,
      places,
      starts: this.#starts,
      moves: this.#moves,
      tasks: this.tasks,
      workers: () => this.list(),
      link: (id) => this.link(id),
      onChange: (view) => this.#notify(view),
      onHostsChanged: () => this.#hostsChanged(),
    });
    local.onChange((view) => this.#changed(view));
    local.onEnded((id, exit) => {
      if (!places.hostOf.has(id)) this.#ended(id, exit); // else another process serves as this worker
    });
  }

  #openHosts(options: PlacedProviderOptions): LinkedHosts {
    return new LinkedHosts({
      ...options,
      ...defined({ archiveOf: options.python?.archiveOf }),
      onChange: (view) => this.#changed(view),
      onTask: (view) => this.tasks.changed(view),
      onTasks: (host) => this.tasks.reported(host),
      onEnded: (id, exit) => this.#ended(id, exit),
      onWrongBytes: (host, sha256, toHost) => this.#listener.sentWrongBytes(host, sha256, toHost),
      onLinked: () => this.#hostsChanged(),
      onLost: () => {
        this.#rounds.run();
        this.#hostsChanged();
      },
      onLeaving: (host) => {
        options.log.info({ host: host.name }, 'a host stops: its workers move');
        this.#places.leaving.add(host.name);
        this.#rounds.run();
      },
    });
  }

  /** Follows what the operator wants of each host, and records placements. Before, every host takes workers. */
  follow(states: { wantedOf(host: string): WantedHostState }, listener: PlacementListener): void {
    this.#places.wantedOf = (host) => states.wantedOf(host);
    this.#listener = listener;
  }

  get linked(): LinkedHosts {
    return this.#linked;
  }

  /** The hosts, the machine of the home among them. */
  get view(): HostsView {
    return {
      list: () => this.#places.observed(),
      unplaced: () => [...this.#places.waiting(), ...this.#rounds.blocked],
      tasks: () => this.tasks.demand,
      forget: (host) => this.#rounds.remove(host),
      onChange: (listener) => {
        this.#hostListeners.add(listener);
        return () => this.#hostListeners.delete(listener);
      },
    };
  }

  /** Of the machine of the home. */
  get warmWorkers(): number {
    return this.#options.local.warmWorkers;
  }

  /** Rejects with `unavailable` if no host has room. A worker of an earlier home that is equal goes on in its place. */
  start(spec: WorkerSpec): Promise<void> {
    return this.#starts.start(spec);
  }

  async stop(id: string): Promise<void> {
    const move = this.#moves.get(id);
    this.#moves.forget(id);
    const name = this.#places.hostOf.get(id);
    this.#places.remove(id);
    const hosts = [name, move?.from, move?.to].map((each) => this.#linked.host(each ?? '')).filter((host) => host !== undefined);
    await Promise.all([this.#options.local.stop(id), ...new Set(hosts).values().map((host) => host.workers.stop(id))]);
  }

  list(): readonly WorkerView[] {
    const { hostOf, unplaced } = this.#places;
    const local = this.#options.local.list().filter(({ spec }) => !hostOf.has(spec.id));
    const remote = [...hostOf].flatMap(([id, name]) => this.#linked.host(name)?.workers.get(id)?.view() ?? []);
    return [...local, ...remote, ...[...unplaced.values()].map(unplacedView)];
  }

  link(id: string): ServingLink | null {
    if (!this.#places.hostOf.has(id)) return this.#options.local.link(id);
    return this.#places.remoteHostOf(id)?.workers.get(id)?.link ?? null;
  }

  restart(id: string, reason: string): void {
    if (!this.#places.hostOf.has(id)) this.#options.local.restart(id, reason);
    else this.#places.remoteHostOf(id)?.workers.restart(id, reason);
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
    this.#starts.close();
    this.#rounds.close();
    this.tasks.close();
    this.#linked.close();
    await this.#options.local.close();
  }

  #adopted(id: string): void {
    const view = this.#places.remoteHostOf(id)?.workers.get(id)?.view();
    if (view !== undefined) this.#notify(view);
    this.#hostsChanged();
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
    if ((this.#places.hostOf.get(id) ?? home) === name) this.#notify(view);
    if (name !== home) this.#hostsChanged();
  }

  #ended(id: string, exit: WorkerExit | null): void {
    for (const listener of this.#endListeners) listener(id, exit);
  }

  #notify(view: WorkerView): void {
    for (const listener of this.#listeners) listener(view);
  }
}
