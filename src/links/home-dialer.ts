/**
 * Opens links to the home, wherever it is: tries the known addresses, follows the answers of nodes that are not the home, and repeats until
 * one is, or until its caller gives up.
 */
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import { isRetried, type LinkAnswer, linkAnswer } from './answers.ts';
import { introductionBytes, readIntroduction } from './introduction.ts';
import { certificatesOf, type LinkIdentity, provenPeer } from './link-peer.ts';
import type { LinkKind } from './link-port.ts';

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
  readonly identity?: LinkIdentity;
  /** Told once per failed attempt, for logs. */
  readonly onFailure?: (address: string, reason: string) => void;
}

/** Addresses and the identity can change at any time: they count from the next attempt on. */
export class HomeDialer {
  readonly #options: HomeDialerOptions;
  #addresses: readonly string[];
  #identity: LinkIdentity | null;
  /** Where the last link was accepted. */
  #home: string | null = null;
  /** Ends the pauses of all dials. */
  readonly #wakes = new Set<() => void>();

  constructor(options: HomeDialerOptions) {
    this.#options = options;
    this.#addresses = options.addresses ?? [];
    this.#identity = options.identity ?? null;
  }

  /** `HOST:PORT` of the nodes, most likely home first. Dials that pause begin their next round at once. */
  setAddresses(addresses: readonly string[]): void {
    if (addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.#home = null;
    for (const wake of this.#wakes) wake();
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
    for (let round = 0; !signal.aborted; round++) {
      for (const address of this.#candidates()) {
        const tried = await this.#follow(address, { ...fields, kind }, round, signal);
        if (typeof tried !== 'string') return tried;
        last = tried;
        if (signal.aborted) break;
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
      const { socket, answer } = tried;
      if ('ok' in answer) {
        this.#home = address;
        return { socket, answer };
      }
      socket.on('error', () => undefined).destroy();
      if ('refused' in answer) {
        if (!isRetried(answer.code)) throw new PlatformError(answer.code, `${address} refused the link: ${answer.refused}`);
        return `${address}: ${answer.refused}`;
      }
      if (this.#home === address) this.#home = null;
      if (answer.moved === null) return `${address} is not the home, and knows none`;
      address = answer.moved;
    }
    return `${first}: the nodes named another home ${movesMax} times`;
  }

  #candidates(): readonly string[] {
    const home = this.#home;
    return home === null ? this.#addresses : [home, ...this.#addresses.filter((address) => address !== home)];
  }

  /** A connection with its answer, or why there is none. */
  #attempt(address: string, introduction: object, round: number, signal: AbortSignal): Promise<Attempt | string> {
    const identity = this.#identity;
    if (identity === null) return Promise.resolve('this process has no certificate yet');
    const place = addressParts(address);
    if (place === null) return Promise.resolve('its address is not HOST:PORT');
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const { cert, key, authorities } = identity;
      // Whose name it is, not which address it has, is checked below.
      const checkServerIdentity = (): undefined => undefined;
      const tls = { cert, key, ca: authorities, minVersion: 'TLSv1.3', checkServerIdentity } as const;
      const socket = connect({ ...place, ...tls })
        .setNoDelay(true)
        .setKeepAlive(true);
      const fail = (reason: string): void => {
        settle();
        socket.on('error', () => undefined).destroy();
        resolve(reason);
      };
      const onError = (error: Error): void => fail(messageOf(error));
      const onClose = (): void => fail('it closed the connection');
      const onAbort = (): void => fail('the dial was given up');
      const limitMs = Math.min(attemptMs.first * 2 ** round, attemptMs.max);
      const cancel = clock.after(limitMs, () => fail(`no answer within ${limitMs} ms`));
      const settle = (): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        socket.off('error', onError).off('close', onClose);
      };
      signal.addEventListener('abort', onAbort);
      socket.on('error', onError).on('close', onClose);
      socket.once('secureConnect', () => {
        const reason = nodeReason(socket, authorities, clock.wallMs());
        if (reason !== null) return fail(reason);
        readIntroduction(socket, (message) => {
          const answer = linkAnswer(message);
          if (answer === null) return fail('its answer is not that of a node');
          settle();
          resolve({ socket, answer });
        });
        socket.write(introductionBytes(introduction));
      });
    });
  }

  async #pause(round: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, random } = this.#options;
    const limitMs = Math.min(pauseMs.first * 2 ** round, pauseMs.max);
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

interface Attempt {
  readonly socket: TLSSocket;
  readonly answer: LinkAnswer;
}

interface AcceptedLink {
  readonly socket: TLSSocket;
  readonly answer: Extract<LinkAnswer, { readonly ok: true }>;
}

/** `127.0.0.1:8002`, `node-1:8002` or `[::1]:8002`. Null for another text. */
export function addressParts(address: string): { readonly host: string; readonly port: number } | null {
  const [, bracketed, bare, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]{1,255})):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? bare;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? null : { host, port };
}

/** Why the other side is not a node of the cluster; null if it is one. */
function nodeReason(socket: TLSSocket, authorities: string, wallMs: number): string | null {
  const certificate = socket.getPeerX509Certificate();
  if (!(certificate instanceof X509Certificate)) return 'it has no certificate';
  try {
    const { role, name } = provenPeer(certificate, certificatesOf(authorities), wallMs);
    return role === 'node' ? null : `it is the host ${name}, not a node`;
  } catch (error) {
    return messageOf(error);
  }
}
