/** The cluster for its operators: nodes, hosts with their workers, what moved and why, and what is to be done. */
import { type Clock, Loop } from '../clock.ts';
import {
  type ClusterState,
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
import type { WantedHostState } from './host.ts';
import type { HostSetStatus } from './host-set/host-scaler.ts';
import type { HostStates } from './host-states.ts';
import { absentHost, describeHost, type HostStatus, hostNotes } from './host-status.ts';
import type { HostsView, UnplacedWorker } from './hosts-view.ts';
import type { HostsWanted } from './hosts-wanted.ts';
import type { MoveUnderWay, Placements } from './placements.ts';

/** How a gateway process of another node is linked to the home. */
export interface NodeLink {
  /** Round trip; null if it is not known. */
  readonly lagMs: number | null;
  /** The node that passes it on; null if the link is direct. */
  readonly via: string | null;
}

/** A node with its link to the home: null if it has none, as the home itself. */
export interface LinkedNodeStatus extends NodeStatus {
  readonly link: NodeLink | null;
}

export interface ClusterStatus {
  readonly nodes: readonly LinkedNodeStatus[];
  readonly hosts: readonly HostStatus[];
  readonly moving: readonly MoveUnderWay[];
  readonly pending: readonly UnplacedWorker[];
  readonly wanted: HostsWanted | null;
  /** The set of hosts that this home scales; null without one. */
  readonly scaling: HostSetStatus | null;
  /** What was decided about the number of hosts of sets last, newest first. */
  readonly scaled: readonly Decision[];
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
  readonly scaled: readonly Decision[];
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
  /** Of other nodes, by name. */
  readonly nodeLinks: () => ReadonlyMap<string, NodeLink>;
  readonly joinSecret?: { readonly notes: readonly string[] } | null;
}

const readEveryMs = 5000;
/** A database that does not answer must not hold up the status. */
const readMsMax = 1000;
const recentMax = 50;
const scaledMax = 20;

export class ClusterView {
  readonly #deps: ClusterViewDeps;
  readonly #reads: Loop;
  /** As last read. */
  #stored: StoredCluster | null = null;
  #awaySinceMs: number | null = null;
  /** By how much the clock of the home is ahead of that of the database. */
  #homeOffsetMs = 0;
  /** Nodes and hosts whose clock was reported as wrong, as `node a`. */
  #skewed: ReadonlySet<string> = new Set();
  /** What the database showed. */
  #nodeNotes: readonly string[] = [];

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

  /** Of nodes as of the last check, of hosts as they are now. */
  get notes(): readonly string[] {
    return [...this.#nodeNotes, ...hostNotes(this.hosts(), this.#deps.placements.pending)];
  }

  /** How many hosts are lost, and how many workers wait for room. */
  get shortage(): { readonly lostHosts: number; readonly waitingWorkers: number } {
    const lostHosts = this.hosts().filter(({ state }) => state === 'lost').length;
    return { lostHosts, waitingWorkers: this.#deps.placements.pending.length };
  }

  /** While the database is away: what was read last, and what the home knows. Throws only if nothing was read yet. */
  async status(): Promise<ClusterStatus> {
    const stored = await this.#read().catch((error: unknown) => this.#remembered(error));
    const { state, recent, scaled, atMs: asOfMs } = stored;
    const { placements, nodeLinks } = this.#deps;
    const links = nodeLinks();
    const nodes = describeNodes(state).map((node) => ({ ...node, link: links.get(node.name) ?? null }));
    const { moving, pending, wanted } = placements;
    const hosts = this.hosts();
    const joining = this.#deps.joinSecret?.notes ?? [];
    const notes = [...this.#awayNotes(), ...clockNotes(nodes), ...hostNotes(hosts, pending), ...this.#upgrade(stored).notes, ...joining];
    const scaling = this.#deps.scaler?.status ?? null;
    return { nodes, hosts, moving, pending, wanted, scaling, scaled, recent, asOfMs, databaseAwaySinceMs: this.#awaySinceMs, notes };
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
    return [...observed, ...absent.map(absentHost)].map((host) => this.#statusOf(host)).sort((a, b) => (a.name < b.name ? -1 : 1));
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
    if (found !== undefined) return found;
    const isNode = this.#stored?.state.nodes.some((node) => node.name === name && !node.isRemoved) === true;
    const what = isNode ? `${name} is a node, and workers run on it only while it serves` : `there is no host ${name}`;
    throw new PlatformError('not_found', `${what}: see penstock cluster hosts`);
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

  /** Reports each node and each host whose clock is wrong, once until it is right again. */
  async checkClocks(): Promise<void> {
    const stored = await this.#read();
    const nodes = describeNodes(stored.state);
    this.#nodeNotes = [...clockNotes(nodes), ...this.#upgrade(stored).notes];
    const wrong = new Map<string, () => Promise<unknown>>();
    const check = (kind: 'node' | 'host', subject: string, clockOffsetMs: number | null): void => {
      if (clockOffsetMs === null || Math.abs(clockOffsetMs) <= clockOffsetMsMax) return;
      const event = { kind: `${kind}.clock-skewed`, subject, detail: { clockOffsetMs: Math.round(clockOffsetMs) } } as const;
      wrong.set(`${kind} ${subject}`, () => this.#deps.events.recordAndPublish(event));
    };
    for (const { name, state, clockOffsetMs } of nodes) if (state !== 'dead') check('node', name, clockOffsetMs);
    for (const { name, clockOffsetMs } of this.hosts()) check('host', name, clockOffsetMs);
    for (const [whose, report] of wrong) if (!this.#skewed.has(whose)) await report();
    this.#skewed = new Set(wrong.keys());
  }

  async #read(): Promise<StoredCluster> {
    const { db, decisions, clock, hosts } = this.#deps;
    const reading = Promise.all([
      readClusterState(db),
      readSchema(db),
      decisions.list({ kind: 'placement', limit: recentMax }),
      decisions.list({ endpoint: null, kind: 'host-set', limit: scaledMax }),
    ]);
    let cancel = (): void => undefined;
    const isLate = new Promise<never>((_, reject) => {
      cancel = clock.after(readMsMax, () => reject(new PlatformError('unavailable', 'the database does not answer')));
    });
    try {
      const [state, schema, recent, scaled] = await Promise.race([reading, isLate]);
      const home = hosts.list().find(({ isHome }) => isHome);
      this.#homeOffsetMs = state.nodes.find(({ name }) => name === home?.name)?.clockOffsetMs ?? 0;
      this.#awaySinceMs = null;
      this.#stored = { state, schema, recent, scaled, atMs: clock.wallMs() };
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

  #statusOf(host: Parameters<typeof describeHost>[0]): HostStatus {
    const { states, placements, clock } = this.#deps;
    return describeHost(host, {
      wanted: states.wantedOf(host.name),
      sinceMs: states.get(host.name)?.sinceMs ?? null,
      pending: placements.pending,
      wallMs: clock.wallMs(),
      homeOffsetMs: this.#homeOffsetMs,
    });
  }
}
