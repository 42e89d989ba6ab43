/**
 * The one door of the server: limits, TLS, who is calling, and which room a path belongs to. Direct prefixes take
 * node:http's request as it is (the inference routes); everything else goes through fastify.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Access, AccessConnection, Caller } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import { isLoopback } from '../config.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import { answer } from './answer.ts';
import { BodyBudget, type BodyLimits } from './body-budget.ts';
import { refuseConnection } from './broken-request.ts';
import { createControlPlane, type HttpScope, type RequestHandler } from './control-plane.ts';
import { errorBody } from './errors.ts';
import { requestIdOf } from './request-id.ts';
import type { Certificate } from './self-signed.ts';
import { namesOf } from './tls.ts';
import type { WriteAccess } from './told-access.ts';
import { UntakenAnswers } from './untaken-answers.ts';

export interface ListenerLimits {
  readonly bodyLimitBytes: number;
  /** What all bodies may take together, but for small ones. */
  readonly bodiesBytesMax: number;
  readonly connectionsMax: number;
  /** From the first byte to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte to the end of the body. An answer of which nothing is taken lies there as long, at most twice. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long requests in flight may take to finish when the listener closes. */
  readonly closeMs: number;
}

export const defaultLimits: ListenerLimits = {
  bodyLimitBytes: 64 * 1024 * 1024,
  bodiesBytesMax: 1024 * 1024 * 1024,
  connectionsMax: 20_000,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 75_000,
  closeMs: 10_000,
};

const headerBytesMax = 16 * 1024;

/** How long a connection that falls idle while the listener closes may still bring a request that was under way. */
const lastRequestMs = 100;

export interface ListenerOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Null: plain HTTP, which only a loopback address may speak. */
  readonly tls: Certificate | null;
  readonly limits?: Partial<ListenerLimits>;
  readonly access: Pick<Access, 'authenticate'>;
  readonly log: Log;
  /** Is told of each control call at its end; nobody is unless given. */
  readonly writeAccess?: WriteAccess;
  readonly clock: Clock;
}

/** `path` is the URL without its query, still percent-encoded. */
export type DirectHandler = (request: IncomingMessage, response: ServerResponse, path: string, query: string) => void;

/** What tells of a request who sent it, over whichever protocol it came. */
export interface CallingRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: Pick<Socket, 'remoteAddress'>;
  readonly method?: string | undefined;
}

interface Door {
  readonly prefix: string;
  readonly handle: DirectHandler;
}

/** A door that knows its requests by more than their paths. Asked for every request: its answer must cost next to nothing. */
export type Claim = (request: IncomingMessage) => boolean;

export class Listener {
  readonly #options: ListenerOptions;
  readonly #limits: ListenerLimits;
  readonly #isLoopback: boolean;
  /** For whoever reads a body: all doors share one budget. */
  readonly bodies: BodyLimits;
  readonly #doors: Door[] = [];
  #claim: Claim | null = null;
  #claimed: DirectHandler | null = null;
  readonly #app: HttpScope;
  #server!: Server;
  /** Connections of requests that were given time. */
  readonly #unhurried = new WeakSet<Socket>();
  readonly #answers: UntakenAnswers;
  #isClosing = false;

  /** Throws `invalid_request` for an address beyond loopback without TLS. */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#isLoopback = isLoopback(options.host);
    if (!this.#isLoopback && options.tls === null) {
      throw new PlatformError(
        'invalid_request',
        `${options.host} is not a loopback address, so TLS is required: give --tls-cert F --tls-key F, or --tls self-signed`,
      );
    }
    this.#answers = new UntakenAnswers(options.clock, this.#limits.requestTimeoutMs);
    this.bodies = { limitBytes: this.#limits.bodyLimitBytes, budget: new BodyBudget(this.#limits.bodiesBytesMax) };
    this.#app = createControlPlane({
      bodies: this.bodies,
      log: options.log,
      writeAccess: (line) => options.writeAccess?.({ ...line, atMs: options.clock.wallMs() }),
      attach: (handler) => {
        this.#server = this.#createServer(handler);
        return this.#server;
      },
      onClientError: (error, socket) => {
        if ('code' in error && error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.#unhurried.has(socket)) return;
        refuseConnection(error, socket, requestIdOf({ headers: {} }), options.clock);
      },
    });
  }

  /** Those that this server goes by: the host it listens on, and what its certificate says. */
  get names(): string[] {
    const { host, tls } = this.#options;
    return [...new Set([host.toLowerCase(), ...(tls === null ? [] : namesOf(tls))])];
  }

  get limits(): ListenerLimits {
    return this.#limits;
  }

  /** Everything at or below the prefix goes to `handle`, which answers it by itself. To be called before `listen`. */
  direct(prefix: string, handle: DirectHandler): void {
    this.#doors.push({ prefix, handle });
  }

  /**
   * What `isMine` says yes to goes to `handle`, whatever its path, before all other doors. One door may claim; to be
   * called before `listen`. Such a door also decides whether a client that waits for `100 Continue` may send its body.
   */
  claim(isMine: Claim, handle: DirectHandler): void {
    assert(this.#claim === null, 'two doors cannot both come first');
    this.#claim = isMine;
    this.#claimed = handle;
  }

  /** Routes below the prefix. To be called before `listen`. */
  scope(prefix: string, register: (app: HttpScope) => Promise<void> | void): void {
    this.#app.register(async (scope) => register(scope as HttpScope), { prefix });
  }

  /**
   * From now on the body may take as long as it comes at all: the request timeout is for silence, no more for the whole.
   * For uploads of those who are known, which may be large and their lines slow.
   */
  giveTime(request: IncomingMessage): void {
    if (request.complete) return;
    const { socket } = request;
    this.#unhurried.add(socket);
    socket.setTimeout(this.#limits.requestTimeoutMs);
    request.once('end', () => socket.setTimeout(0));
    request.once('close', () => this.#unhurried.delete(socket));
  }

  /** Who is calling. Throws `unauthenticated` or `forbidden`. */
  authenticate(request: CallingRequest): Caller {
    return this.#options.access.authenticate(request.headers, this.connectionOf(request));
  }

  /** How a request came, as those judge it who let callers in. */
  connectionOf({ socket, method }: Omit<CallingRequest, 'headers'>): AccessConnection {
    const isSecure = this.#options.tls !== null;
    return { remoteAddress: socket.remoteAddress, listenerIsLoopback: this.#isLoopback, isSecure, method };
  }

  /** Answers the URL once connections are accepted. Throws `unavailable` where the address cannot be had. */
  async listen(): Promise<string> {
    const { host, port, tls } = this.#options;
    await this.#app.ready();
    this.#server.listen({ host, port, backlog: 1024 });
    try {
      await once(this.#server, 'listening');
    } catch (cause) {
      const inUse = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      const what = inUse ? 'another program is using it, choose another --port (0 takes any that is free)' : messageOf(cause);
      throw new PlatformError('unavailable', `cannot listen on ${host}:${port}: ${what}`, { cause });
    }
    this.#answers.start();
    const { port: taken } = this.#server.address() as AddressInfo;
    return `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${taken}`;
  }

  /** Takes no new connections, lets requests in flight finish for a bounded time, then cuts the rest off. */
  async close(): Promise<void> {
    this.#isClosing = true;
    // Node looks at these two whenever a response ends: else connections in use now would be kept long after their answer.
    this.#server.keepAliveTimeout = lastRequestMs;
    this.#server.keepAliveTimeoutBuffer = 0;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cancel = this.#options.clock.after(this.#limits.closeMs, () => this.#server.closeAllConnections());
    await closed;
    cancel();
    this.#answers.stop();
    await this.#app.close();
  }

  #createServer(control: RequestHandler): Server {
    const { tls } = this.#options;
    const limits = this.#limits;
    const options: ServerOptions = {
      maxHeaderSize: headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      // How often the two timeouts above are looked at.
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs, limits.requestTimeoutMs),
    };
    const handle = (request: IncomingMessage, response: ServerResponse): void => this.#dispatch(request, response, control);
    const server =
      tls === null ? createHttpServer(options, handle) : createHttpsServer({ ...options, ...tls, minVersion: 'TLSv1.2' }, handle);
    server.on(tls === null ? 'connection' : 'secureConnection', (socket: Socket) => this.#answers.watch(socket));
    server.maxConnections = limits.connectionsMax;
    // Whoever asks before sending a body that is too large is told so before sending it.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      const isTooLarge = Number(request.headers['content-length'] ?? 0) > limits.bodyLimitBytes;
      if (!isTooLarge && this.#claim?.(request) !== true) response.writeContinue();
      handle(request, response);
    });
    return server;
  }

  #dispatch(request: IncomingMessage, response: ServerResponse, control: RequestHandler): void {
    const url = request.url ?? '/';
    if (this.#isClosing) response.shouldKeepAlive = false;
    if (this.#claim?.(request) === true) {
      this.#enter(this.#claimed as DirectHandler, request, response, url);
      return;
    }
    for (const door of this.#doors) {
      if (!isBelow(url, door.prefix)) continue;
      this.#enter(door.handle, request, response, url);
      return;
    }
    control(request, response);
  }

  #enter(handle: DirectHandler, request: IncomingMessage, response: ServerResponse, url: string): void {
    const query = url.indexOf('?');
    try {
      if (query === -1) handle(request, response, url, '');
      else handle(request, response, url.slice(0, query), url.slice(query + 1));
    } catch (error) {
      this.#failed(request, response, error);
    }
  }

  /** A door answers its own errors; what it throws is our mistake. */
  #failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const requestId = requestIdOf(request);
    this.#options.log.error(
      { requestId, url: request.url, stack: error instanceof Error ? error.stack : undefined },
      `a request failed: ${messageOf(error)}`,
    );
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const body = errorBody(new PlatformError('internal', `something went wrong here; the log has more under ${requestId}`), requestId);
    answer(request, response, 500, ['content-type', 'application/json', 'x-request-id', requestId], body);
  }
}

function isBelow(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url.charCodeAt(prefix.length);
  return Number.isNaN(next) || next === 0x2f || next === 0x3f;
}
