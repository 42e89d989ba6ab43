/** The certificate of a host: on its disk, so that it is a member after a restart, and renewed while it runs. */
import { readFileSync } from 'node:fs';
import { type Clock, Loop } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import { HomeDialer } from './home-dialer.ts';
import { type HostMembership, joinWithToken, presentNodes, renewalTimeMs, renewMembership } from './join.ts';
import { parseJoinToken } from './join-token.ts';
import { type KnownNodes, lastResortNodes, withConfiguredNodes, withPresentNodes } from './known-nodes.ts';
import { certificatesOf, type LinkIdentity, type LinkPeer, provenPeer } from './link-peer.ts';

const lookEveryMs = 30_000;
const renewMsMax = 30_000;
const reasonsMax = 64;

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
  /** The host has joined with the token. Called before its certificate is stored. */
  readonly onJoined?: () => void;
  /** A renewal failed, and will be tried again. */
  readonly onFailure: (error: unknown) => void;
  /** A node cannot be reached. Called once for each reason in a row. */
  readonly onUnreachable?: (address: string, reason: string) => void;
}

/** Joins if necessary, and has the dialer of the host, whose certificate it renews at half of its life. */
export class HostIdentity {
  readonly #options: HostIdentityOptions;
  readonly #loop: Loop;
  /** Opens links with the present certificate. */
  readonly dialer: HomeDialer;
  readonly #closing = new AbortController();
  #membership: StoredMembership;
  #onIdentity: (identity: LinkIdentity) => void = () => undefined;

  private constructor(options: HostIdentityOptions, membership: StoredMembership) {
    const { clock, random, onFailure, onUnreachable } = options;
    this.#options = options;
    this.#membership = membership;
    const reasons = new Map<string, string>();
    const onDialFailure = (address: string, reason: string): void => {
      if (reasons.get(address) !== reason) onUnreachable?.(address, reason);
      if (reasons.size >= reasonsMax) reasons.clear();
      reasons.set(address, reason);
    };
    const { identity, nodes: addresses } = membership;
    const lastResort = lastResortNodes(membership);
    this.dialer = new HomeDialer({ clock, random, identity, addresses, lastResort, onFailure: onDialFailure });
    this.#loop = new Loop({ clock, everyMs: lookEveryMs, run: () => this.refresh(), onFailure });
  }

  /**
   * Uses the stored certificate if it is valid, has the name, and was obtained with this token or no token is passed. Else joins. Throws
   * `wrong_state` without a token, `invalid_request` for a text that is none, and as `joinWithToken`.
   */
  static async open(options: HostIdentityOptions): Promise<HostIdentity> {
    const { clock, file, name, token } = options;
    const stored = storedMembership(file, { role: 'host', name }, clock.wallMs());
    if (token === null) {
      if (typeof stored === 'string') throw new PlatformError('wrong_state', `${stored}: join the cluster with --join TOKEN`);
      return HostIdentity.#start(options, stored);
    }
    const joined = parseJoinToken(token);
    const start = (membership: StoredMembership): Promise<HostIdentity> =>
      HostIdentity.#start(options, { ...membership, ...withConfiguredNodes(membership, joined.nodes) });
    if (typeof stored !== 'string' && joined.id === stored.token) return start(stored);
    try {
      const before = typeof stored === 'string' ? noNodes : stored;
      const membership = await joinWithToken(joined, options);
      options.onJoined?.();
      return await start({ ...before, ...membership, token: joined.id });
    } catch (error) {
      // The host has joined with another token before: the name is its own, and a token that expired since then is not used.
      const isRefused = error instanceof PlatformError && (error.code === 'already_exists' || error.code === 'forbidden');
      if (!isRefused || typeof stored === 'string') throw error;
      return start(stored);
    }
  }

  static async #start(options: HostIdentityOptions, membership: StoredMembership): Promise<HostIdentity> {
    await store(options.file, membership);
    const identity = new HostIdentity(options, membership);
    identity.#loop.open();
    return identity;
  }

  /** The present certificate. */
  get identity(): LinkIdentity {
    return this.#membership.identity;
  }

  /** Passes on each certificate from now on. */
  follow(onIdentity: (identity: LinkIdentity) => void): void {
    this.#onIdentity = onIdentity;
  }

  /** Renews the certificate if it is due, else learns the present addresses of the nodes. */
  async refresh(): Promise<void> {
    if (await this.renewIfDue()) return;
    await this.learn(await this.#within((signal) => presentNodes(this.dialer, signal)));
  }

  /** Addresses of the nodes that run now, the home first: they are stored, and used for the next link. */
  async learn(nodes: readonly unknown[]): Promise<void> {
    const known = withPresentNodes(this.#membership, nodes);
    if (known !== this.#membership) await this.#use({ ...this.#membership, ...known });
  }

  /** Renews the certificate if half of its life is over: true. Rejects if that fails: the certificate before still counts. */
  async renewIfDue(): Promise<boolean> {
    if (this.#options.clock.wallMs() < renewalTimeMs(this.#membership.identity)) return false;
    const renewed = await this.#within((signal) => renewMembership(this.dialer, signal));
    const before = this.#membership;
    await this.#use({ ...before, ...withPresentNodes(before, renewed.nodes), identity: renewed.identity });
    return true;
  }

  async #use(membership: StoredMembership): Promise<void> {
    await store(this.#options.file, membership);
    this.#membership = membership;
    this.dialer.setIdentity(membership.identity);
    this.#onIdentity(membership.identity);
    this.dialer.setAddresses(membership.nodes, lastResortNodes(membership));
  }

  async #within<Result>(run: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const limit = new AbortController();
    const cancel = this.#options.clock.after(renewMsMax, () => limit.abort());
    try {
      return await run(AbortSignal.any([limit.signal, this.#closing.signal]));
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop.close();
  }
}

const noNodes: KnownNodes = { nodes: [], configured: [], earlier: [] };

interface StoredMembership extends HostMembership, KnownNodes {
  /** The id of the token with which the host joined. */
  readonly token: string;
}

/** Or why the file has no certificate that can be used. */
function storedMembership(file: string, peer: LinkPeer, wallMs: number): StoredMembership | string {
  try {
    // An earlier version has stored those that run only.
    const membership = { ...noNodes, ...(JSON.parse(readFileSync(file, 'utf8')) as StoredMembership) };
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
async function store(file: string, membership: StoredMembership): Promise<void> {
  const { writeFileAtomically } = await import('../data-directory/index.ts');
  writeFileAtomically(file, `${JSON.stringify(membership)}\n`, { mode: 0o600 });
}
