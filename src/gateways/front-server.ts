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
  errorBody,
  FastConnections,
  type FastRequest,
  type FastResponse,
  requestIdOf,
  StalledResponses,
} from '../connections/index.ts';
import { PlatformError } from '../errors.ts';
import type { HomeDial } from './home-target.ts';
import { factsOf } from './introduction.ts';

/** Those of the server's listener that apply before it. */
export interface FrontLimits {
  readonly connectionsMax: number;
  readonly patienceMs: number;
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

/** The clock, the handler of plain requests, and the way to the home. */
export interface FrontServerDeps {
  readonly clock: Clock;
  /** Resolves with a paused connection to the home. Rejects when aborted, or if there will be no home. */
  readonly dial: (dial: HomeDial, signal: AbortSignal) => Promise<Socket>;
  /** Whether there is a home at the moment. */
  readonly hasHome: () => boolean;
  readonly serve: (request: FastRequest, response: FastResponse) => void;
}

/** As those of the listener (http/listener/listener.ts). */
const firstRequestMs = 1000;
const quietMs = 200;

/** Connections that wait without a home. None of their bytes are read, so each one costs what the system holds for it. */
const waitingMax = 1000;
/** As long as a request waits. */
const waitMs = 60_000;

/** Shares the port with the other gateway processes. */
export class FrontServer {
  readonly #options: FrontServerOptions;
  readonly #deps: FrontServerDeps;
  readonly #server: Server;
  readonly #fast: FastConnections;
  readonly #open: StalledResponses;
  /** Connections that are being passed on. */
  #passing = 0;
  #isClosing = false;

  constructor(options: FrontServerOptions, deps: FrontServerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { tls, limits } = options;
    const settings = { allowHalfOpen: true, noDelay: true };
    this.#server =
      tls === null ? createServer(settings) : createTlsServer({ ...settings, ...tls, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] });
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
      passOn: (socket) => this.#passOn(socket),
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

  /** `socket` is paused. */
  #passOn(socket: Socket): void {
    const { clock, dial, hasHome } = this.#deps;
    socket.on('error', () => socket.destroy());
    if (this.#passing >= waitingMax && !hasHome()) return reject(socket, 'too many connections wait for it already');
    const abort = new AbortController();
    const cancel = clock.after(waitMs, () => abort.abort());
    socket.once('close', () => abort.abort());
    this.#passing++;
    dial({ kind: 'connection', connection: factsOf(socket), encrypted: this.#options.tls !== null }, abort.signal)
      .then(
        (upstream) => join(socket, upstream),
        () => (abort.signal.aborted ? reject(socket, 'the time of the request is over') : socket.destroy()),
      )
      .finally(() => {
        cancel();
        this.#passing--;
      });
  }
}

/** The request of the connection, of which nothing was passed on, is answered without the home. */
function reject(socket: Socket, why: string): void {
  if (socket.destroyed) return;
  const message = `no node of the cluster serves requests at the moment, and ${why}: send the request again`;
  const body = errorBody(new PlatformError('unavailable', message), requestIdOf({ headers: {} }));
  const head = `HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
  socket.on('finish', () => socket.destroySoon()).resume();
}

function join(socket: Socket, upstream: Socket): void {
  upstream.on('error', () => upstream.destroy());
  // The client gets what the server has sent before it closed the connection.
  upstream.on('close', () => socket.destroySoon());
  socket.on('close', () => upstream.destroy());
  if (socket.destroyed) upstream.destroy();
  socket.pipe(upstream);
  upstream.pipe(socket);
}

/** Whether the server would serve the request on its fast path. */
function isInference({ url, headers }: FastRequest): boolean {
  const isPath = (url.startsWith('/v2/models/') && url.endsWith('/infer')) || (url.startsWith('/v1/models/') && url.endsWith(':predict'));
  return isPath && headers['authorization']?.startsWith('AWS') !== true && headers['x-amz-target'] === undefined;
}
