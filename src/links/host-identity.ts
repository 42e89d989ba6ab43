/** The certificate of a host: on its disk, so that it is a member after a restart, and renewed while it runs. */
import { readFileSync } from 'node:fs';
import { type Clock, Loop } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import { HomeDialer } from './home-dialer.ts';
import { type HostMembership, joinWithToken, renewalTimeMs, renewMembership } from './join.ts';
import { parseJoinToken } from './join-token.ts';
import { certificatesOf, type LinkPeer, provenPeer } from './link-peer.ts';

const lookEveryMs = 60_000;
const renewMsMax = 30_000;

export interface HostIdentityOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Where the certificate is stored, with its private key: readable by its owner only. */
  readonly file: string;
  /** The name of the host. */
  readonly name: string;
  /** The text of a join token; null if the host has joined before. */
  readonly token: string | null;
  readonly signal: AbortSignal;
  /** A renewal failed, and will be tried again. */
  readonly onFailure: (error: unknown) => void;
}

/** Joins if necessary, and has the dialer of the host, whose certificate it renews at half of its life. */
export class HostIdentity {
  readonly #options: HostIdentityOptions;
  readonly #loop: Loop;
  /** Opens links with the present certificate. */
  readonly dialer: HomeDialer;
  readonly #closing = new AbortController();
  #membership: HostMembership;

  private constructor(options: HostIdentityOptions, membership: HostMembership) {
    const { clock, random, onFailure } = options;
    this.#options = options;
    this.#membership = membership;
    this.dialer = new HomeDialer({ clock, random, identity: membership.identity, addresses: membership.nodes });
    this.#loop = new Loop({ clock, everyMs: lookEveryMs, run: () => this.renewIfDue(), onFailure });
  }

  /**
   * Uses the stored certificate if it is valid and has the name; a token is then not used. Else joins. Throws `wrong_state` without a token,
   * `invalid_request` for a text that is none, and as `joinWithToken`.
   */
  static async open(options: HostIdentityOptions): Promise<HostIdentity> {
    const { clock, file, name, token, signal } = options;
    const stored = storedMembership(file, { role: 'host', name }, clock.wallMs());
    if (typeof stored !== 'string') return HostIdentity.#start(options, stored);
    if (token === null) throw new PlatformError('wrong_state', `${stored}: join the cluster with --join TOKEN`);
    const membership = await joinWithToken(parseJoinToken(token), { name, clock, signal });
    await store(file, membership);
    return HostIdentity.#start(options, membership);
  }

  static #start(options: HostIdentityOptions, membership: HostMembership): HostIdentity {
    const identity = new HostIdentity(options, membership);
    identity.#loop.open(0);
    return identity;
  }

  /** Renews the certificate if half of its life is over. Rejects if that fails: the certificate before still counts. */
  async renewIfDue(): Promise<void> {
    const { clock, file } = this.#options;
    if (clock.wallMs() < renewalTimeMs(this.#membership.identity)) return;
    const limit = new AbortController();
    const cancel = clock.after(renewMsMax, () => limit.abort());
    try {
      const membership = await renewMembership(this.dialer, AbortSignal.any([limit.signal, this.#closing.signal]));
      await store(file, membership);
      this.#membership = membership;
      this.dialer.setIdentity(membership.identity);
      this.dialer.setAddresses(membership.nodes);
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop.close();
  }
}

/** Or why the file has no certificate that can be used. */
function storedMembership(file: string, peer: LinkPeer, wallMs: number): HostMembership | string {
  try {
    const membership = JSON.parse(readFileSync(file, 'utf8')) as HostMembership;
    const { cert, authorities } = membership.identity;
    const [leaf] = certificatesOf(cert);
    if (leaf === undefined) return `${file} has no certificate`;
    const { role, name } = provenPeer(leaf, certificatesOf(authorities), wallMs);
    return role === peer.role && name === peer.name ? membership : `${file} has the certificate of the ${role} ${name}`;
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isAbsent ? 'this host has no certificate' : `the certificate in ${file} cannot be used: ${messageOf(error)}`;
  }
}

/** Front processes load this module, but store nothing. */
async function store(file: string, membership: HostMembership): Promise<void> {
  const { writeFileAtomically } = await import('../data-directory/index.ts');
  writeFileAtomically(file, `${JSON.stringify(membership)}\n`, { mode: 0o600 });
}
