/** The cluster for its operators: nodes, hosts with their workers, what moved and why, and what is to be done. */
import { type Clock, Loop } from '../clock.ts';
import {
  type ClusterState,
  clockNote,
  clockNotes,
  clockOffsetMsMax,
  describeNodes,
  describeUpgrade,
  type NodeStatus,
  readClusterState,
  type UpgradeStatus,
} from '../cluster/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { WorkerView } from '../providers/index.ts';
import type { Decision, Decisions, Events } from '../records/index.ts';
import { type Database, needAllSteps, readSchema, type SchemaState } from '../storage/index.ts';
import type { HostState, WantedHostState } from './host.ts';
import type { HostSetStatus } from './host-set/host-scaler.ts';
import type { HostStates, KnownHost } from './host-states.ts';
import { type HostLinkState, type HostsView, type HostWorker, hostFactsOf, type ObservedHost, type UnplacedWorker } from './hosts-view.ts';
import type { HostsWanted } from './hosts-wanted.ts';
import type { MoveUnderWay, Placements } from './placements.ts';

/** A host with what it has, what is used of it, and how it is linked. */
export interface HostStatus {
  readonly name: string;
  readonly zone: string;
  readonly state: HostState;
  /** Epoch milliseconds; null for a host that is not stored yet. */
  readonly sinceMs: number | null;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  readonly cpuUsedMilli: number;
  readonly memoryUsedMiB: number;
  /** When its agent stops, epoch milliseconds; null unless it got SIGTERM. It drains until then. */
  readonly endsAtMs: number | null;
  /** Whether it is the machine of the node that serves. It takes workers too, and is neither cordoned nor drained. */
  readonly isHome: boolean;
  readonly link: HostLinkState;
  /** Of its agent; null for the machine of the home, and if the host has not been linked to this home. */
  readonly version: string | null;
  /** Null if the host has not been linked to this home. */
  readonly silentMs: number | null;
  /** Round trip of its link; null if it is not known. */
  readonly lagMs: number | null;
  /** By how much its clock is ahead of that of the database; null if it is not known. */
  readonly clockOffsetMs: number | null;
  readonly address: string | null;
  readonly workers: readonly HostWorker[];
  /** While it drains: why its workers cannot leave. */
  readonly blocked: readonly UnplacedWorker[];
}

export interface ClusterStatus {
  readonly nodes: readonly NodeStatus[];
  readonly hosts: readonly HostStatus[];
  readonly moving: readonly MoveUnderWay[];
  readonly pending: readonly UnplacedWorker[];
  readonly wanted: HostsWanted | null;
  /** The set of hosts that this home scales; null without one. */
  readonly scaling: HostSetStatus | null;
  /** Where workers started and moved last, newest first. */
  readonly recent: readonly Decision[];
  /** When nodes and recent placements were read. Hosts, moves and what waits are as they are now. */
  readonly asOfMs: number;
  /** Since when the database has not answered; null if it does. */
  readonly databaseAwaySinceMs: number | null;
  readonly notes: readonly string[];
}

/** What the database says. */
interface StoredCluster {
  readonly state: ClusterState;
  readonly schema: SchemaState;
  readonly recent: readonly Decision[];
  readonly atMs: number;
}

interface ClusterViewDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly decisions: Pick<Decisions, 'list'>;
  readonly states: HostStates;
  readonly hosts: HostsView;
  readonly placements: Pick<Placements, 'moving' | 'pending' | 'wanted'>;
  readonly scaler?: { readonly status: HostSetStatus } | null;
}

const readEveryMs = 5000;
/** A database that does not answer must not hold up the status. */
const readMsMax = 1000;
const recentMax = 50;

export class ClusterView {
  readonly #deps: ClusterViewDeps;
  readonly #reads: Loop;
  /** As last read. */
  #stored: StoredCluster | null = null;
  #awaySinceMs: number | null = null;
  /** By how much the clock of the home is ahead of that of the database. */
  #homeOffsetMs = 0;
  /** Nodes whose clock was reported as wrong. */
  #skewed: ReadonlySet<string> = new Set();
  #notes: readonly string[] = [];

  constructor(deps: ClusterViewDeps) {
    this.#deps = deps;
    const onFailure = (error: unknown): void =>
      deps.log.warn({ error: messageOf(error) }, 'the state of the cluster was not read, will be retried');
    this.#reads = new Loop({ clock: deps.clock, everyMs: readEveryMs, run: () => this.checkClocks(), onFailure });
  }

  open(): void {
    this.#reads.open(0);
  }

  async close(): Promise<void> {
    await this.#reads.close();
  }

  /** As of the last check. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /** While the database is away: what was read last, and what the home knows. Throws only if nothing was read yet. */
  async status(): Promise<ClusterStatus> {
    const stored = await this.#read().catch((error: unknown) => this.#remembered(error));
    const { state, recent, atMs: asOfMs } = stored;
    const nodes = describeNodes(state);
    const { moving, pending, wanted } = this.#deps.placements;
    const hosts = this.hosts();
    const notes = [...this.#awayNotes(), ...clockNotes(nodes), ...hostClockNotes(hosts), ...this.#upgrade(stored).notes];
    const scaling = this.#deps.scaler?.status ?? null;
    return { nodes, hosts, moving, pending, wanted, scaling, recent, asOfMs, databaseAwaySinceMs: this.#awaySinceMs, notes };
  }

  /** Ends an upgrade: from now on, nodes of older versions are rejected. Throws `wrong_state` while one is live. */
  async finishUpgrade(): Promise<void> {
    const stored = await this.#read();
    const { open } = this.#upgrade(stored);
    if (open !== null) throw new PlatformError('wrong_state', `the upgrade cannot be finished yet: ${open}`);
    await needAllSteps(this.#deps.db, stored.schema);
  }

  /** By name. */
  hosts(): readonly HostStatus[] {
    const { hosts, states } = this.#deps;
    const observed = hosts.list();
    const names = new Set(observed.map(({ name }) => name));
    const absent = states.list().filter(({ name }) => !names.has(name));
    return [...observed.map((host) => this.#statusOf(host)), ...absent.map(absentStatus)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Where a worker runs, as the provider lists it; null if it has no host. */
  placeOf({ spec, host }: WorkerView): { readonly name: string; readonly zone: string } | null {
    const { hosts } = this.#deps;
    if (host !== undefined) return host;
    if (hosts.unplaced().some(({ worker }) => worker === spec.id)) return null;
    return hosts.list().find(({ isHome }) => isHome) ?? null;
  }

  /** Throws `not_found`. */
  host(name: string): HostStatus {
    const found = this.hosts().find((host) => host.name === name);
    if (found === undefined) throw new PlatformError('not_found', `there is no host ${name}: see penstock cluster hosts`);
    return found;
  }

  /** Throws `not_found`, and `wrong_state` for the machine of the home. */
  async setWanted(name: string, wanted: WantedHostState, who: string): Promise<HostStatus> {
    if (this.host(name).isHome) {
      throw new PlatformError(
        'wrong_state',
        `${name} is the node that serves: stop it, and another node serves. Then its workers run elsewhere`,
      );
    }
    await this.#deps.states.set(name, wanted, who);
    return this.host(name);
  }

  /** Of a host whose certificate is refused from now on. */
  async forget(name: string): Promise<void> {
    await this.#deps.states.remove(name);
    this.#deps.hosts.forget(name);
  }

  /** Reports each node whose clock is wrong, once until it is right again. */
  async checkClocks(): Promise<void> {
    const stored = await this.#read();
    const nodes = describeNodes(stored.state);
    this.#notes = [...clockNotes(nodes), ...hostClockNotes(this.hosts()), ...this.#upgrade(stored).notes];
    const wrong = nodes.filter(({ state, clockOffsetMs }) => state !== 'dead' && Math.abs(clockOffsetMs) > clockOffsetMsMax);
    for (const { name, clockOffsetMs } of wrong) {
      if (this.#skewed.has(name)) continue;
      await this.#deps.events.recordAndPublish({ kind: 'node.clock-skewed', subject: name, detail: { clockOffsetMs } });
    }
    this.#skewed = new Set(wrong.map(({ name }) => name));
  }

  async #read(): Promise<StoredCluster> {
    const { db, decisions, clock, hosts } = this.#deps;
    const reading = Promise.all([readClusterState(db), readSchema(db), decisions.list({ kind: 'placement', limit: recentMax })]);
    let cancel = (): void => undefined;
    const isLate = new Promise<never>((_, reject) => {
      cancel = clock.after(readMsMax, () => reject(new PlatformError('unavailable', 'the database does not answer')));
    });
    try {
      const [state, schema, recent] = await Promise.race([reading, isLate]);
      const home = hosts.list().find(({ isHome }) => isHome);
      this.#homeOffsetMs = state.nodes.find(({ name }) => name === home?.name)?.clockOffsetMs ?? 0;
      this.#awaySinceMs = null;
      this.#stored = { state, schema, recent, atMs: clock.wallMs() };
      return this.#stored;
    } catch (error) {
      reading.catch(() => undefined);
      this.#awaySinceMs ??= this.#stored?.atMs ?? clock.wallMs();
      throw error;
    } finally {
      cancel();
    }
  }

  #upgrade({ state, schema }: StoredCluster): UpgradeStatus {
    const linked = this.#deps.hosts
      .list()
      .flatMap(({ name, link, version }) => (link === 'linked' && version !== undefined ? [{ name, version }] : []));
    return describeUpgrade(state, schema, linked);
  }

  #remembered(error: unknown): StoredCluster {
    if (this.#stored === null) throw error;
    return this.#stored;
  }

  #awayNotes(): string[] {
    if (this.#awaySinceMs === null) return [];
    const since = new Date(this.#awaySinceMs).toISOString().slice(11, 19);
    return [
      `PostgreSQL has not answered since ${since} (UTC): nodes and placements are shown as of then, and changes are rejected until it answers`,
    ];
  }

  #statusOf(host: ObservedHost): HostStatus {
    const { states, placements, clock } = this.#deps;
    const {
      name,
      zone,
      cpuMilli,
      memoryMiB,
      workers,
      link,
      silentMs,
      lagMs,
      clockAheadMs,
      endsInMs,
      address,
      version = null,
      isHome,
    } = host;
    const ids = new Set(workers.map(({ id }) => id));
    return {
      name,
      zone,
      cpuMilli,
      memoryMiB,
      workers,
      link,
      silentMs,
      lagMs,
      address,
      version,
      clockOffsetMs: clockAheadMs === null ? null : clockAheadMs + this.#homeOffsetMs,
      endsAtMs: endsInMs === null ? null : clock.wallMs() + endsInMs,
      isHome,
      state: hostFactsOf(host, states.wantedOf(name)).state,
      sinceMs: states.get(name)?.sinceMs ?? null,
      cpuUsedMilli: workers.reduce((sum, worker) => sum + worker.cpuMilli, 0),
      memoryUsedMiB: workers.reduce((sum, worker) => sum + worker.memoryMiB, 0),
      blocked: placements.pending.filter(({ worker }) => ids.has(worker)),
    };
  }
}

/** A host of an earlier home, which has not linked to this one. */
function absentStatus({ name, zone, sinceMs, cpuMilli, memoryMiB }: KnownHost): HostStatus {
  const nothing = {
    cpuUsedMilli: 0,
    memoryUsedMiB: 0,
    silentMs: null,
    lagMs: null,
    clockOffsetMs: null,
    endsAtMs: null,
    address: null,
    version: null,
    workers: [],
    blocked: [],
    isHome: false,
  };
  return { name, zone, sinceMs, cpuMilli, memoryMiB, state: 'lost', link: 'lost', ...nothing };
}

function hostClockNotes(hosts: readonly HostStatus[]): string[] {
  return hosts.flatMap(({ name, clockOffsetMs }) => (clockOffsetMs === null ? [] : (clockNote(`host ${name}`, clockOffsetMs) ?? [])));
}
