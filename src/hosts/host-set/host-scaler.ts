/**
 * The loop by which the home scales a set of hosts: observe, decide (`decide-host-count.ts`), act.
 *
 * A home may be stopped at any point and replaced, and a request that it has sent may arrive at the engine much later. Two things keep such a
 * request from acting on what has changed since. It counts for one version of the set only. And it is in a row before it is sent: the next
 * home first makes the same change for the same version, whereupon the set has another one. Until then, the host that the change ends
 * remains empty, because its row says `draining`.
 */
import { type Clock, Loop } from '../../clock.ts';
import { type ControllerTerm, Deposed } from '../../cluster/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Decisions, Events } from '../../records/index.ts';
import type { Database } from '../../storage/index.ts';
import type { HostStates } from '../host-states.ts';
import type { HostsView, ObservedHost } from '../hosts-view.ts';
import type { HostsWanted } from '../hosts-wanted.ts';
import { decideHostCount, type HostOfSet, type HostSetDecision, type HostSetLimits, type HostSetObservation } from './decide-host-count.ts';
import { type HostSet, type HostSetCount, ordinalOf } from './host-set.ts';
import { type ChosenHostSet, type DecidedHostSet, type HostSetInputs, hostSetInputs } from './host-set-decisions.ts';
import { type HostSetRow, HostSetRows, type SentChange } from './host-set-rows.ts';

export interface HostScalerDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Pick<Events, 'record' | 'publish' | 'recordAndPublish'>;
  readonly decisions: Pick<Decisions, 'recordIn'>;
  readonly states: HostStates;
  readonly hosts: HostsView;
  readonly placements: { readonly wanted: HostsWanted | null };
  /** The role of this node; null once another one has it. */
  readonly term: () => ControllerTerm | null;
}

export interface HostScalerOptions {
  readonly name: string;
  readonly limits: HostSetLimits;
  readonly set: HostSet;
}

/** For the status of the cluster. */
export interface HostSetStatus {
  readonly name: string;
  readonly limits: HostSetLimits;
  /** How many hosts it should have, within its limits; null before that is known. */
  readonly wanted: number | null;
  /** The number that the engine runs; null before it was read. */
  readonly hosts: number | null;
  /** How many of them are linked. */
  readonly linked: number;
  /** The host that is emptied, so that it can end; null without one. */
  readonly draining: string | null;
  /** Of the last decision. */
  readonly reason: string;
  /** Why the engine could not be read or changed; null if it could. */
  readonly problem: string | null;
}

const roundEveryMs = 10_000;
/** As the author of a change of a host's state, in the audit log. */
const author = 'penstock';

export class HostScaler {
  readonly #deps: HostScalerDeps;
  readonly #options: HostScalerOptions;
  readonly #rows: HostSetRows;
  readonly #loop: Loop;
  #hosts: number | null = null;
  #wanted: number | null = null;
  #draining: number | null = null;
  #reason = 'it has not been decided yet';
  #problem: string | null = null;
  /** By the monotonic clock: when the present number was needed last, and since when a host is emptied. */
  #neededAtMs: number;
  #drainingSinceMs: number | null = null;

  constructor(deps: HostScalerDeps, options: HostScalerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#rows = new HostSetRows(deps, options.name);
    this.#neededAtMs = deps.clock.nowMs();
    const onFailure = (error: unknown): void => deps.log.warn({ error: messageOf(error) }, 'the hosts were not scaled, will be repeated');
    this.#loop = new Loop({ clock: deps.clock, everyMs: roundEveryMs, run: () => this.round(), onFailure });
  }

  open(): void {
    this.#loop.open(0);
  }

  async close(): Promise<void> {
    await this.#loop.close();
  }

  get status(): HostSetStatus {
    const { name, limits } = this.#options;
    const hosts = this.#hosts;
    const linked = this.#known().filter(({ link, ordinal }) => link === 'linked' && ordinal < (hosts ?? 0)).length;
    const draining = this.#draining === null ? null : `${name}-${this.#draining}`;
    return { name, limits, wanted: this.#wanted, hosts, linked, draining, reason: this.#reason, problem: this.#problem };
  }

  /** One decision. A failure of the engine is reported once, and tried again in the next round. */
  async round(): Promise<void> {
    const term = this.#deps.term();
    if (term === null) return;
    try {
      await this.#decide(term);
      this.#problem = null;
    } catch (error) {
      if (error instanceof Deposed) return; // the node ends
      const problem = messageOf(error);
      const isNew = problem !== this.#problem;
      this.#problem = problem;
      if (!isNew) return;
      const { name } = this.#options;
      await this.#deps.events.recordAndPublish({ kind: 'host-set.failed', subject: name, detail: { problem, epoch: term.epoch } });
    }
  }

  async #decide(term: ControllerTerm): Promise<void> {
    const count = await this.#options.set.read();
    this.#hosts = count.hosts;
    // After the engine was asked, not before: a home that was stopped meanwhile finds that it was replaced.
    const row = await this.#rows.read();
    this.#draining = row.draining;
    if (row.sent !== null) return this.#settle(term, row.sent, count);
    const observed = this.#observe(count, row);
    const decision = decideHostCount(observed);
    if (decision.needed === null || decision.needed >= count.hosts) this.#neededAtMs = this.#deps.clock.nowMs();
    this.#reason = decision.reason;
    this.#wanted = decision.needed;
    await this.#act(term, decision, count, hostSetInputs(observed));
  }

  async #act(
    term: ControllerTerm,
    decision: HostSetDecision,
    { hosts: before, version }: HostSetCount,
    inputs: HostSetInputs,
  ): Promise<void> {
    if (decision.action === 'keep') return;
    const { reason } = decision;
    if (decision.action === 'scale') {
      const change: SentChange = { hosts: decision.hosts, version, epoch: term.epoch, reason, inputs };
      await this.#rows.sending(term, change);
      return this.#send(term, change);
    }
    const { action, ordinal } = decision;
    const decided = (chosen: ChosenHostSet['action']): DecidedHostSet => {
      return { inputs, reason, chosen: { action: chosen, hosts: before, host: `${this.#options.name}-${ordinal}` } };
    };
    if (action === 'drain') {
      await this.#rows.setDraining(term, ordinal, decided('drain'));
      this.#draining = ordinal;
      await this.#setState(ordinal, 'draining');
      return;
    }
    // A drain starts again only after another 10 minutes without need.
    if (action === 'restore') {
      this.#neededAtMs = this.#deps.clock.nowMs();
      await this.#setState(ordinal, 'ready');
    } else await this.#forget(ordinal);
    await this.#rows.setDraining(term, null, action === 'restore' ? decided('restore') : null);
    this.#draining = null;
  }

  /** A change of which it is not known whether it was made: made again, for the same version, unless the set has another one by now. */
  async #settle(term: ControllerTerm, sent: SentChange, count: HostSetCount): Promise<void> {
    if (sent.version !== count.version) {
      // Made, or never to be made.
      return this.#rows.settled(term, sent.hosts === count.hosts ? this.#scaled(term, sent) : null);
    }
    const used = this.#known().find((host) => host.ordinal >= sent.hosts && host.link !== 'lost' && host.workers > 0);
    if (used !== undefined) {
      this.#reason = `an earlier change of the number of hosts to ${sent.hosts} may still be made, and ${used.name} has workers: drain it`;
      return;
    }
    this.#reason = sent.reason;
    await this.#send(term, { ...sent, epoch: term.epoch });
  }

  async #send(term: ControllerTerm, change: SentChange): Promise<void> {
    const made = await this.#options.set.write(change).catch(async (error: unknown) => {
      const isRejected = error instanceof PlatformError && error.code !== 'unavailable';
      if (isRejected) await this.#rows.settled(term, null);
      throw error;
    });
    if (made !== null) this.#hosts = made.hosts;
    await this.#rows.settled(term, made === null ? null : this.#scaled(term, change));
  }

  #scaled({ epoch }: ControllerTerm, change: SentChange) {
    const { name, limits } = this.#options;
    const { hosts, reason, inputs } = change;
    const detail = { before: inputs?.hosts ?? null, hosts, reason, epoch, ...limits, wanted: inputs?.wanted?.hosts ?? null };
    return { change, event: { kind: 'host-set.scaled', subject: name, detail } } as const;
  }

  #observe({ hosts }: HostSetCount, { draining }: HostSetRow): HostSetObservation {
    const { clock, hosts: view, states, placements } = this.#deps;
    const { name: set, limits } = this.#options;
    const nowMs = clock.nowMs();
    this.#drainingSinceMs = draining === null ? null : (this.#drainingSinceMs ?? nowMs);
    const isOther = ({ name, link, isHome }: ObservedHost): boolean =>
      !isHome && link !== 'lost' && ordinalOf(set, name) === null && states.wantedOf(name) === 'ready';
    return {
      set,
      limits,
      hosts,
      draining,
      drainingMs: nowMs - (this.#drainingSinceMs ?? nowMs),
      surplusMs: nowMs - this.#neededAtMs,
      wanted: placements.wanted,
      others: view.list().filter(isOther).length,
      known: this.#known(),
    };
  }

  /** Also those that were linked to an earlier home only: they are lost unless they return. */
  #known(): HostOfSet[] {
    const { hosts: view, states } = this.#deps;
    const linked = new Map(view.list().map((host) => [host.name, host]));
    const names = new Set([...linked.keys(), ...states.list().map(({ name }) => name)]);
    return [...names].flatMap((name) => {
      const ordinal = ordinalOf(this.#options.name, name);
      const { link = 'lost', workers = [], hostTasks = [] } = linked.get(name) ?? {};
      return ordinal === null ? [] : [{ name, ordinal, link, wanted: states.wantedOf(name), workers: workers.length + hostTasks.length }];
    });
  }

  async #setState(ordinal: number, wanted: 'ready' | 'draining'): Promise<void> {
    const { states } = this.#deps;
    const name = `${this.#options.name}-${ordinal}`;
    const present = states.get(name)?.wanted;
    // What an operator wants of it meanwhile stays. One that has not joined yet is ready.
    if (present === (wanted === 'ready' ? 'draining' : 'ready')) await states.set(name, wanted, author);
  }

  /** Its row goes, so that a later host of the name takes workers. Its certificate stays valid, as its volume does. */
  async #forget(ordinal: number): Promise<void> {
    const name = `${this.#options.name}-${ordinal}`;
    await this.#deps.states.remove(name);
    this.#deps.hosts.forget(name);
  }
}
