/** Nodes of a cluster in one process, each with its own connections to a real PostgreSQL and its own clock. */
import assert from 'node:assert/strict';
import { SystemClock, VirtualClock } from '../../src/clock.ts';
import { presenceKeyOf } from '../../src/cluster/cluster-state.ts';
import { type ClusterNode, Deposed, Member, type MemberLimits, type SlotOwnership } from '../../src/cluster/index.ts';
import { type Database, openDatabase, Presence } from '../../src/storage/index.ts';
import { createMigratedDatabase } from '../migrated-database.ts';
import type { PostgresServer } from '../postgres-server.ts';

/** A test, and what it closes at its end. */
interface Test {
  after(run: () => Promise<void>): void;
}

/** Long, because the leases in the database run in real time, however slow the machine is. */
export const fixtureLimits: MemberLimits = { renewEveryMs: 5000, roundEveryMs: 5000, ttlMs: 30_000, absentMs: 9000, movesMax: 64 };

/** A node whose time and rounds the test controls. */
export interface TestNode {
  readonly member: Member;
  readonly db: Database;
  readonly clock: VirtualClock;
  /** `taken 1`, `handing over 1`, `lost 1`. */
  readonly log: string[];
  /** While set, hand-overs wait for it. */
  handOvers: Promise<void>;
}

interface JoinOptions {
  readonly url?: string;
  readonly clockAheadMs?: number;
  readonly limits?: MemberLimits;
  readonly mayClaim?: (others: readonly ClusterNode[]) => Promise<boolean>;
}

let databases = 0;

/** Database, and nodes that join it. */
export class ClusterFixture {
  readonly #test: Test;
  readonly #server: PostgresServer;
  readonly #presences = new Map<number, Presence>();
  readonly name: string;
  readonly url: string;

  private constructor(test: Test, server: PostgresServer, name: string, url: string) {
    this.#test = test;
    this.#server = server;
    this.name = name;
    this.url = url;
  }

  static async create(test: Test, server: PostgresServer): Promise<ClusterFixture> {
    const name = `cluster${databases++}`;
    // Migrated once, not by all nodes at the same time.
    return new ClusterFixture(test, server, name, await createMigratedDatabase(server, name));
  }

  async open(url = this.url): Promise<Database> {
    const { db, close } = await openDatabase({ url, limits: { connectMs: 2000, statementMs: 5000 } });
    this.#test.after(close);
    return db;
  }

  async join(name: string, { url = this.url, clockAheadMs = 0, limits = fixtureLimits, mayClaim }: JoinOptions = {}): Promise<TestNode> {
    const db = await this.open(url);
    const clock = new VirtualClock(Date.now() + clockAheadMs);
    const log: string[] = [];
    const node = { db, clock, log, handOvers: Promise.resolve() };
    const handlers = {
      taken: ({ slot }: SlotOwnership) => void log.push(`taken ${slot}`),
      beforeHandOver: async ({ slot }: SlotOwnership) => {
        log.push(`handing over ${slot}`);
        await node.handOvers;
      },
      lost: ({ slot }: SlotOwnership) => void log.push(`lost ${slot}`),
    };
    const openPresence = async (key: number): Promise<Presence> => {
      const presence = await Presence.open(url, key, { clock: new SystemClock(), connectMs: 2000 });
      this.#presences.set(key, presence);
      this.#test.after(() => presence.close());
      return presence;
    };
    const description = { name, version: '0.1.0' };
    const options = { db, clock, node: description, handlers, openPresence, limits, ...(mayClaim === undefined ? {} : { mayClaim }) };
    const member = await Member.join({ ...options, onFailure: assert.ifError });
    return Object.assign(node, { member });
  }

  async psql(text: string): Promise<string> {
    return this.#server.psql(text, this.name);
  }

  /** The leases of these nodes, or of all, run out by the clock of the database. */
  async expire(...names: readonly string[]): Promise<void> {
    const which = names.length === 0 ? 'true' : `name in (${names.map((name) => `'${name}'`).join(', ')})`;
    await this.psql(`update cluster_nodes set expires_at = 0 where ${which}`);
  }

  /** As if the process of the node were killed. */
  async endPresence({ member }: TestNode): Promise<void> {
    await this.#presences.get(presenceKeyOf(member.self))?.close();
  }

  /** Number of slots by owner. */
  async owners(): Promise<Record<string, number>> {
    const rows = await this.psql('select holder, count(*) from cluster_slots where holder is not null group by holder order by holder');
    return Object.fromEntries<number>(
      rows
        .split('\n')
        .filter((row) => row !== '')
        .map((row) => row.split('|'))
        .map(([name = '', count]) => [name, Number(count)]),
    );
  }
}

/** Time passes for these nodes: each one renews its lease and does a round, every five seconds. */
export async function pass(nodes: readonly TestNode[], ms = fixtureLimits.roundEveryMs): Promise<void> {
  for (let passed = 0; passed < ms; passed += fixtureLimits.roundEveryMs) {
    for (const { member, clock } of nodes) {
      clock.advance(fixtureLimits.roundEveryMs);
      await member.renew();
      await member.round();
    }
  }
}

/** Time passes until the condition holds. */
export async function passUntil(nodes: readonly TestNode[], isMet: () => boolean | Promise<boolean>): Promise<void> {
  for (let rounds = 0; !(await isMet()); rounds++) {
    assert(rounds < 200, 'the condition is not met after 200 rounds');
    await pass(nodes);
  }
}

export const isDeposed = (error: unknown): boolean => error instanceof Deposed;
