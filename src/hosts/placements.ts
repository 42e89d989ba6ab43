/**
 * What became of hosts and of the workers on them: records each placement and move as a decision, reports hosts that join, are lost or are
 * drained as events, and counts the hosts wanted. The provider decides and moves (`placed-provider.ts`); this follows.
 */
import { type Clock, Loop } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Decisions, Events } from '../records/index.ts';
import type { HostStates } from './host-states.ts';
import { type HostLinkState, type HostsView, hostFactsOf, type ObservedHost, type PlacedSpec, type UnplacedWorker } from './hosts-view.ts';
import { countHostsWanted, type HostSize, type HostsWanted } from './hosts-wanted.ts';
import {
  type NewPlacement,
  type NewTaskPlacement,
  type ObservedPlacement,
  placementDecision,
  taskPlacementDecision,
} from './placement-decisions.ts';
import type { MoveCause } from './plan-moves.ts';

export interface PlacementsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly decisions: Pick<Decisions, 'record'>;
  readonly states: HostStates;
  readonly hosts: HostsView;
  /** Of the hosts that are wanted; absent: that of most hosts. */
  readonly hostSize?: HostSize | null;
}

/** A move whose worker is not ready yet on its new host. */
export interface MoveUnderWay {
  readonly worker: string;
  readonly endpoint: string;
  readonly cause: MoveCause;
  readonly from: string | null;
  readonly to: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

const roundEveryMs = 1000;
/** A home that has just started does not know yet which hosts will link to it. */
const returnMsMax = 15_000;
/** A start that found no host is tried again within a second or so; then it is pending no more. */
const rejectedMsMax = 5000;
const rejectedMax = 1000;

export class Placements {
  readonly #deps: PlacementsDeps;
  readonly #loop: Loop;
  readonly #startedAtMs: number;
  readonly #moving = new Map<string, MoveUnderWay>();
  /** Starts without a host, by worker. */
  readonly #rejected = new Map<string, UnplacedWorker & { readonly lastMs: number }>();
  /** Placements that were recorded, by worker, until it is ready: a start that fails is tried again each second, and is one decision. */
  readonly #recorded = new Map<string, string>();
  /** Workers whose lack of a host was reported. */
  #reported: ReadonlySet<string> = new Set();
  readonly #links = new Map<string, HostLinkState>();
  /** When hosts were lost, by the monotonic clock. */
  readonly #lostAtMs = new Map<string, number>();
  /** Before, workers of an earlier home may not have been adopted yet. */
  #countedFromMs: number | null = null;
  readonly #drained = new Set<string>();
  #wanted: HostsWanted | null = null;
  /** Decisions in the order of their placements. */
  #recording: Promise<void> = Promise.resolve();
  #stopListening: (() => void)[] = [];

  constructor(deps: PlacementsDeps) {
    this.#deps = deps;
    this.#startedAtMs = deps.clock.nowMs();
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'hosts could not be followed, will be repeated');
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
    await this.#recording;
  }

  /** In the order in which they began. */
  get moving(): readonly MoveUnderWay[] {
    return [...this.#moving.values()];
  }

  /** Workers without a host: those that had one, then those that never had. */
  get pending(): readonly UnplacedWorker[] {
    return [...this.#deps.hosts.unplaced(), ...this.#rejected.values()];
  }

  /** Null while no host is known, and until this home knows which workers of an earlier one go on. */
  get wanted(): HostsWanted | null {
    return this.#wanted;
  }

  /** Records where a worker starts or moves to. Functions are not recorded: there can be hundreds of starts a second. */
  placed(placement: NewPlacement): void {
    const { worker, cause, from, host: to } = placement;
    this.#rejected.delete(worker.id);
    if (worker.kind === 'function') return;
    const sinceMs = this.#deps.clock.wallMs();
    if (cause !== null) this.#moving.set(worker.id, { worker: worker.id, endpoint: worker.endpoint, cause, from, to, sinceMs });
    const text = JSON.stringify([to, cause, from, placement.reason]);
    if (this.#recorded.get(worker.id) === text) return;
    this.#recorded.set(worker.id, text);
    const decision = placementDecision(placement, this.#observed());
    this.#recording = this.#recording.then(() => this.#record(decision));
  }

  /** Records where a task of a job starts. */
  taskPlaced(placement: NewTaskPlacement): void {
    const decision = taskPlacementDecision(placement, this.#observed());
    this.#recording = this.#recording.then(() => this.#record(decision));
  }

  /** A start found no host. Its caller tries again. */
  rejected(worker: PlacedSpec, reason: string): void {
    const { clock } = this.#deps;
    const { id, endpoint, cpuMilli, memoryMiB, accelerator } = worker;
    const known = this.#rejected.get(id);
    if (known === undefined && this.#rejected.size >= rejectedMax) return;
    const sinceMs = known?.sinceMs ?? clock.wallMs();
    this.#rejected.set(id, { worker: id, endpoint, cpuMilli, memoryMiB, accelerator, reason, sinceMs, lastMs: clock.nowMs() });
  }

  /** The disk or the memory of a host may be broken. What it sent was not used. */
  sentWrongBytes(host: string, sha256: string, toHost: string): void {
    const { log, events } = this.#deps;
    log.warn({ host, object: sha256, toHost }, 'a host has sent wrong bytes to another one');
    events
      .recordAndPublish({ kind: 'host.sent-wrong-bytes', subject: host, detail: { sha256, toHost } })
      .catch((error: unknown) => log.warn({ host, error: messageOf(error) }, 'an event was not recorded'));
  }

  async round(): Promise<void> {
    this.#countedFromMs ??= this.#startedAtMs + (this.#deps.states.list().some(({ isLost }) => !isLost) ? returnMsMax : 0);
    const observed = this.#deps.hosts.list();
    for (const host of observed) await this.#follow(host);
    await this.#followMissing(observed);
    await this.#endMoves(observed);
    for (const { id, state } of observed.flatMap(({ workers }) => workers)) if (state === 'ready') this.#recorded.delete(id);
    if (this.#recorded.size > rejectedMax) this.#recorded.clear(); // of workers that never became ready
    await this.#reportPending();
    await this.#reportDrained(observed);
    this.#count(observed);
    await this.#recording;
  }

  #observed(): ObservedPlacement {
    const { hosts, states } = this.#deps;
    const observed = hosts.list();
    return {
      hosts: observed.map((host) => hostFactsOf(host, states.wantedOf(host.name))),
      workers: observed.flatMap(({ workers }) => workers),
    };
  }

  async #record(decision: Parameters<Decisions['record']>[0]): Promise<void> {
    try {
      await this.#deps.decisions.record(decision);
    } catch (error) {
      this.#deps.log.warn({ endpoint: decision.endpoint, error: messageOf(error) }, 'a placement could not be recorded');
    }
  }

  async #follow(host: ObservedHost): Promise<void> {
    const { states, events } = this.#deps;
    const { name, zone, link, workers } = host;
    if (host.isHome) return;
    const before = this.#links.get(name);
    if (link === 'linked') await states.linked(host);
    if (before === link) return;
    if (link !== 'lost') this.#lostAtMs.delete(name);
    if (link === 'lost') {
      this.#lostAtMs.set(name, this.#deps.clock.nowMs());
      await states.lost(name);
      await events.recordAndPublish({ kind: 'host.lost', subject: name, detail: { zone, workers: workers.length } });
    }
    if (link === 'linked' && before === 'lost') {
      await events.recordAndPublish({ kind: 'host.joined', subject: name, detail: { zone, returned: true } });
    }
    this.#links.set(name, link);
  }

  /** Hosts of an earlier home that have not linked to this one. */
  async #followMissing(observed: readonly ObservedHost[]): Promise<void> {
    const { states, events, clock } = this.#deps;
    if (clock.nowMs() - this.#startedAtMs < returnMsMax) return;
    const names = new Set(observed.map(({ name }) => name));
    for (const { name, zone } of states.list()) {
      if (names.has(name) || this.#links.get(name) === 'lost') continue;
      await states.lost(name);
      await events.recordAndPublish({ kind: 'host.lost', subject: name, detail: { zone, workers: 0 } });
      this.#links.set(name, 'lost');
      this.#lostAtMs.set(name, clock.nowMs());
    }
  }

  /** A move ends when its worker is ready on the new host, or when it was given up. */
  async #endMoves(observed: readonly ObservedHost[]): Promise<void> {
    const { events, clock } = this.#deps;
    const workers = observed.flatMap((host) => host.workers);
    for (const [id, move] of this.#moving) {
      const [there, here] = [move.to, move.from].map((name) => workers.find((worker) => worker.id === id && worker.host === name));
      if (there !== undefined && (there.state !== 'ready' || here !== undefined)) continue;
      const { cause, from, to, endpoint, sinceMs } = move;
      const detail = { worker: id, cause, from, to, tookMs: clock.wallMs() - sinceMs };
      if (there !== undefined) await events.recordAndPublish({ kind: 'worker.moved', subject: endpoint, detail });
      if (this.#moving.get(id) === move) this.#moving.delete(id);
    }
  }

  async #reportPending(): Promise<void> {
    const { clock, events } = this.#deps;
    for (const [id, { lastMs }] of this.#rejected) if (clock.nowMs() - lastMs > rejectedMsMax) this.#rejected.delete(id);
    const { pending } = this;
    for (const { worker, endpoint, reason } of pending) {
      if (this.#reported.has(worker)) continue;
      await events.recordAndPublish({ kind: 'placement.pending', subject: endpoint, detail: { worker, reason } });
    }
    this.#reported = new Set(pending.map(({ worker }) => worker));
  }

  async #reportDrained(observed: readonly ObservedHost[]): Promise<void> {
    const { states, events } = this.#deps;
    for (const { name, zone, workers, hostTasks = [], link } of observed) {
      const isEmpty = workers.length + hostTasks.length === 0;
      const isDrained = states.wantedOf(name) === 'draining' && isEmpty && link === 'linked';
      if (isDrained && !this.#drained.has(name)) await events.recordAndPublish({ kind: 'host.drained', subject: name, detail: { zone } });
      if (isDrained) this.#drained.add(name);
      else this.#drained.delete(name);
    }
  }

  #count(observed: readonly ObservedHost[]): void {
    const nowMs = this.#deps.clock.nowMs();
    const known = this.#deps.states.list();
    if (nowMs < (this.#countedFromMs ?? 0)) return;
    const lostMsOf = (name: string): number | null => {
      const atMs = this.#lostAtMs.get(name);
      return atMs === undefined ? null : nowMs - atMs;
    };
    const names = new Set(observed.map(({ name }) => name));
    const absent = known.filter(({ name, isLost }) => !names.has(name) && (!isLost || this.#lostAtMs.has(name)));
    const counted = [
      ...observed.map((host) => ({ ...host, lostMs: lostMsOf(host.name) })),
      ...absent.map((host) => ({ ...host, lostMs: lostMsOf(host.name), isHome: false, workers: [] })),
    ];
    const demand = { hosts: counted, waiting: this.pending, tasks: this.#deps.hosts.tasks() };
    this.#wanted = countHostsWanted(demand, this.#deps.hostSize);
  }
}
