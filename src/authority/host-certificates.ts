/**
 * The certificates that count: of hosts, one for each name, and of nodes, all but those of a removed node. A removed host is refused by all
 * nodes, and its name stays taken: otherwise its machine would join again with the next token for any host, as `--join-secret` keeps one.
 */
import type { Clock } from '../clock.ts';
import { removedNodes } from '../cluster/index.ts';
import { PlatformError } from '../errors.ts';
import type { LinkPeer } from '../links/index.ts';
import type { Database, Transaction } from '../storage/index.ts';

/** A database that does not answer must not hold up links whose certificates are known. */
const readMsMax = 500;
/** In the row of a removed host. No certificate has this serial, and its time never comes. */
const removed = { serial: '', previous_serial: null, expires_at: Number.MAX_SAFE_INTEGER };

/** A certificate, as its row names it. */
export interface HostCertificate {
  readonly name: string;
  readonly serial: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
}

interface CountedSerials {
  readonly serial: string;
  readonly previous: string | null;
}

export class HostCertificates {
  readonly #db: Database;
  readonly #clock: Clock;
  #reads = 0;
  #latest = 0;
  /** As last read. */
  #counted: ReadonlyMap<string, CountedSerials> = new Map();
  #removedNodes: ReadonlySet<string> = new Set();

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Reads all rows. */
  async refresh(): Promise<void> {
    const read = ++this.#reads;
    const rows = await this.#db
      .selectFrom('cluster_host_certificates')
      .select(['name', 'serial', 'previous_serial'])
      .where('serial', '!=', removed.serial)
      .execute();
    const nodes = await removedNodes(this.#db);
    if (read < this.#latest) return; // a slower read does not bring older rows back
    this.#latest = read;
    this.#removedNodes = nodes;
    this.#counted = new Map(rows.map(({ name, serial, previous_serial: previous }) => [name, { serial, previous }]));
  }

  /** Whether the certificate counts, as far as the last read shows. */
  isCounted({ role, name }: LinkPeer, serial: string): boolean {
    if (role === 'node') return !this.#removedNodes.has(name);
    const counted = this.#counted.get(name);
    return counted?.serial === serial || (counted !== undefined && counted.previous === serial);
  }

  /** Rejects with `forbidden` if the certificate does not count any more. Without the database, the last read decides. */
  async check(peer: LinkPeer, serial: string): Promise<void> {
    // Nodes open a link for each connection that they pass on; a removed one may have been started again since the last read.
    if (peer.role === 'node' && this.isCounted(peer, serial)) return;
    await this.#refreshWithin(readMsMax);
    if (this.isCounted(peer, serial)) return;
    if (peer.role === 'node') throw new PlatformError('forbidden', `the node ${peer.name} was removed from the cluster: start it again`);
    throw new PlatformError('forbidden', `the certificate of the host ${peer.name} was replaced, or the host removed: join again`);
  }

  /** Throws `already_exists` if another certificate has the name, or its host was removed, unless it may be replaced. */
  async claim(tx: Transaction, { name, serial, expiresAtMs }: HostCertificate, mayReplace: boolean): Promise<void> {
    const nowMs = this.#clock.wallMs();
    const values = { serial, previous_serial: null, expires_at: expiresAtMs, joined_at: nowMs };
    const claimed = await tx
      .insertInto('cluster_host_certificates')
      .values({ name, ...values })
      .onConflict((conflict) => {
        const replaced = conflict.column('name').doUpdateSet(values);
        return mayReplace ? replaced : replaced.where('cluster_host_certificates.expires_at', '<=', nowMs);
      })
      .returning('name')
      .executeTakeFirst();
    if (claimed !== undefined) return;
    const row = await tx.selectFrom('cluster_host_certificates').select('serial').where('name', '=', name).executeTakeFirst();
    const isRemoved = row?.serial === removed.serial;
    const what = isRemoved ? `the host ${name} was removed from this cluster` : `a host of this cluster is named ${name}`;
    const token = `a token of \`penstock cluster token create --name ${name}\``;
    throw new PlatformError(
      'already_exists',
      `${what}: choose another --name, or ${isRemoved ? `let it return with ${token}` : `replace that host with ${token}`}`,
    );
  }

  /** `from`: the serial that the host has shown. It still counts, because the answer may be lost. Throws `forbidden` if it does not. */
  async renew({ name, serial, expiresAtMs }: HostCertificate, from: string): Promise<void> {
    const renewed = await this.#db
      .updateTable('cluster_host_certificates')
      .set({ serial, previous_serial: from, expires_at: expiresAtMs })
      .where('name', '=', name)
      .where((row) => row.or([row('serial', '=', from), row('previous_serial', '=', from)]))
      .returning('name')
      .executeTakeFirst();
    if (renewed === undefined)
      throw new PlatformError('forbidden', `the host ${name} was removed, or its certificate replaced: join again`);
  }

  /** Only a token for this name alone lets a host have it again. Throws `not_found`. */
  async remove(name: string): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('cluster_host_certificates')
      .set(removed)
      .where('name', '=', name)
      .where('serial', '!=', removed.serial)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n)
      throw new PlatformError('not_found', `no host named ${name} has joined the cluster: see penstock cluster hosts`);
  }

  async #refreshWithin(limitMs: number): Promise<void> {
    let cancel = (): void => undefined;
    const isOver = new Promise<void>((resolve) => (cancel = this.#clock.after(limitMs, resolve)));
    await Promise.race([this.refresh().catch(() => undefined), isOver]);
    cancel();
  }
}

/** All hosts must join again. Those that were removed stay so. */
export async function endHostCertificates(tx: Transaction): Promise<void> {
  await tx.deleteFrom('cluster_host_certificates').where('serial', '!=', removed.serial).execute();
}
