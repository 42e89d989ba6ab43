/**
 * The gRPC port of a gateway process. It ends TLS and passes each connection on to the server, byte by byte, from the first bytes of its
 * client on. So calls, streams and health have one implementation, and a change of the home ends the connection: libraries connect again.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../clock.ts';
import { closePort, silentMaxOf, TcpConnections } from '../connections/index.ts';
import type { DrainTimes, FrontServerOptions } from './front-server.ts';
import type { PassedConnections } from './pass-on.ts';

/** A connection without a client's first bytes, and one that is being passed on, is known here until it closes. */
export class FrontGrpc {
  readonly #clock: Clock;
  readonly #options: FrontServerOptions;
  readonly #server: Server;
  readonly #tcp: TcpConnections | null;
  readonly #sockets = new Set<Socket>();
  /** Those that have sent nothing, oldest first. */
  readonly #silent = new Set<Socket>();

  constructor(clock: Clock, options: FrontServerOptions, passed: Pick<PassedConnections, 'passOn'>) {
    this.#clock = clock;
    this.#options = options;
    const { tls, limits } = options;
    const settings = { allowHalfOpen: true, noDelay: true };
    const secure = { ...settings, minVersion: 'TLSv1.2', handshakeTimeout: limits.headersTimeoutMs, ALPNProtocols: ['h2'] } as const;
    this.#server = tls === null ? createServer(settings) : createTlsServer({ ...secure, ...tls });
    this.#tcp = tls === null ? null : new TcpConnections(this.#server);
    this.#server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.on(tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#whenSpeaking(socket, () => passed.passOn(socket, 'grpc', tls !== null));
    });
  }

  /** As `FrontServer.listen`. */
  async listen(port: number): Promise<number> {
    this.#server.listen({ host: this.#options.host, port, backlog: 1024, reusePort: true });
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when no connection is open. The server ends those that it serves. */
  async drain({ timeoutMs, graceMs }: DrainTimes): Promise<void> {
    const clock = this.#clock;
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => clock.after(graceMs, resolve));
    const restMs = Math.max(0, timeoutMs - graceMs) / 2;
    const close = (): Promise<void> => new Promise((resolve) => this.#server.close(() => resolve()));
    const { closed } = await closePort(this.#server, { clock, timeoutMs: restMs, close });
    for (const socket of this.#silent) socket.destroy();
    this.#tcp?.closeSilent();
    const cancel = clock.after(restMs, () => {
      for (const socket of this.#sockets) socket.destroy();
      this.#tcp?.closeAll();
    });
    await closed;
    cancel();
  }

  /** Calls `run` with the first bytes of the client unread. A client of HTTP/2 speaks first. */
  #whenSpeaking(socket: Socket, run: () => void): void {
    const { headersTimeoutMs, connectionsMax } = this.#options.limits;
    const cancel = this.#clock.after(headersTimeoutMs, () => socket.destroy());
    const speaks = (): void => {
      cancel();
      this.#silent.delete(socket);
    };
    this.#sockets.add(socket);
    this.#silent.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      speaks();
      this.#sockets.delete(socket);
    });
    socket.once('end', () => {
      if (this.#silent.has(socket)) socket.destroy();
    });
    socket.once('data', (bytes: Buffer) => {
      speaks();
      socket.pause().unshift(bytes);
      run();
    });
    if (this.#silent.size <= silentMaxOf(connectionsMax)) return;
    const [oldest] = this.#silent;
    oldest?.destroy();
  }
}
