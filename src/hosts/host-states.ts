/** What the operator wants of each host, in rows: a drain survives a change of home. What hosts report is in memory only. */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { Audit, AuditAction, EventKind, Events } from '../records/index.ts';
import { type ClusterHostsTable, type Database, inTransaction, type Transaction } from '../storage/index.ts';
import type { WantedHostState } from './host.ts';

/** A host that has been linked at least once. */
export interface KnownHost {
  readonly name: string;
  readonly zone: string;
  readonly wanted: WantedHostState;
  /** When `wanted` changed last, epoch milliseconds. */
  readonly sinceMs: number;
  readonly joinedAtMs: number;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  /** The last home that knew it has lost it. The next home does not wait for it. */
  readonly isLost: boolean;
}

interface HostStatesDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly events: Events;
}

const changes = {
  ready: { action: 'UncordonHost', event: 'host.uncordoned' },
  cordoned: { action: 'CordonHost', event: 'host.cordoned' },
  draining: { action: 'DrainHost', event: 'host.draining' },
} as const satisfies Record<WantedHostState, { readonly action: AuditAction; readonly event: EventKind }>;

/** Beyond it, a new host is rejected: names come from certificates, and rows are never deleted on their own. */
const hostsMax = 10_000;

export class HostStates {
  readonly #deps: HostStatesDeps;
  #hosts = new Map<string, KnownHost>();
  readonly #listeners = new Set<() => void>();

  constructor(deps: HostStatesDeps) {
    this.#deps = deps;
  }

  /** Reads what an earlier home stored. */
  async open(): Promise<void> {
    const rows = await this.#deps.db.selectFrom('cluster_hosts').selectAll().orderBy('name').execute();
    this.#hosts = new Map(rows.map((row) => [row.name, knownOf(row)]));
  }

  /** By name. */
  list(): readonly KnownHost[] {
    return [...this.#hosts.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): KnownHost | undefined {
    return this.#hosts.get(name);
  }

  /** A host that is not known yet is ready. */
  wantedOf(name: string): WantedHostState {
    return this.#hosts.get(name)?.wanted ?? 'ready';
  }

  /** Called after each change of a wanted state. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores a linked host, with an event if it is new. Writes nothing if its row is up to date. Throws `overloaded`. */
  async linked(host: Pick<KnownHost, 'name' | 'zone' | 'cpuMilli' | 'memoryMiB'>): Promise<void> {
    const { db, clock, events } = this.#deps;
    const { name, zone, cpuMilli, memoryMiB } = host;
    const known = this.#hosts.get(name);
    const isStored = known?.zone === zone && known.cpuMilli === cpuMilli && known.memoryMiB === memoryMiB && !known.isLost;
    if (isStored) return;
    if (known === undefined && this.#hosts.size >= hostsMax) {
      throw new PlatformError(
        'overloaded',
        `host ${name} is one too many: a cluster has at most ${hostsMax} hosts. Use the names of hosts again`,
      );
    }
    const atMs = clock.wallMs();
    const facts = JSON.stringify({ cpuMilli, memoryMiB });
    const event = await inTransaction(db, async (tx) => {
      await tx
        .insertInto('cluster_hosts')
        .values({ name, zone, state: 'ready', since: atMs, joined_at: atMs, facts })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ zone, facts }))
        .execute();
      return known === undefined
        ? await events.record(tx, { kind: 'host.joined', subject: name, detail: { zone, cpuMilli, memoryMiB } })
        : null;
    });
    if (event !== null) events.publish(event);
    await this.#read(name);
  }

  /** Changes nothing if the host is in that state. Throws `not_found`. */
  async set(name: string, wanted: WantedHostState, who: string): Promise<KnownHost> {
    const { db, clock, audit, events } = this.#deps;
    const { action, event: kind } = changes[wanted];
    const event = await inTransaction(db, async (tx) => {
      const row = await findRow(tx, name);
      if (row === undefined) throw this.#unknown(name);
      if (row.state === wanted) return null;
      await audit.record(tx, { who, action, target: name, outcome: 'ok', detail: { before: row.state } });
      await tx.updateTable('cluster_hosts').set({ state: wanted, since: clock.wallMs() }).where('name', '=', name).execute();
      return events.record(tx, { kind, subject: name, detail: { who, before: row.state } });
    });
    const known = await this.#read(name);
    if (event !== null) events.publish(event);
    for (const listener of this.#listeners) listener();
    return known;
  }

  /** Of a host whose link has been missing for long. Ignores unknown names. */
  async lost(name: string): Promise<void> {
    const known = this.#hosts.get(name);
    if (known === undefined || known.isLost) return;
    const { cpuMilli, memoryMiB } = known;
    const facts = JSON.stringify({ cpuMilli, memoryMiB, isLost: true });
    await this.#deps.db.updateTable('cluster_hosts').set({ facts }).where('name', '=', name).execute();
    this.#hosts.set(name, { ...known, isLost: true });
  }

  /** Of a host that left for good. Ignores unknown names. */
  async remove(name: string): Promise<void> {
    await this.#deps.db.deleteFrom('cluster_hosts').where('name', '=', name).execute();
    this.#hosts.delete(name);
  }

  #unknown(name: string): PlatformError {
    const names = [...this.#hosts.keys()].sort();
    const text =
      names.length === 0
        ? 'no host has joined the cluster'
        : `the hosts are ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`;
    return new PlatformError('not_found', `there is no host ${name}: ${text}`);
  }

  async #read(name: string): Promise<KnownHost> {
    const row = await findRow(this.#deps.db, name);
    if (row === undefined) throw this.#unknown(name);
    const known = knownOf(row);
    this.#hosts.set(name, known);
    return known;
  }
}

/** Names of the hosts whose links the next home may expect. */
export async function expectedHosts(db: Database): Promise<string[]> {
  const rows = await db.selectFrom('cluster_hosts').selectAll().execute();
  return rows
    .map(knownOf)
    .filter(({ isLost }) => !isLost)
    .map(({ name }) => name);
}

async function findRow(db: Database | Transaction, name: string): Promise<ClusterHostsTable | undefined> {
  return db.selectFrom('cluster_hosts').selectAll().where('name', '=', name).executeTakeFirst();
}

function knownOf({ name, zone, state, since, joined_at: joinedAt, facts }: ClusterHostsTable): KnownHost {
  const { cpuMilli, memoryMiB, isLost = false } = JSON.parse(facts) as Pick<KnownHost, 'cpuMilli' | 'memoryMiB'> & Partial<KnownHost>;
  // The states of a newer version mean at least that the host takes no workers.
  const wanted = Object.hasOwn(changes, state) ? (state as WantedHostState) : 'cordoned';
  return { name, zone, wanted, sinceMs: Number(since), joinedAtMs: Number(joinedAt), cpuMilli, memoryMiB, isLost };
}
