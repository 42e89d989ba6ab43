/**
 * The port of a gateway process. Plain inferences are served here. A connection whose request is anything else is passed on to the server,
 * byte by byte, and stays there.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../clock.ts';
import { closePort, FastConnections, type FastRequest, type FastResponse, StalledResponses } from '../connections/index.ts';
import { factsOf, introductionBytes } from './introduction.ts';
import type { DrainTimes } from './remote-home.ts';

export interface FrontLimits {
  readonly connectionsMax: number;
  readonly patienceMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
}

export interface FrontServerOptions {
  readonly host: string;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits: FrontLimits;
  /** The server's socket for connections that are passed on. */
  readonly socketPath: string;
  readonly token: string;
}

export interface FrontServerDeps {
  readonly clock: Clock;
  readonly serve: (request: FastRequest, response: FastResponse) => void;
}

/** As those of the listener (http/listener.ts). */
const firstRequestMs = 1000;
const quietMs = 200;

export class FrontServer {
  readonly #options: FrontServerOptions;
  readonly #deps: FrontServerDeps;
  readonly #server: Server;
  readonly #fast: FastConnections;
  readonly #open: StalledResponses;
  #isClosing = false;

  constructor(options: FrontServerOptions, deps: FrontServerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { tls, limits } = options;
    const passOn = (socket: Socket): void => this.#passOn(socket);
    const settings = { allowHalfOpen: true, noDelay: true };
    this.#server =
      tls === null
        ? createServer(settings, passOn)
        : createTlsServer({ ...settings, ...tls, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] }, passOn);
    this.#server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
    this.#server.maxConnections = limits.connectionsMax;
    this.#open = new StalledResponses(deps.clock, limits.requestTimeoutMs);
    this.#fast = new FastConnections({
      server: this.#server,
      isTls: tls !== null,
      clock: deps.clock,
      patienceMs: limits.patienceMs,
      keepAliveMs: limits.keepAliveMs,
      accepts: isInference,
      serve: (request, response) => {
        if (this.#isClosing) response.shouldKeepAlive = false;
        deps.serve(request, response);
      },
    });
    this.#server.on(tls === null ? 'connection' : 'secureConnection', (socket: Socket) => this.#open.watch(socket));
  }

  /** Shares the port with the other gateway processes of the server. Resolves with it. */
  async listen(port: number): Promise<number> {
    this.#server.listen({ host: this.#options.host, port, backlog: 1024, reusePort: true });
    await once(this.#server, 'listening');
    this.#open.start();
    this.#fast.start();
    return (this.#server.address() as AddressInfo).port;
  }

  /** Like `Listener.drain`. Resolves when no connection is open. */
  async drain({ timeoutMs, graceMs }: DrainTimes): Promise<void> {
    const { clock } = this.#deps;
    this.#isClosing = true;
    this.#fast.closeAfterResponses();
    await this.#open.settled({ quietMs: Math.min(quietMs, graceMs), timeoutMs: graceMs });
    const restMs = Math.max(0, timeoutMs - graceMs) / 2;
    const { closed } = await closePort(this.#server, { clock, timeoutMs: restMs, close: () => this.#stopListening() });
    const { sockets } = this.#open;
    const cancels = [
      clock.after(firstRequestMs, () => {
        clock.after(0, () => {
          for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
        });
      }),
      clock.after(restMs, () => {
        for (const socket of sockets) socket.destroy();
      }),
    ];
    await closed;
    for (const cancel of cancels) cancel();
  }

  #stopListening(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#fast.closeIdle();
    return closed;
  }

  #passOn(socket: Socket): void {
    const { socketPath: path, token } = this.#options;
    const upstream = connect({ path, allowHalfOpen: true });
    upstream.write(introductionBytes({ token, connection: factsOf(socket) }));
    socket.pipe(upstream);
    upstream.pipe(socket);
    socket.on('error', () => upstream.destroy());
    socket.on('close', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    // The client gets what the server has sent before it closed the connection.
    upstream.on('close', () => socket.destroySoon());
  }
}

/** What the server serves on its own fast path. */
function isInference({ url, headers }: FastRequest): boolean {
  return url.startsWith('/v2/models/') && url.endsWith('/infer') && headers['authorization']?.startsWith('AWS') !== true;
}
