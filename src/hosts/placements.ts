/**
 * Rounds of placement: observes hosts, decides what moves (`plan-moves.ts`), has the deployment replace these workers, and records each
 * placement and move as a decision. Workers of lost hosts are placed again by the provider, which loses them.
 */
import { type Clock, Loop } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Decisions, Events } from '../records/index.ts';
import type { HostChoice } from './choose-host.ts';
import type { HostFacts } from './host.ts';
import { HostPool } from './host-pool.ts';
import type { HostStates } from './host-states.ts';
import { type HostLinkState, type HostsView, type HostWorker, hostStateOf, type ObservedHost } from './hosts-view.ts';
import { commonSize, type HostsWanted, hostsWanted } from './hosts-wanted.ts';
import { moveDecision, type ObservedPlacement, startDecision } from './placement-decisions.ts';
import { type MoveCause, planMoves, type WorkerMove } from './plan-moves.ts';

export interface PlacementsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly decisions: Decisions;
  readonly states: HostStates;
  readonly hosts: HostsView;
  /** The workers that are to be replaced from now on, all of them: each one's replacement is ready before it stops. */
  readonly moveAway: (workerIds: ReadonlySet<string>) => void;
  /** Instances without a request for a while. */
  readonly idleWorkers: () => ReadonlySet<string>;
}

/** A move under way. */
export interface MoveUnderWay extends Pick<WorkerMove, 'cause' | 'to'> {
  readonly worker: HostWorker;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

/** A worker that has no host. */
export interface PendingPlacement {
  readonly worker: string;
  readonly endpoint: string;
  /** Null if it is to start for the first time. */
  readonly cause: MoveCause | null;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

const roundEveryMs = 1000;
/** A home that has just started does not know yet which hosts will link to it. */
const returnMsMax = 15_000;
/** A start that was rejected is tried again within a second; then it is pending no more. */
const rejectedMsMax = 5000;
const rejectedMax = 1000;

export class Placements {
  readonly #deps: PlacementsDeps;
  readonly #loop: Loop;
  readonly #startedAtMs: number;
  /** By worker: moves under way, in the order in which they began. */
  readonly #moving = new Map<string, MoveUnderWay>();
  readonly #pending = new Map<string, PendingPlacement>();
  /** Starts without a host, by worker. */
  readonly #rejected = new Map<
    string,
    PendingPlacement & { readonly lastMs: number; readonly cpuMilli: number; readonly memoryMiB: number }
  >();
  readonly #links = new Map<string, HostLinkState>();
  readonly #drained = new Set<string>();
  #wanted: HostsWanted | null = null;
  #stopListening: (() => void)[] = [];

  constructor(deps: PlacementsDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.clock.nowMs();
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'a round of placement failed, will be repeated');
    this.#loop = new Loop({ clock: deps.clock, everyMs: roundEveryMs, run: () => this.round(), onFailure });
  }

  open(): void {
    const { hosts, states } = this.#deps;
    this.#stopListening = [hosts.onChange(() => this.#loop.runNow()), states.onChange(() => this.#loop.runNow())];
    this.#loop.open(0);
  }

  async close(): Promise<void> {
    for (const stop of this.#stopListening) stop();
    await this.#loop.close();
  }

  get moving(): readonly MoveUnderWay[] {
    return [...this.#moving.values()];
  }

  /** What waits for a host: moves, then starts. */
  get pending(): readonly PendingPlacement[] {
    return [...this.#pending.values(), ...this.#rejected.values()];
  }

  /** Null while no host is linked. */
  get wanted(): HostsWanted | null {
    return this.#wanted;
  }

  /** The hosts that a start can choose from. */
  facts(): readonly HostFacts[] {
    return this.#deps.hosts.list().map((host) => ({ ...host, state: hostStateOf(host.link, this.#deps.states.wantedOf(host.name)) }));
  }

  /** Records where a worker was started. Functions are not recorded: there can be hundreds of starts a second. */
  async placed(worker: HostWorker, choice: Extract<HostChoice, { readonly fits: true }>): Promise<void> {
    this.#rejected.delete(worker.id);
    if (worker.kind === 'instance') await this.#deps.decisions.record(startDecision(worker, choice, this.#seen()));
  }

  /** Records that a start found no host. It is tried again by its caller. */
  async rejected(worker: Omit<HostWorker, 'host'>, reason: string): Promise<void> {
    const { clock } = this.#deps;
    const { id, endpoint, cpuMilli, memoryMiB } = worker;
    const known = this.#rejected.get(id);
    if (known === undefined && this.#rejected.size >= rejectedMax) return;
    const sinceMs = known?.sinceMs ?? clock.wallMs();
    this.#rejected.set(id, { worker: id, endpoint, cause: null, reason, sinceMs, lastMs: clock.nowMs(), cpuMilli, memoryMiB });
    if (known === undefined) await this.#reportPending(endpoint, { worker: id, cause: null, reason });
  }

  #seen(): ObservedPlacement {
    return { hosts: this.facts(), workers: this.#deps.hosts.list().flatMap(({ workers }) => workers) };
  }

  /** One round. */
  async round(): Promise<void> {
    const observed = this.#deps.hosts.list();
    for (const host of observed) await this.#follow(host);
    await this.#followMissing(observed);
    const workers = observed.flatMap((host) => host.workers);
    await this.#endMoves(workers);
    const pool = new HostPool(this.facts(), workers);
    const plan = planMoves(pool, { busyVariants: this.#busyVariants(workers), idleWorkers: this.#deps.idleWorkers() });
    for (const move of plan.moves) if (move.cause !== 'host-lost') await this.#begin(move, workers);
    await this.#wait(
      plan.pending.filter(({ cause }) => cause !== 'host-lost'),
      workers,
    );
    this.#deps.moveAway(new Set([...this.#moving.keys(), ...plan.ending.map(({ id }) => id)]));
    await this.#reportDrained(observed);
    this.#count(observed, workers);
  }

  async #follow(host: ObservedHost): Promise<void> {
    const { states, events, log } = this.#deps;
    const before = this.#links.get(host.name);
    if (host.link === 'linked') await states.linked(host);
    if (before === host.link) return;
    if (host.link === 'lost') {
      log.warn({ host: host.name, workers: host.workers.length }, 'a host is lost: its workers are placed again');
      await events.recordAndPublish({ kind: 'host.lost', subject: host.name, detail: { zone: host.zone, workers: host.workers.length } });
    }
    if (host.link === 'linked' && before === 'lost') {
      await events.recordAndPublish({ kind: 'host.joined', subject: host.name, detail: { zone: host.zone, returned: true } });
    }
    this.#links.set(host.name, host.link);
  }

  /** Hosts of an earlier home that have not linked to this one. */
  async #followMissing(observed: readonly ObservedHost[]): Promise<void> {
    const { states, events, clock } = this.#deps;
    if (clock.nowMs() - this.#startedAtMs < returnMsMax) return;
    const names = new Set(observed.map(({ name }) => name));
    for (const { name, zone } of states.list()) {
      if (names.has(name) || this.#links.get(name) === 'lost') continue;
      await events.recordAndPublish({ kind: 'host.lost', subject: name, detail: { zone, workers: 0 } });
      this.#links.set(name, 'lost');
    }
  }

  /** A move ends when its worker has stopped, or when it may stay. */
  async #endMoves(workers: readonly HostWorker[]): Promise<void> {
    const { events, clock } = this.#deps;
    const byId = new Map(workers.map((worker) => [worker.id, worker]));
    for (const [id, move] of this.#moving) {
      const now = byId.get(id);
      if (now?.host === move.worker.host && this.#stillHolds(move)) continue;
      if (now?.host === move.worker.host) {
        this.#moving.delete(id);
        continue;
      }
      const { cause, to, worker } = move;
      const replacements = workers.filter((each) => each.variant === worker.variant && each.host !== worker.host);
      const on = replacements.some(({ host }) => host === to) ? to : (replacements.at(-1)?.host ?? null);
      const detail = { worker: id, cause, from: worker.host, to: on, tookMs: clock.wallMs() - move.sinceMs };
      await events.recordAndPublish({ kind: 'worker.moved', subject: worker.endpoint, detail });
      this.#moving.delete(id);
    }
  }

  #stillHolds({ cause, worker }: MoveUnderWay): boolean {
    if (cause === 'spread') return true;
    const wanted = this.#deps.states.wantedOf(worker.host);
    const host = this.#deps.hosts.list().find(({ name }) => name === worker.host);
    return cause === 'host-draining' ? wanted === 'draining' : host?.isOnNotice === true;
  }

  #busyVariants(workers: readonly HostWorker[]): ReadonlySet<string> {
    const starting = workers.filter(({ kind, state }) => kind === 'instance' && state !== 'ready');
    return new Set([...this.moving.map(({ worker }) => worker.variant), ...starting.map(({ variant }) => variant)]);
  }

  async #begin(move: WorkerMove, workers: readonly HostWorker[]): Promise<void> {
    const { decisions, clock } = this.#deps;
    const worker = workers.find(({ id }) => id === move.worker.id);
    if (worker === undefined) return;
    this.#moving.set(worker.id, { worker, cause: move.cause, to: move.to, sinceMs: clock.wallMs() });
    this.#pending.delete(worker.id);
    await decisions.record(moveDecision(worker, move, this.#seen()));
  }

  async #wait(
    pending: readonly { readonly worker: { readonly id: string }; readonly cause: MoveCause; readonly reason: string }[],
    workers: readonly HostWorker[],
  ): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    const ids = new Set(pending.map(({ worker }) => worker.id));
    for (const id of this.#pending.keys()) if (!ids.has(id)) this.#pending.delete(id);
    for (const [id, { lastMs }] of this.#rejected) if (nowMs - lastMs > rejectedMsMax) this.#rejected.delete(id);
    for (const { worker, cause, reason } of pending) {
      const known = this.#pending.get(worker.id);
      const endpoint = workers.find(({ id }) => id === worker.id)?.endpoint ?? '';
      const sinceMs = known?.sinceMs ?? this.#deps.clock.wallMs();
      this.#pending.set(worker.id, { worker: worker.id, endpoint, cause, reason, sinceMs });
      if (known === undefined) await this.#reportPending(endpoint, { worker: worker.id, cause, reason });
    }
  }

  async #reportPending(
    endpoint: string,
    detail: { readonly worker: string; readonly cause: MoveCause | null; readonly reason: string },
  ): Promise<void> {
    await this.#deps.events.recordAndPublish({ kind: 'placement.pending', subject: endpoint, detail });
  }

  async #reportDrained(observed: readonly ObservedHost[]): Promise<void> {
    const { states, events } = this.#deps;
    for (const { name, zone, workers, link } of observed) {
      const isDrained = states.wantedOf(name) === 'draining' && workers.length === 0 && link === 'linked';
      if (!isDrained) this.#drained.delete(name);
      else if (!this.#drained.has(name)) {
        this.#drained.add(name);
        await events.recordAndPublish({ kind: 'host.drained', subject: name, detail: { zone } });
      }
    }
  }

  #count(observed: readonly ObservedHost[], workers: readonly HostWorker[]): void {
    const linked = observed.filter(({ link }) => link === 'linked');
    const size = commonSize(linked);
    const waiting = [...this.#rejected.values()].map(({ cpuMilli, memoryMiB }) => ({ cpuMilli, memoryMiB, accelerator: null }));
    const zones = new Set(linked.map(({ zone }) => zone)).size;
    this.#wanted = size === null ? null : hostsWanted([...workers, ...waiting], size, zones);
  }
}
