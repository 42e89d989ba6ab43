/** Nodes of a cluster with links, each with its own connections to a real PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterKeys } from '../src/access/index.ts';
import { NodeLinks } from '../src/authority/index.ts';
import { type Clock, SystemClock } from '../src/clock.ts';
import { HostIdentity } from '../src/links/index.ts';
import { SeededRandom } from '../src/random.ts';
import { type Database, openDatabase } from '../src/storage/index.ts';
import { createMigratedDatabase } from './migrated-database.ts';
import type { PostgresServer } from './postgres-server.ts';

/** A test, and what it closes at its end. */
interface Test {
  after(run: () => Promise<void> | void): void;
}

let databases = 0;

/** One database, with a cluster key, and a folder for hosts. */
export class LinkedCluster {
  readonly #test: Test;
  readonly #url: string;
  readonly folder: string;
  readonly clusterKeys: ClusterKeys = [Buffer.alloc(32, 7)];
  /** `HOST:PORT` of the nodes. */
  readonly addresses: string[] = [];

  private constructor(test: Test, url: string) {
    this.#test = test;
    this.#url = url;
    this.folder = mkdtempSync(join(tmpdir(), 'penstock-authority-'));
    test.after(() => rmSync(this.folder, { recursive: true }));
  }

  static async create(test: Test, server: PostgresServer): Promise<LinkedCluster> {
    return new LinkedCluster(test, await createMigratedDatabase(server, `authority${databases++}`));
  }

  async open(): Promise<Database> {
    const { db, close } = await openDatabase({ url: this.#url, limits: { connectMs: 2000, statementMs: 5000 } });
    this.#test.after(close);
    return db;
  }

  /** A node that listens, and the database as it sees it. */
  async node(name: string, clock: Clock = new SystemClock()): Promise<{ readonly links: NodeLinks; readonly db: Database }> {
    const db = await this.open();
    const links = await NodeLinks.open({
      db,
      clock,
      clusterKeys: this.clusterKeys,
      name,
      host: '127.0.0.1',
      port: 0,
      homeAddress: () => this.addresses[0] ?? null,
      nodes: () => this.addresses,
      onFailure: assert.ifError,
    });
    this.addresses.push(links.address);
    this.#test.after(() => links.close());
    return { links, db };
  }

  /** The text of a new token. */
  async token(links: NodeLinks, { usesMax = 1, ttlMs = 3_600_000, host = null as string | null } = {}): Promise<string> {
    const cluster = { authorities: links.authority.hashes, nodes: this.addresses };
    return (await links.tokens.create({ usesMax, ttlMs, host }, cluster)).token;
  }

  /** Joins, or uses the certificate that `file` has. */
  async host(
    name: string,
    token: string | null,
    { file = name, clock = new SystemClock() }: { file?: string; clock?: Clock } = {},
  ): Promise<HostIdentity> {
    const identity = await HostIdentity.open({
      clock,
      random: new SeededRandom(1),
      file: join(this.folder, file),
      name,
      token,
      signal: AbortSignal.timeout(20_000),
      onFailure: () => undefined,
    });
    this.#test.after(() => identity.close());
    return identity;
  }
}
