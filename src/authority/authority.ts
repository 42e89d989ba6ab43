/**
 * The certificate authority of the cluster. Its private key is in PostgreSQL, encrypted with the cluster key, so each node can issue
 * certificates: of its own and of hosts.
 */
import { X509Certificate } from 'node:crypto';
import { type ClusterKeys, seal, unseal } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import {
  authorityHash,
  type CertifiedKey,
  createAuthority,
  issueCertificate,
  type LinkIdentity,
  type LinkPeer,
  newPrivateKey,
  publicKeyOf,
} from '../links/index.ts';
import { type Database, inTransaction } from '../storage/index.ts';
import { type AuthoritiesAt, type AuthorityTerm, authoritiesAt, certificateMs } from './authorities.ts';
import { endHostCertificates } from './host-certificates.ts';

const authorityMs = 10 * 365 * 24 * 3_600_000;

export interface AuthorityOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly clusterKeys: ClusterKeys;
}

interface StoredAuthority extends AuthorityTerm, CertifiedKey {}

/** A certificate that was issued, with the authorities to check others with. */
export interface IssuedCertificate {
  /** That of the peer, then that of its issuer. PEM. */
  readonly cert: string;
  readonly authorities: string;
  readonly serial: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
}

export class Authority {
  readonly #options: AuthorityOptions;
  #stored: readonly StoredAuthority[] = [];

  private constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** The first of several nodes makes the authority. Throws `wrong_state` if it was made by servers with another cluster key. */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const authority = new Authority(options);
    await authority.refresh();
    if (authority.#stored.length === 0) {
      await authority.#insert(options.db, 1, 0);
      await authority.refresh();
    }
    return authority;
  }

  /** Reads the authorities again: other nodes may have changed them. */
  async refresh(): Promise<void> {
    const rows = await this.#options.db.selectFrom('cluster_authorities').selectAll().orderBy('number').execute();
    const known = new Map(this.#stored.map((authority) => [authority.cert, authority]));
    this.#stored = rows.map((row) => {
      const { number, cert, issues_from: issuesFrom } = row;
      const key = known.get(cert)?.key ?? unseal(row.sealed_key, this.#options.clusterKeys, contextOf(cert));
      if (key !== null) return { number, cert, key, issuesFromMs: Number(issuesFrom) };
      // A certificate that is trusted without its key could be that of an intruder.
      const why = 'was not encrypted with this cluster key: start with the --cluster-key-file of the other nodes';
      throw new PlatformError('wrong_state', `the key of certificate authority ${number} in the database ${why}`);
    });
  }

  /** The certificates of all trusted authorities, the issuer first. PEM. */
  get trusted(): string {
    return this.#now()
      .trusted.map(({ cert }) => cert)
      .join('');
  }

  /** SHA-256 of the same, by which tokens name them. */
  get hashes(): string[] {
    return this.#now().trusted.map(({ cert }) => authorityHash(new X509Certificate(cert)));
  }

  /** The certificate of the issuer, PEM. */
  get issuer(): string {
    return this.#now().issuer.cert;
  }

  async issue(peer: LinkPeer, publicKey: string): Promise<IssuedCertificate> {
    const wallMs = this.#options.clock.wallMs();
    const { issuer } = this.#now();
    const leaf = await issueCertificate(issuer, { peer, publicKey, wallMs, validMs: certificateMs });
    const { serialNumber: serial } = new X509Certificate(leaf);
    return { cert: leaf + issuer.cert, authorities: this.trusted, serial, expiresAtMs: wallMs + certificateMs };
  }

  /** A certificate of this node, with a new private key. */
  async identityOf(peer: LinkPeer): Promise<LinkIdentity> {
    const key = newPrivateKey();
    const { cert, authorities } = await this.issue(peer, publicKeyOf(key));
    return { cert, key, authorities };
  }

  /**
   * Makes a new authority. It issues certificates in 24 hours, when all processes trust it. `isUrgent`: at once, and the ones before are
   * removed: every node gets a new certificate within seconds, and every host must join again.
   *
   * Throws `wrong_state` if a new one waits already, unless it is urgent.
   */
  async rotate(isUrgent: boolean): Promise<{ readonly number: number; readonly issuesFromMs: number }> {
    const nowMs = this.#options.clock.wallMs();
    const made = await inTransaction(this.#options.db, async (tx) => {
      // Two calls at once would make two authorities.
      const rows = await tx.selectFrom('cluster_authorities').select(['number', 'issues_from']).orderBy('number').forUpdate().execute();
      const last = rows.at(-1);
      const waitsUntilMs = Number(last?.issues_from ?? 0);
      if (!isUrgent && waitsUntilMs > nowMs) {
        const when = new Date(waitsUntilMs).toISOString();
        throw new PlatformError('wrong_state', `a new authority issues certificates from ${when} on: wait, or rotate with --urgent`);
      }
      const number = (last?.number ?? 0) + 1;
      const issuesFromMs = isUrgent ? nowMs : nowMs + certificateMs;
      if (isUrgent) await tx.deleteFrom('cluster_authorities').execute();
      await this.#insert(tx, number, issuesFromMs);
      if (isUrgent) await endHostCertificates(tx);
      return { number, issuesFromMs };
    });
    await this.refresh();
    return made;
  }

  /** Encrypts the private keys again, with the first cluster key. Resolves with their number. */
  async reseal(): Promise<number> {
    await this.refresh();
    for (const { number, cert, key } of this.#stored) {
      const sealed_key = seal(key, this.#options.clusterKeys, contextOf(cert));
      await this.#options.db
        .updateTable('cluster_authorities')
        .set({ sealed_key })
        .where('number', '=', number)
        .where('cert', '=', cert)
        .execute();
    }
    return this.#stored.length;
  }

  async #insert(db: Database, number: number, issuesFromMs: number): Promise<void> {
    const wallMs = this.#options.clock.wallMs();
    const { cert, key } = await createAuthority({ wallMs, validMs: authorityMs });
    const sealed_key = seal(key, this.#options.clusterKeys, contextOf(cert));
    await db
      .insertInto('cluster_authorities')
      .values({ number, cert, sealed_key, issues_from: issuesFromMs, created_at: wallMs })
      .onConflict((conflict) => conflict.column('number').doNothing())
      .execute();
  }

  #now(): AuthoritiesAt<StoredAuthority> {
    return authoritiesAt(this.#stored, this.#options.clock.wallMs());
  }
}

/** A key opens only with its certificate. */
function contextOf(cert: string): string {
  return `penstock authority ${authorityHash(new X509Certificate(cert))}`;
}
