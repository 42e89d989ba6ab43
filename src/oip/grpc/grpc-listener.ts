/**
 * The gRPC port. It owns the listening socket, to bound connections and to report a port in use. grpc-js and the files of the protocol take
 * a tenth of a server's start, so they are loaded for the first connection.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { isLoopback } from '../../config.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Certificate, cannotListenForGrpc, closePort } from '../../http/index.ts';
import type { OipDeps } from '../deps.ts';
import type { GrpcServer } from './grpc-server.ts';
import type { AwaitModel } from './inference.ts';

/** Where it listens. */
export interface GrpcOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Null: plaintext, allowed only on loopback addresses. */
  readonly tls: Certificate | null;
  /** Null: the server itself accepts connections. */
  readonly fronts?: GrpcFronts | null;
}

/** Processes that accept the connections, decrypt them and pass them on. */
export interface GrpcFronts {
  /** `127.0.0.1:8001`; null if they serve no gRPC. */
  readonly grpcAddress: string | null;
  /** From now on, `take` gets each connection. Returns what ends that. */
  serveGrpc(take: (socket: Socket) => void): () => void;
  /** Where the home may change: see `AwaitModel`. */
  awaitModel(name: string, run: () => void): (() => void) | null;
}

/** Closes like the HTTP listener: it stops accepting, lets calls end, then cuts off the rest. */
export class GrpcListener {
  readonly #services: OipDeps;
  readonly #options: GrpcOptions;
  /** Listens, or has the connections that gateway processes pass on. */
  readonly #port: NetServer;
  #server: GrpcServer | null = null;
  #loading: Promise<void> | null = null;
  #endTaking = (): void => {};
  /** By client address and port. */
  readonly #sockets = new Map<string, Socket>();
  #closed: Promise<void> | null = null;
  #onEmpty = (): void => {};

  /** Throws `invalid_request` for an address beyond loopback without TLS. */
  constructor(services: OipDeps, options: GrpcOptions) {
    this.#services = services;
    this.#options = options;
    if (!isLoopback(options.host) && options.tls === null) {
      throw new PlatformError(
        'invalid_request',
        `${options.host} is not a loopback address, so gRPC requires TLS: set --tls-cert FILE and --tls-key FILE, or --tls self-signed`,
      );
    }
    this.#port = createServer({ noDelay: true }, (socket) => this.#take(socket));
    this.#port.maxConnections = services.listener.limits.connectionsMax;
  }

  /** Each process has a limit of its own. */
  #takePassedOn(socket: Socket): void {
    if (this.#closed !== null || this.#sockets.size >= this.#services.listener.limits.connectionsMax) socket.destroy();
    else this.#take(socket);
  }

  #take(socket: Socket): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#sockets.set(peer, socket);
    socket.once('close', () => {
      if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer);
      if (this.#sockets.size === 0) this.#onEmpty();
    });
    if (this.#server === null) void this.#serveLoaded(socket);
    else this.#server.serve(socket);
  }

  async #serveLoaded(socket: Socket): Promise<void> {
    // What a client sends meanwhile waits in the socket: no more than it buffers. HTTP/2 and TLS begin with that.
    const ignore = (): void => {}; // a connection that breaks meanwhile
    socket.on('error', ignore);
    try {
      this.#loading ??= this.#load();
      await this.#loading;
    } catch (error) {
      this.#services.log.error({ error: messageOf(error) }, 'gRPC cannot be served');
      this.#loading = null; // the next connection tries again
      socket.destroy();
    }
    if (!socket.destroyed) this.#server?.serve(socket);
    socket.off('error', ignore);
  }

  async #load(): Promise<void> {
    const { GrpcServer: Loaded } = await import('./grpc-server.ts');
    const { fronts = null, tls } = this.#options;
    const awaitModel: AwaitModel = (name, run) => fronts?.awaitModel(name, run) ?? null;
    this.#server = new Loaded(this.#services, { tls: fronts === null ? tls : null, sockets: this.#sockets, awaitModel });
  }

  /** Returns `host:port` once connections are accepted. Throws `unavailable` if the address cannot be bound. */
  async listen(): Promise<string> {
    const { host, port, fronts = null } = this.#options;
    if (fronts !== null) {
      this.#endTaking = fronts.serveGrpc((socket) => this.#takePassedOn(socket));
      return fronts.grpcAddress as string;
    }
    this.#port.listen({ host, port, backlog: 1024 });
    try {
      await once(this.#port, 'listening');
    } catch (cause) {
      throw cannotListenForGrpc({ host, port }, cause);
    }
    const { port: boundPort } = this.#port.address() as AddressInfo;
    return `${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
  }

  /** Continues to serve for a grace period in which probes report NOT_SERVING, then closes within the remaining time. */
  async drain({ timeoutMs, graceMs }: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void> {
    const { clock } = this.#services;
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => clock.after(graceMs, resolve));
    const restMs = Math.max(0, timeoutMs - graceMs) / 2;
    const { closed } = await closePort(this.#port, { clock, timeoutMs: restMs, close: () => this.close(restMs) });
    await closed;
  }

  /** Rejects new connections and calls, lets open calls finish within the timeout, then closes their connections. Idempotent. */
  close(timeoutMs = this.#services.listener.limits.closeMs): Promise<void> {
    this.#closed ??= this.#close(timeoutMs);
    return this.#closed;
  }

  async #close(timeoutMs: number): Promise<void> {
    const { clock } = this.#services;
    this.#endTaking();
    const closed = new Promise<void>((resolve) => {
      if (this.#port.listening) this.#port.close(() => resolve());
      else if (this.#sockets.size === 0) resolve();
      else this.#onEmpty = resolve;
    });
    const cancel = clock.after(timeoutMs, () => {
      for (const socket of this.#sockets.values()) socket.destroy();
    });
    await this.#loading?.catch(() => undefined);
    this.#server?.end();
    await closed;
    cancel();
  }
}
