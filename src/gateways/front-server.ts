/**
 * The port of a gateway process. Plain inferences are served here. A connection whose request is anything else is passed on to the server,
 * byte by byte, and stays there.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../clock.ts';
import {
  closePort,
  FastConnections,
  type FastRequest,
  type FastResponse,
  StalledResponses,
  silentMaxOf,
  TcpConnections,
} from '../connections/index.ts';
import type { PassedConnections } from './pass-on.ts';

/** Those of the server's listener that apply before it. */
export interface FrontLimits {
  readonly connectionsMax: number;
  readonly patienceMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
}

/** As in `Listener.drain`. */
export interface DrainTimes {
  readonly timeoutMs: number;
  readonly graceMs: number;
}

/** What the server passes to the process at its start. */
export interface FrontServerOptions {
  readonly host: string;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits: FrontLimits;
}

/** The clock, the handler of plain requests, and the way of all other ones. */
export interface FrontServerDeps {
  readonly clock: Clock;
  /** Takes connections that are served elsewhere. */
  readonly passed: Pick<PassedConnections, 'passOn'>;
  readonly serve: (request: FastRequest, response: FastResponse) => void;
}

/** As those of the listener (http/listener/listener.ts). */
const firstRequestMs = 1000;
const quietMs = 200;

/** Shares the port with the other gateway processes. */
export class FrontServer {
  readonly #options: FrontServerOptions;
  readonly #deps: FrontServerDeps;
  readonly #server: Server;
  readonly #fast: FastConnections;
  readonly #open: StalledResponses;
  readonly #tcp: TcpConnections | null;
  #isClosing = false;

  constructor(options: FrontServerOptions, deps: FrontServerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { tls, limits } = options;
    const settings = { allowHalfOpen: true, noDelay: true };
    const handshake = { minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'], handshakeTimeout: limits.headersTimeoutMs } as const;
    this.#server = tls === null ? createServer(settings) : createTlsServer({ ...settings, ...tls, ...handshake });
    this.#tcp = tls === null ? null : new TcpConnections(this.#server);
    this.#server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
    this.#server.maxConnections = limits.connectionsMax;
    this.#open = new StalledResponses(deps.clock, limits.requestTimeoutMs);
    this.#fast = new FastConnections({
      server: this.#server,
      isTls: tls !== null,
      clock: deps.clock,
      patienceMs: limits.patienceMs,
      silentMs: limits.headersTimeoutMs,
      silentMax: silentMaxOf(limits.connectionsMax),
      keepAliveMs: limits.keepAliveMs,
      accepts: isInference,
      passing: {
        passOn: (socket, unread) => deps.passed.passOn(socket, 'connection', tls !== null, unread),
        holds: { headMs: limits.headersTimeoutMs },
      },
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
          this.#tcp?.closeSilent();
        });
      }),
      clock.after(restMs, () => {
        for (const socket of sockets) socket.destroy();
        this.#tcp?.closeAll();
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
}

/** Whether the server would serve the request on its fast path. */
function isInference({ url, headers }: FastRequest): boolean {
  const isPath = (url.startsWith('/v2/models/') && url.endsWith('/infer')) || (url.startsWith('/v1/models/') && url.endsWith(':predict'));
  return isPath && headers['authorization']?.startsWith('AWS') !== true && headers['x-amz-target'] === undefined;
}
