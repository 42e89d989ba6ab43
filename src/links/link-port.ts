/**
 * Where a node accepts links from other nodes and from hosts: TLS 1.3, a certificate of the cluster on both sides, then an introduction.
 *
 * Nothing that arrives is trusted before the certificate is checked, and until then a connection costs little and lives briefly: their
 * number is bounded, in total and by address, and each has some seconds for the handshake and for the introduction.
 */
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { createServer, type SecureContextOptions, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Clock } from '../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { type LinkAnswer, refusalOf } from './answers.ts';
import { introductionBytes, readIntroduction } from './introduction.ts';
import { certificatesOf, type LinkIdentity, type LinkPeer, provenPeer } from './link-peer.ts';
import { haveCommonProtocol, type LinkProtocols, linkProtocols, protocolsText, readProtocols } from './protocols.ts';

/**
 * What a link is for. `front`: the calls of a front process; `connection`: a client's connection that is passed on whole; `grpc`: one to its
 * gRPC port; `host`: the agent of a host; `join`: a host asks for its first certificate; `renew`: for the next one; `nodes`: for the addresses
 * of the nodes; `replaced`: the next home tells the one before, which may be cut off from the database; `detour`: a link to the home that a
 * node which stands by passes on; `peer`: a host reads objects that another host has.
 */
export type LinkKind = 'front' | 'connection' | 'grpc' | 'host' | 'join' | 'renew' | 'nodes' | 'replaced' | 'detour' | 'peer';

/**
 * Serves an accepted link; the other side has its answer `{ok: true}` already. The socket is paused and has no listeners: add those for
 * `data`, `error` and `close`, then resume it. The introduction is a JSON object that is not validated beyond its `kind`.
 */
export type ServeLink = (socket: Socket, peer: LinkPeer, introduction: Readonly<Record<string, unknown>>) => void;

/** A request in an introduction that is answered at once, by any node. `peer` is null if the other side has no certificate yet. */
export interface LinkRequest {
  readonly peer: LinkPeer | null;
  /** The serial number of its certificate. */
  readonly serial: string | null;
  readonly introduction: Readonly<Record<string, unknown>>;
  /** The network address of the other side. */
  readonly address: string;
}

/** Times in milliseconds. */
export interface LinkLimits {
  /** From the first byte of TCP to the end of the handshake. */
  readonly handshakeMs: number;
  /** From there to the end of the introduction, and again to the end of a connection that was refused. */
  readonly introductionMs: number;
  /** Connections without an introduction yet: of all addresses, and of one. */
  readonly pendingMax: number;
  readonly pendingOfAddressMax: number;
  /** All connections. */
  readonly linksMax: number;
}

/** A kind is quoted in answers. */
const kindLengthMax = 32;

export const defaultLinkLimits: LinkLimits = {
  handshakeMs: 5000,
  introductionMs: 5000,
  pendingMax: 1024,
  pendingOfAddressMax: 256,
  linksMax: 20_000,
};

export interface LinkPortOptions {
  readonly clock: Clock;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly identity: LinkIdentity;
  /** The option that names the address, for errors. Default: `--link`. */
  readonly option?: string;
  /** `HOST:PORT` of the node that serves, as far as this node knows. */
  readonly homeAddress: () => string | null;
  /** Rejects, with the reason, if the certificate no longer counts, as that of a removed host. */
  readonly checkPeer?: (peer: LinkPeer, serial: string) => Promise<void>;
  readonly limits?: LinkLimits;
  /** Default: those of this program. */
  readonly protocols?: LinkProtocols;
}

interface Served {
  readonly roles: readonly LinkPeer['role'][];
  readonly run: ServeLink;
  readonly admit: (peer: LinkPeer, introduction: Readonly<Record<string, unknown>>) => Promise<void> | void;
  /** Whether nodes that stand by serve it, too. */
  readonly isAnywhere: boolean;
}

interface Answered {
  readonly roles: readonly LinkPeer['role'][] | 'anyone';
  readonly run: (request: LinkRequest) => Promise<object>;
}

/** A connection that has not introduced itself. */
interface PendingConnection {
  readonly raw: Socket;
  readonly address: string;
  cancel: () => void;
}

interface OpenLink {
  readonly peer: LinkPeer;
  readonly serial: string;
}

/** Kinds are registered before or after `listen`. */
export class LinkPort {
  readonly #options: LinkPortOptions;
  readonly #limits: LinkLimits;
  readonly #served = new Map<string, Served>();
  readonly #answered = new Map<string, Answered>();
  readonly #pending = new Map<string, PendingConnection>();
  readonly #raws = new Set<Socket>();
  readonly #links = new Map<Socket, OpenLink>();
  readonly #tcp: Server;
  readonly #tls: TlsServer;
  #authorities: readonly X509Certificate[];
  #address: string | null = null;
  #isHome = false;

  constructor(options: LinkPortOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultLinkLimits;
    this.#authorities = certificatesOf(options.identity.authorities);
    // Who has no certificate may join, so the certificate is requested, and checked with the introduction.
    this.#tls = createServer({ ...contextOf(options.identity), requestCert: true, rejectUnauthorized: false });
    this.#tls.on('secureConnection', (socket) => this.#introduce(socket));
    this.#tls.on('tlsClientError', (_error, socket) => void socket.destroy());
    this.#tcp = createTcpServer({ noDelay: true, keepAlive: true }, (raw) => this.#accept(raw));
  }

  /**
   * Links of this kind from peers of these roles go to `run`, at the home. `admit` may reject one with a `PlatformError`: the reason is the
   * answer, and the other side tries again if its code is `unavailable` or `overloaded`.
   */
  serve(kind: LinkKind, roles: readonly LinkPeer['role'][], run: ServeLink, admit: Served['admit'] = () => undefined): void {
    this.#served.set(kind, { roles, run, admit, isAnywhere: false });
  }

  /** As `serve`, at any node. */
  serveAnywhere(kind: LinkKind, roles: readonly LinkPeer['role'][], run: ServeLink, admit: Served['admit']): void {
    this.#served.set(kind, { roles, run, admit, isAnywhere: true });
  }

  /** Requests of this kind are answered, at any node, with the fields that `run` resolves with, or the reason it rejects with. */
  answer(kind: LinkKind, roles: Answered['roles'], run: Answered['run']): void {
    this.#answered.set(kind, { roles, run });
  }

  /** Resolves with `HOST:PORT` for the others: as bound. Throws `unavailable` if the port cannot be bound; another one may be tried then. */
  async listen(port = this.#options.port): Promise<string> {
    const { host, option = '--link' } = this.#options;
    this.#tcp.listen({ host, port });
    try {
      await once(this.#tcp, 'listening');
    } catch (cause) {
      throw new PlatformError('unavailable', `${option}: cannot listen for links on ${host}:${port}: ${listenProblem(cause)}`, { cause });
    }
    const bound = this.#tcp.address() as { readonly port: number };
    this.#tcp.on('error', () => undefined);
    // All addresses of this machine: the others know it by its name.
    const name = host === '0.0.0.0' || host === '::' ? hostname() : host;
    this.#address = `${name.includes(':') ? `[${name}]` : name}:${bound.port}`;
    return this.#address;
  }

  /** Until then, the links of other processes are answered `moved`. */
  becomeHome(): void {
    this.#isHome = true;
  }

  /** Connections from now on see the new certificate; open links stay. */
  setIdentity(identity: LinkIdentity): void {
    this.#tls.setSecureContext(contextOf(identity));
    this.#authorities = certificatesOf(identity.authorities);
  }

  /** Ends the open links of peers that are no longer allowed. */
  endLinks(mustEnd: (peer: LinkPeer, serial: string) => boolean): void {
    for (const [socket, { peer, serial }] of this.#links) if (mustEnd(peer, serial)) socket.destroy();
  }

  /** Open links, by peer. */
  get peers(): readonly LinkPeer[] {
    return [...this.#links.values()].map(({ peer }) => peer);
  }

  /** Connections that have not introduced themselves, or whose refusal is on its way. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Ends all links. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    for (const socket of this.#links.keys()) socket.destroy();
    for (const raw of this.#raws) raw.destroy();
    await closed;
  }

  #accept(raw: Socket): void {
    const { remoteAddress: address, remotePort } = raw;
    raw.on('error', () => undefined);
    if (address === undefined || !this.#hasPlace(address)) {
      raw.destroy();
      return;
    }
    const key = `${address} ${remotePort}`;
    const cancel = this.#options.clock.after(this.#limits.handshakeMs, () => raw.destroy());
    this.#pending.set(key, { raw, address, cancel });
    this.#raws.add(raw);
    raw.once('close', () => {
      this.#raws.delete(raw);
      this.#settle(key);
    });
    this.#tls.emit('connection', raw);
  }

  /** If all places are taken, the address with most of them loses its oldest one to an address with fewer. */
  #hasPlace(address: string): boolean {
    const { pendingMax, pendingOfAddressMax, linksMax } = this.#limits;
    if (this.#raws.size >= linksMax) return false;
    const counts = new Map<string, number>();
    for (const pending of this.#pending.values()) counts.set(pending.address, (counts.get(pending.address) ?? 0) + 1);
    const own = counts.get(address) ?? 0;
    if (own >= pendingOfAddressMax) return false;
    if (this.#pending.size < pendingMax) return true;
    const most = Math.max(...counts.values());
    if (most <= own + 1) return false;
    for (const [key, pending] of this.#pending) {
      if (counts.get(pending.address) !== most) continue;
      this.#settle(key);
      pending.raw.destroy();
      return true;
    }
    return false;
  }

  #settle(key: string): void {
    this.#pending.get(key)?.cancel();
    this.#pending.delete(key);
  }

  #introduce(socket: TLSSocket): void {
    const key = `${socket.remoteAddress} ${socket.remotePort}`;
    const pending = this.#pending.get(key);
    socket.on('error', () => undefined);
    if (pending === undefined) {
      socket.destroy();
      return;
    }
    pending.cancel();
    pending.cancel = this.#options.clock.after(this.#limits.introductionMs, () => pending.raw.destroy());
    readIntroduction(socket, (message) => {
      this.#enter(socket, message, () => this.#settle(key)).catch((error: unknown) => leave(socket, refusalOf(asPlatformError(error))));
    });
  }

  /** Throws `PlatformError` if the link is refused. */
  async #enter(socket: TLSSocket, message: unknown, settle: () => void): Promise<void> {
    const introduction = introductionOf(message);
    const { kind } = introduction;
    const proven = this.#provenBy(socket);
    const answered = this.#answered.get(kind);
    if (answered?.roles === 'anyone') {
      const address = socket.remoteAddress ?? '';
      const from = { peer: proven?.peer ?? null, serial: proven?.serial ?? null };
      return leave(socket, { ...(await answered.run({ ...from, introduction, address })), ok: true });
    }
    if (proven === null) throw new PlatformError('forbidden', 'a link needs a certificate of this cluster: join it with a token first');
    const { peer, serial } = proven;
    await this.#options.checkPeer?.(peer, serial);
    const served = this.#served.get(kind);
    const roles = (answered ?? served)?.roles ?? rolesOf(kind);
    if (!roles.includes(peer.role)) {
      throw new PlatformError('forbidden', `a ${peer.role} cannot open a link of kind ${kind}`);
    }
    if (answered !== undefined) {
      const address = socket.remoteAddress ?? '';
      return leave(socket, { ...(await answered.run({ peer, serial, introduction, address })), ok: true });
    }
    if (!this.#isHome && served?.isAnywhere !== true) {
      const home = this.#options.homeAddress();
      return leave(socket, { moved: home === this.#address ? null : home });
    }
    if (served === undefined) throw new PlatformError('unavailable', `the home serves no links of kind ${kind} yet`);
    requireCommonProtocol(this.#options.protocols ?? linkProtocols, introduction);
    await served.admit(peer, introduction);
    if (socket.destroyed) return;
    settle();
    this.#links.set(socket, proven);
    socket.once('close', () => this.#links.delete(socket));
    // Node's HTTP/2 takes over the handle of a socket, and aborts the process if another write ends there.
    socket.write(introductionBytes({ ok: true }), () => {
      if (!socket.destroyed) served.run(socket, peer, introduction);
    });
  }

  /** Null without a certificate. Throws `forbidden` for one that does not count. */
  #provenBy(socket: TLSSocket): OpenLink | null {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return null;
    const peer = provenPeer(certificate, this.#authorities, this.#options.clock.wallMs());
    if (!socket.authorized) throw new PlatformError('forbidden', `its certificate is refused: ${String(socket.authorizationError)}`);
    return { peer, serial: certificate.serialNumber };
  }
}

/** Throws `wrong_state`, which the other side does not repeat. */
function requireCommonProtocol(own: LinkProtocols, introduction: Readonly<Record<string, unknown>>): void {
  const theirs = readProtocols(introduction['protocols']);
  if (haveCommonProtocol(own, theirs)) return;
  throw new PlatformError(
    'wrong_state',
    `the home understands links of version ${protocolsText(own)}, got one of version ${protocolsText(theirs)}: install a version of Penstock here that is nearer to that of the home`,
  );
}

/** Of kinds that nothing serves here: a node that stands by names the home, which does. */
function rolesOf(kind: string): readonly LinkPeer['role'][] {
  return kind === 'front' || kind === 'connection' || kind === 'grpc' ? ['node'] : kind === 'host' || kind === 'renew' ? ['host'] : [];
}

/** Answers, and ends the connection: what the other side still sends is discarded until it closes or its time is over. */
function leave(socket: TLSSocket, answer: LinkAnswer): void {
  if (socket.destroyed) return;
  socket.end(introductionBytes(answer));
  socket.resume();
}

function introductionOf(message: unknown): Readonly<Record<string, unknown>> & { readonly kind: string } {
  const kind = typeof message === 'object' && message !== null ? (message as { readonly kind?: unknown }).kind : undefined;
  if (typeof kind !== 'string' || kind.length > kindLengthMax) {
    throw new PlatformError('invalid_request', 'an introduction is a JSON object with the kind of the link');
  }
  return message as Readonly<Record<string, unknown>> & { readonly kind: string };
}

function contextOf({ cert, key, authorities }: LinkIdentity): SecureContextOptions {
  return { cert, key, ca: authorities, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' };
}

function listenProblem(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'another program is using it: choose another port';
  if (code === 'EADDRNOTAVAIL') return 'this machine does not have that address: choose one of its own';
  return messageOf(cause);
}
