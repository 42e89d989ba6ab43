/** Twice a second: moves workers away from hosts that are lost, draining or removed, places those without a host, and drops empty hosts. */
import { type Clock, every } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { ServingLink } from '../runtime/index.ts';
import { chooseFrom } from './choose-host.ts';
import type { PlacedWorker } from './host.ts';
import type { UnplacedWorker } from './hosts-view.ts';
import type { LinkedHosts } from './linked-hosts.ts';
import { RoundLimits } from './move-limits.ts';
import type { HomeMachine } from './placed-options.ts';
import type { PlacedTasks } from './placed-tasks.ts';
import { type MoveCause, planMoves } from './plan-moves.ts';
import { unplacedView, unplacedWorker } from './unplaced-workers.ts';
import type { WorkerMoves } from './worker-moves.ts';
import type { WorkerPlaces } from './worker-places.ts';
import type { WorkerStarts } from './worker-starts.ts';

export interface PlacementRoundsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly home: HomeMachine;
  /** `HOST:PORT` of the nodes that run. */
  readonly nodes?: (() => readonly string[]) | undefined;
  readonly linked: LinkedHosts;
  readonly places: WorkerPlaces;
  readonly starts: WorkerStarts;
  readonly moves: WorkerMoves;
  readonly tasks: Pick<PlacedTasks, 'forget'>;
  /** All workers, as the provider lists them. */
  readonly workers: () => readonly WorkerView[];
  readonly link: (id: string) => ServingLink | null;
  readonly onChange: (view: WorkerView) => void;
  readonly onHostsChanged: () => void;
}

const roundEveryMs = 500;

export class PlacementRounds {
  readonly #deps: PlacementRoundsDeps;
  readonly #limits: RoundLimits;
  /** Workers of draining hosts that no other host has room for. */
  #blocked: readonly UnplacedWorker[] = [];
  /** Hosts whose certificates are refused. */
  readonly #removed = new Set<string>();
  readonly #stopRounds: () => void;
  #isClosed = false;

  constructor(deps: PlacementRoundsDeps) {
    this.#deps = deps;
    const { clock, moves, link, places } = deps;
    this.#limits = new RoundLimits({
      clock,
      moves,
      link,
      variantOf: ({ spec }) => places.placedSpec(spec).variant,
      isStopgap: ({ spec }) => places.isStopgap(spec),
      isMovable: ({ spec }) => !places.isLocal(spec),
    });
    this.#stopRounds = every(clock, roundEveryMs, () => this.run());
  }

  close(): void {
    this.#isClosed = true;
    this.#stopRounds();
  }

  /** Workers of draining hosts that no other host has room for. */
  get blocked(): readonly UnplacedWorker[] {
    return this.#blocked;
  }

  /** Moves what must not stay where it is. Decides only: the moves go on by themselves. */
  run(): void {
    if (this.#isClosed) return;
    const { linked, places, moves, home } = this.#deps;
    const nodes = this.#deps.nodes?.() ?? [];
    for (const host of linked.hosts) if (nodes.length > 0) host.sendNodes(nodes);
    this.#placeUnplaced();
    moves.giveUp();
    const { hosts } = linked;
    const mustMove = [home, ...hosts].some(({ name }) => places.wanted(name) === 'draining') || hosts.some(({ isLost }) => isLost);
    const mayMove = hosts.length > 0 && this.#limits.isOptionalDue(places.hasStopgaps);
    if (!mustMove) this.#blocked = [];
    if (!mustMove && !mayMove) return;
    const views = this.#deps.workers();
    const plan = planMoves(places.pool(), this.#limits.of(views, mayMove));
    for (const { worker, cause, to, reason } of plan.moves) this.#move(worker, { cause, to, reason });
    this.#limits.began(plan.moves);
    for (const { worker, cause, reason } of plan.pending) if (cause === 'host-lost') this.#unplace(worker.id, reason);
    const blocked = plan.pending.filter(({ cause }) => cause !== 'host-lost');
    this.#blocked = blocked.map(({ worker, reason }) => {
      const sinceMs = this.#blocked.find((each) => each.worker === worker.id)?.sinceMs ?? this.#deps.clock.wallMs();
      return unplacedWorker({ ...worker, endpoint: views.find(({ spec }) => spec.id === worker.id)?.spec.endpoint ?? '' }, reason, sinceMs);
    });
    for (const worker of plan.ending) this.#endFunction(worker);
    this.#dismissDrained();
    this.#dropRemoved();
  }

  /** The certificate of the host is refused: its workers start elsewhere at once, and it is dropped once it has none. */
  remove(name: string): void {
    const host = this.#deps.linked.host(name);
    if (host === undefined) return;
    this.#removed.add(name);
    this.#deps.tasks.forget(name);
    host.lose('the host was removed');
    this.run();
  }

  /** Not while workers are left on it: it is lost, so they start elsewhere. One that has joined again stays. */
  #dropRemoved(): void {
    for (const name of this.#removed) {
      const host = this.#deps.linked.host(name);
      if (host?.isLost === true && host.workers.count > 0) continue;
      this.#removed.delete(name);
      if (host?.isLost === true) this.#drop(name);
    }
  }

  #drop(name: string): void {
    this.#deps.linked.remove(name);
    this.#deps.onHostsChanged();
  }

  #move(
    { id, host: from }: PlacedWorker,
    { cause, to, reason }: { readonly cause: MoveCause; readonly to: string; readonly reason: string },
  ): void {
    const { places, starts, moves, linked, log } = this.#deps;
    const spec = this.#specOf(id);
    if (spec === undefined || moves.has(id) || places.isLocal(spec)) return;
    starts.placed(spec, { host: to, cause, from, reason });
    if (cause !== 'host-lost') return moves.begin(spec, { from, to, cause });
    linked.host(from)?.workers.forget(id);
    places.hostOf.delete(id);
    starts.startOn(spec, to).catch((error: unknown) => {
      log.warn({ worker: id, from, to, error: messageOf(error) }, 'a worker of a lost host was not started: tried again');
      places.unplaced.set(id, { spec, reason: messageOf(error), sinceMs: this.#deps.clock.wallMs() });
    });
  }

  #specOf(id: string): WorkerSpec | undefined {
    return this.#deps.workers().find(({ spec }) => spec.id === id)?.spec;
  }

  /** It has no host: no process runs for it. */
  #unplace(id: string, reason: string): void {
    const { places, clock, onChange } = this.#deps;
    const known = places.unplaced.get(id);
    if (known !== undefined) known.reason = reason;
    const host = places.remoteHostOf(id);
    const spec = host?.workers.get(id)?.spec;
    if (spec === undefined) return;
    host?.workers.forget(id);
    places.hostOf.delete(id);
    const unplaced = { spec, reason, sinceMs: clock.wallMs() };
    places.unplaced.set(id, unplaced);
    onChange(unplacedView(unplaced));
  }

  #placeUnplaced(): void {
    const { places, starts } = this.#deps;
    for (const [id, unplaced] of places.unplaced) {
      const { spec } = unplaced;
      // Its host may have returned, and it may run there still.
      if (starts.adopt(spec)) {
        places.unplaced.delete(id);
        continue;
      }
      const choice = chooseFrom(places.pool(), places.placedSpec(spec));
      if (!choice.fits) {
        unplaced.reason = choice.reason;
        continue;
      }
      places.unplaced.delete(id);
      starts.placed(spec, { host: choice.host, cause: 'host-lost', from: null, reason: choice.reason });
      starts.startOn(spec, choice.host).catch((error: unknown) => {
        places.unplaced.set(id, { ...unplaced, reason: messageOf(error) });
      });
    }
  }

  /** Serving requests another one when it needs it. One that starts has failed. */
  #endFunction({ id, host: name }: PlacedWorker): void {
    const host = this.#deps.linked.host(name);
    const worker = host?.workers.get(id);
    if (host === undefined || worker === undefined || worker.hasFailed) return;
    if (!host.isLost && (worker.link?.runsOpen ?? 0) > 0) return;
    worker.fail(host.isLost ? `host ${name} is lost` : `host ${name} is draining`);
    this.#deps.onChange(worker.view());
  }

  #dismissDrained(): void {
    const { linked, places } = this.#deps;
    for (const name of places.leaving) {
      const host = linked.host(name);
      if (host !== undefined && host.workers.count + host.tasks.count > 0) continue;
      places.leaving.delete(name);
      host?.dismiss('its workers run on other hosts');
      this.#drop(name);
    }
  }
}
