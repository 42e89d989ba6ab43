/**
 * Opens links to the home, wherever it is: tries the known addresses, follows the answers of nodes that are not the home, tries a detour over
 * another node if none answers, and repeats until a link is accepted, or until its caller gives up.
 */
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import { isRetried, type LinkAnswer } from './answers.ts';
import { type NodeAnswer, openOverDetour } from './detour-attempt.ts';
import { openLink } from './link-attempt.ts';
import { certificatesOf, type LinkIdentity, type LinkPeer, provenPeer } from './link-peer.ts';
import type { LinkKind } from './link-port.ts';
import { type LinkProtocols, linkProtocols } from './protocols.ts';

/** Nodes that name each other as the home while it changes must not hold a caller up. */
const movesMax = 8;
/** The time of one attempt: from the connection to the answer. It doubles with each round, since a busy machine needs longer. */
const attemptMs = { first: 1000, max: 5000 };
/** The pause after a round, which doubles as well; a random half of it is left out, so that many dialers do not return at once. */
const pauseMs = { first: 50, max: 1000 };

export interface HomeDialerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** `HOST:PORT` of the nodes, most likely home first. */
  readonly addresses?: readonly string[];
  /** Where a node may be if none answers at the others: a round in which none did tries one of them. */
  readonly lastResort?: readonly string[];
  readonly identity?: LinkIdentity;
  /** The longest pause between two rounds, in milliseconds. Default: a second. Shorter where clients wait. */
  readonly pauseMsMax?: number;
  /** Default: those of this program. */
  readonly protocols?: LinkProtocols;
  /** Told once per failed attempt, for logs. */
  readonly onFailure?: (address: string, reason: string) => void;
}

/** Addresses and the identity can change at any time: they count from the next attempt on. */
export class HomeDialer {
  readonly #options: HomeDialerOptions;
  #addresses: readonly string[];
  #lastResort: readonly string[];
  /** `HOST:PORT` of nodes that may reach the home if this process does not. */
  #detours: readonly string[] = [];
  /** How many of them were tried. */
  #triedDetours = 0;
  /** Over which the last link was accepted; null if that needed none. */
  #detour: Detour | null = null;
  /** Answers of nodes, of any kind. */
  #answers = 0;
  /** Those of nodes that will accept a link soon. */
  #delays = 0;
  /** How many of last resort were tried. */
  #resorts = 0;
  #identity: LinkIdentity | null;
  /** Where the last link was accepted. */
  #home: string | null = null;
  /** Ends the pauses of all dials. */
  readonly #wakes = new Set<() => void>();

  constructor(options: HomeDialerOptions) {
    this.#options = options;
    this.#addresses = options.addresses ?? [];
    this.#lastResort = options.lastResort ?? [];
    this.#identity = options.identity ?? null;
  }

  /** As the options of the same names. Dials that pause begin their next round at once if the first list has changed. */
  setAddresses(addresses: readonly string[], lastResort: readonly string[] = this.#lastResort): void {
    this.#lastResort = lastResort;
    if (addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.#home = null;
    this.#detour = null;
    for (const wake of this.#wakes) wake();
  }

  /** `HOST:PORT` of nodes to ask for a detour, one in each round in which no other node answers. */
  setDetours(addresses: readonly string[]): void {
    this.#detours = addresses;
    if (this.#detour !== null && !addresses.includes(this.#detour.address)) this.#detour = null;
  }

  /** The name of the node over which the last link was opened; null if it needed no detour. */
  get detour(): string | null {
    return this.#detour?.node ?? null;
  }

  /** Resolves with whether a node answers without a detour. If so, links need none from then on. */
  async triesDirect(signal: AbortSignal): Promise<boolean> {
    for (const address of this.#addresses) {
      // Any answer will do.
      const tried = await this.#attempt(address, { kind: 'nodes' }, 0, signal);
      if (typeof tried === 'string') continue;
      tried.socket.on('error', () => undefined).destroy();
      this.#detour = null;
      return true;
    }
    return false;
  }

  /** Number of answers of nodes that are about to serve: they ask to try again, or have no other home to name. */
  get delays(): number {
    return this.#delays;
  }

  /** The certificate with which links are opened from now on. */
  setIdentity(identity: LinkIdentity): void {
    this.#identity = identity;
  }

  /**
   * Resolves with a link to the home: paused, without listeners, its answer `{ok: true}` read. `fields` are the introduction besides `kind`.
   * Tries until `signal` is aborted, and then throws `unavailable` with the last failure. Throws at once what a node refuses for good:
   * `forbidden`, `already_exists`, `wrong_state` or `invalid_request`.
   */
  async dial(kind: LinkKind, fields: object, signal: AbortSignal): Promise<Socket> {
    return (await this.#dial(kind, fields, signal)).socket;
  }

  /** As `dial`, for the kinds that any node answers at once. Resolves with the fields of the answer. */
  async request(kind: LinkKind, fields: object, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const { socket, answer } = await this.#dial(kind, fields, signal);
    socket.on('error', () => undefined).destroy();
    return answer;
  }

  async #dial(kind: LinkKind, fields: object, signal: AbortSignal): Promise<AcceptedLink> {
    let last = 'no address of a node is known';
    const introduction = { ...fields, kind, protocols: this.#options.protocols ?? linkProtocols };
    for (let round = 0; !signal.aborted; round++) {
      const answered = this.#answers;
      const known = await this.#over(this.#detour?.address, introduction, round, signal);
      if (known !== null) return known;
      for (const address of this.#candidates()) {
        const tried = await this.#follow(address, introduction, round, signal);
        if (typeof tried !== 'string') return tried;
        last = tried;
        if (signal.aborted) break;
      }
      if (this.#answers === answered && !signal.aborted) {
        const next = this.#detours[this.#triedDetours++ % this.#detours.length];
        const tried = await this.#over(next, introduction, round, signal);
        if (tried !== null) return tried;
      }
      const resort = this.#lastResort[this.#resorts % Math.max(1, this.#lastResort.length)];
      if (resort !== undefined && this.#answers === answered && !signal.aborted) {
        this.#resorts++;
        const tried = await this.#follow(resort, { ...fields, kind }, round, signal);
        if (typeof tried !== 'string') return tried;
      }
      await this.#pause(round, signal);
    }
    throw new PlatformError('unavailable', `failed to open a link of kind ${kind} to the home: ${last}`, { retryAfterMs: 1000 });
  }

  /** The link, or why there is none. */
  async #follow(first: string, introduction: object, round: number, signal: AbortSignal): Promise<AcceptedLink | string> {
    let address = first;
    for (let moves = 0; moves <= movesMax; moves++) {
      const tried = await this.#attempt(address, introduction, round, signal);
      if (typeof tried === 'string') {
        if (this.#home === address) this.#home = null;
        this.#options.onFailure?.(address, tried);
        return `${address}: ${tried}`;
      }
      this.#answers++;
      const { socket, answer } = tried;
      if ('ok' in answer) {
        this.#home = address;
        this.#detour = null;
        return { socket, answer };
      }
      socket.on('error', () => undefined).destroy();
      if ('refused' in answer) {
        if (!isRetried(answer.code)) throw new PlatformError(answer.code, `${address} refused the link: ${answer.refused}`);
        this.#delays++;
        return `${address}: ${answer.refused}`;
      }
      if (this.#home === address) this.#home = null;
      if (answer.moved === null) {
        this.#delays++;
        return `${address} is not the home, and knows none`;
      }
      address = answer.moved;
    }
    return `${first}: the nodes named another home ${movesMax} times`;
  }

  /** A link over the node at this address; null if there is none. */
  async #over(by: string | undefined, introduction: object, round: number, signal: AbortSignal): Promise<AcceptedLink | null> {
    const [home] = this.#addresses;
    if (by === undefined || home === undefined || signal.aborted) return null;
    const tried = await openOverDetour(by, { home, introduction }, (address, message, over) =>
      // The other node needs time to connect to the home.
      this.#attempt(address, message, over === undefined ? round : round + 1, signal, over),
    );
    if (typeof tried === 'string') {
      if (this.#detour?.address === by) this.#detour = null;
      this.#options.onFailure?.(by, tried);
      return null;
    }
    this.#detour = { address: by, node: tried.node };
    return tried;
  }

  #candidates(): readonly string[] {
    const home = this.#home;
    return home === null ? this.#addresses : [home, ...this.#addresses.filter((address) => address !== home)];
  }

  async #attempt(address: string, introduction: object, round: number, signal: AbortSignal, over?: Socket): Promise<NodeAnswer | string> {
    const identity = this.#identity;
    if (identity === null) return 'this process has no certificate yet';
    const { clock } = this.#options;
    const { cert, key, authorities } = identity;
    const limitMs = Math.min(attemptMs.first * 2 ** round, attemptMs.max);
    let node = '';
    const check = (socket: TLSSocket): string | null => {
      const peer = nodeOf(socket, authorities, clock.wallMs());
      if (typeof peer === 'string') return peer;
      node = peer.name;
      return null;
    };
    const tried = await openLink({ clock, address, tls: { cert, key, ca: authorities }, check, introduction, over, limitMs, signal });
    return typeof tried === 'string' ? tried : { ...tried, node };
  }

  async #pause(round: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, random } = this.#options;
    const limitMs = Math.min(pauseMs.first * 2 ** round, this.#options.pauseMsMax ?? pauseMs.max);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        cancel();
        this.#wakes.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = clock.after(limitMs * (1 - random.next() / 2), wake);
      this.#wakes.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

interface AcceptedLink {
  readonly socket: TLSSocket;
  readonly answer: Extract<LinkAnswer, { readonly ok: true }>;
}

interface Detour {
  /** `HOST:PORT` of the node that passes links on. */
  readonly address: string;
  readonly node: string;
}

/** The node at the other side, or why it is none of the cluster. */
function nodeOf(socket: TLSSocket, authorities: string, wallMs: number): LinkPeer | string {
  const certificate = socket.getPeerX509Certificate();
  if (!(certificate instanceof X509Certificate)) return 'it has no certificate';
  try {
    const peer = provenPeer(certificate, certificatesOf(authorities), wallMs);
    return peer.role === 'node' ? peer : `it is the host ${peer.name}, not a node`;
  } catch (error) {
    return messageOf(error);
  }
}
