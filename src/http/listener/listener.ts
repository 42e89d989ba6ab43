/**
 * The HTTP listener: limits, TLS, authentication, and dispatch by path. Handlers of direct prefixes get the raw node:http
 * request (inference routes); everything else goes through fastify.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { AccessConnection, Caller } from '../../access/index.ts';
import { isLoopback } from '../../config.ts';
import {
  closePort,
  errorBody,
  FastConnections,
  type FastHead,
  type FastRequest,
  type FastResponse,
  requestIdOf,
  StalledResponses,
  silentMaxOf,
  TcpConnections,
} from '../../connections/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { createServer as createHttpServer } from '../../node-http.ts';
import { BodyBudget, type BodyLimits } from '../bodies/body-budget.ts';
import { rejectConnection } from '../bodies/broken-request.ts';
import { sendContinue } from '../bodies/continue.ts';
import { createControlPlane, type HttpScope, type RequestHandler } from '../control-plane.ts';
import { LoopActivity } from '../guards/loop-activity.ts';
import { respond } from '../respond.ts';
import { cannotListen } from './cannot-listen.ts';
import { type ForwardedResponse, type FrontPort, forwardedExchange } from './front-port.ts';
import { defaultLimits, type ListenerLimits } from './listener-limits.ts';
import type { CallingRequest, Claim, DirectHandler, ListenerOptions } from './listener-options.ts';
import { certificateNames, isSelfSigned } from './tls.ts';
import { hasTwoHosts, rejectTwoHosts } from './two-hosts.ts';

const headerBytesMax = 16 * 1024;

/** Requests of one connection that are begun in one turn of the event loop. Node parses 2,000 pipelined ones at a time. */
const pipelinedMax = 256;

/** During closing, an idle connection stays open this long for a request already on its way. */
const lastRequestMs = 100;

/** During draining, a new connection must send its first byte within this time. */
const firstRequestMs = 1000;

/** During draining, a client whose connection was closed may reconnect within this time. */
const quietMs = 200;

interface DirectMount {
  readonly prefix: string;
  readonly handle: DirectHandler;
  readonly isFast: (path: string) => boolean;
}

type ForwardedArguments = [head: FastHead, bytes: Buffer, connection: object, to: ForwardedResponse];

/** Handlers are mounted before `listen`; from then on nothing is added. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #limits: ListenerLimits;
  readonly #isLoopback: boolean;
  /** Body limits; all APIs share one memory budget. */
  readonly bodies: BodyLimits;
  /** The request that the event loop is working on. */
  readonly activity: LoopActivity;
  readonly #mounts: DirectMount[] = [];
  #claim: Claim | null = null;
  #claimed: DirectHandler | null = null;
  readonly #app: HttpScope;
  #server!: Server;
  #fast!: FastConnections;
  #tcp: TcpConnections | null = null;
  /** Responses to requests that gateway processes have received, and whether their connections may stay open when this listener closes. */
  readonly #forwarded = new Map<FastResponse, boolean>();
  /** Connections of requests with an extended timeout. */
  readonly #extended = new WeakSet<Socket>();
  readonly #answers: StalledResponses;
  /** The request that is being dispatched, and its response. */
  #dispatched: IncomingMessage | null = null;
  #response: ServerResponse | null = null;
  /** The caller that was authenticated last. */
  #caller: Caller | null = null;
  /** The connection whose request was begun last in this turn of the event loop, and how many of its requests were. */
  #turnSocket: Socket | null = null;
  #turnRequests = 0;
  #isClosing = false;
  #isDrained = false;
  /** Whether all routes of the control plane are registered. */
  #isReady = false;
  readonly #onReady = Promise.withResolvers<void>();

  /** Throws `invalid_request` for an address beyond loopback without TLS. */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#isLoopback = isLoopback(options.host);
    if (!this.#isLoopback && options.tls === null) {
      throw new PlatformError(
        'invalid_request',
        `${options.host} is not a loopback address, so TLS is required: set --tls-cert FILE and --tls-key FILE, or --tls self-signed`,
      );
    }
    this.#answers = new StalledResponses(options.clock, this.#limits.requestTimeoutMs);
    this.activity = new LoopActivity(options.clock);
    this.bodies = { limitBytes: this.#limits.bodyLimitBytes, budget: new BodyBudget(this.#limits.bodiesBytesMax, this.activity) };
    this.#app = createControlPlane({
      // With HSTS, browsers allow no exception for a certificate that they cannot verify.
      isHstsAllowed: options.tls !== null && !isSelfSigned(options.tls),
      bodies: this.bodies,
      log: options.log,
      writeAccess: (line) => options.writeAccess?.({ ...line, atMs: options.clock.wallMs() }),
      attach: (handler) => {
        this.#server = this.#createServer(handler);
        return this.#server;
      },
      onClientError: (error, socket) => {
        if ('code' in error && error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.#extended.has(socket)) return;
        rejectConnection(error, socket, requestIdOf({ headers: {} }), options.clock);
      },
    });
  }

  /** Host names of this server: the listen address and the names in its certificate. */
  get names(): string[] {
    const { host, tls } = this.#options;
    return [...new Set([host.toLowerCase(), ...(tls === null ? [] : certificateNames(tls))])];
  }

  get limits(): ListenerLimits {
    return this.#limits;
  }

  /**
   * Routes everything at or below the prefix to `handle`, which sends the response. Call before `listen`. Requests that are posted to a path
   * with `isFast` may take the fast path: `handle` then gets a `FastRequest` and a `FastResponse`, and begins to read the body before it returns.
   */
  direct(prefix: string, handle: DirectHandler, isFast: (path: string) => boolean = () => false): void {
    this.#mounts.push({ prefix, handle, isFast });
  }

  /**
   * Routes requests accepted by `isMine` to `handle`, regardless of path and before all other routes. Only one claim is
   * possible; call before `listen`. The handler also decides whether to send `100 Continue`.
   */
  claim(isMine: Claim, handle: DirectHandler): void {
    assert(this.#claim === null, 'only one claim is possible');
    this.#claim = isMine;
    this.#claimed = handle;
  }

  /** Registers routes below the prefix. Call before `listen`. */
  scope(prefix: string, register: (app: HttpScope) => Promise<void> | void): void {
    this.#app.register(async (scope) => register(scope as HttpScope), { prefix });
  }

  /**
   * Turns the request timeout into an idle timeout: the body may take any time as long as bytes arrive. For authenticated
   * uploads, which may be large and slow.
   */
  extendTimeout(request: IncomingMessage): void {
    if (request.complete) return;
    const { socket } = request;
    this.#extended.add(socket);
    socket.setTimeout(this.#limits.requestTimeoutMs);
    request.once('end', () => socket.setTimeout(0));
    request.once('close', () => this.#extended.delete(socket));
  }

  /**
   * Authenticates a request. Throws `unauthenticated` or `forbidden`, and `overloaded` if the request exceeds the limits of
   * its key. It counts against them until its response is closed.
   */
  authenticate(request: CallingRequest): Caller {
    const caller = this.#options.access.authenticate(request.headers, this.connectionOf(request));
    this.#caller = caller;
    if (caller.limiter !== undefined && request === this.#dispatched) {
      const end = caller.limiter.begin();
      this.#response?.once('close', end);
      // Counted once, even if authenticated again.
      this.#dispatched = null;
    }
    return caller;
  }

  /** The connection of a request, as input for authentication. */
  connectionOf({ socket, method }: Omit<CallingRequest, 'headers'>): AccessConnection {
    const isSecure = this.#options.tls !== null;
    return { remoteAddress: socket.remoteAddress, listenerIsLoopback: this.#isLoopback, socket, isSecure, method };
  }

  /** Returns the URL once connections are accepted. Throws `unavailable` if the address cannot be bound. */
  async listen(): Promise<string> {
    const { host, port, tls, fronts = null } = this.#options;
    let boundPort: number;
    if (fronts === null) await this.#openControlPlane();
    try {
      if (fronts === null) {
        this.#server.listen({ host, port, backlog: 1024 });
        await once(this.#server, 'listening');
        boundPort = (this.#server.address() as AddressInfo).port;
      } else {
        this.#server.listen({ path: await fronts.open(), backlog: 1024 });
        await once(this.#server, 'listening');
        boundPort = await fronts.start();
        // Clients have waited for inference, which is served already.
        await this.#openControlPlane();
      }
    } catch (cause) {
      await fronts?.close();
      if (this.#server.listening) this.#server.close(); // the socket of the gateway processes
      throw cannotListen({ host, port }, cause);
    }
    this.#answers.start();
    this.#fast.start();
    return `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${boundPort}`;
  }

  async #openControlPlane(): Promise<void> {
    await this.#app.ready();
    this.#isReady = true;
    this.#onReady.resolve();
  }

  /**
   * Shuts down without resetting connections. From now on each response closes its connection. New requests and connections
   * are accepted for a grace period, so that every active client gets such a response. Then idle connections are closed, and
   * the others after their requests or at the timeout.
   */
  async drain({ timeoutMs, graceMs }: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void> {
    const { clock, fronts = null } = this.#options;
    this.#isClosing = true;
    const { sockets } = this.#answers;
    for (const socket of sockets) closeAfterResponse(socket);
    this.#fast.closeAfterResponses();
    for (const [response, stays] of this.#forwarded) if (!response.headersSent && !stays) response.shouldKeepAlive = false;
    if (fronts !== null) return this.#drainFronts(fronts, { timeoutMs, graceMs });
    await this.#answers.settled({ quietMs: Math.min(quietMs, graceMs), timeoutMs: graceMs });
    const restMs = Math.max(0, timeoutMs - graceMs) / 2;
    const { closed } = await closePort(this.#server, { clock, timeoutMs: restMs, close: () => this.#stopListening() });
    const cancels = [
      // Node does not treat a connection without any bytes as idle, because its first request may be on its way. On a busy machine
      // timers are late, and requests that have arrived are read after them, but before `after(0)`.
      clock.after(firstRequestMs, () => {
        clock.after(0, () => {
          for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
          this.#tcp?.closeSilent();
        });
      }),
      clock.after(restMs, () => this.#closeAll()),
    ];
    await closed;
    for (const cancel of cancels) cancel();
    this.#isDrained = true;
  }

  /** The processes hold the connections of all clients, so the listener's own socket serves until they have ended. */
  async #drainFronts(fronts: FrontPort, times: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void> {
    const cancels = [
      this.#options.clock.after(times.graceMs, () => this.#closeIdle()),
      this.#options.clock.after(times.timeoutMs, () => void fronts.close()),
    ];
    await fronts.drain(times);
    for (const cancel of cancels) cancel();
  }

  /** Serves the rest of a client's connection, which another process has accepted. It is paused. */
  take(socket: Socket): void {
    this.#answers.watch(socket);
    this.#fast.leave(socket);
  }

  /**
   * Serves a request that a gateway process has received. `caller`: null if it was not authenticated. `leave` reports that its client has
   * disconnected.
   */
  serveForwarded(...[head, bytes, connection, to]: ForwardedArguments): { readonly caller: Caller | null; readonly leave: () => void } {
    const { request, response } = forwardedExchange(this.#fast, head, bytes, connection, to);
    this.#forwarded.set(response, to.outlivesServer);
    response.on('close', () => this.#forwarded.delete(response));
    this.#caller = null;
    if (this.#isFast(request)) this.#serveFast(request, response, to.outlivesServer);
    else response.destroy();
    return { caller: this.#caller, leave: () => response.close() };
  }

  /** Rejects new connections, lets requests in flight finish within a time limit, then closes the rest. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#options.fronts?.close();
    if (!this.#isDrained) {
      const closed = this.#stopListening();
      const cancel = this.#options.clock.after(this.#limits.closeMs, () => this.#closeAll());
      await closed;
      cancel();
    }
    this.#answers.stop();
    this.#fast.stop();
    await this.#app.close();
  }

  /** Closes the port and idle connections. Resolves when the last connection is closed. */
  #stopListening(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#closeIdle();
    return closed;
  }

  #closeIdle(): void {
    // Node reads these two settings at the end of each response. Their normal values would keep active connections open too long.
    this.#server.keepAliveTimeout = lastRequestMs;
    this.#server.keepAliveTimeoutBuffer = 0;
    this.#server.closeIdleConnections();
    this.#fast.closeIdle();
  }

  #closeAll(): void {
    this.#server.closeAllConnections();
    this.#fast.closeAll();
    this.#tcp?.closeAll();
  }

  #createServer(control: RequestHandler): Server {
    const { tls } = this.#options;
    const limits = this.#limits;
    const options: ServerOptions = {
      maxHeaderSize: headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveMs,
      // Check interval of the two timeouts above.
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs, limits.requestTimeoutMs),
    };
    const { fronts = null } = this.#options;
    const dispatch = (request: IncomingMessage, response: ServerResponse): void => {
      this.#dispatched = request;
      this.#response = response;
      this.#dispatch(request, response, control);
      this.#dispatched = null;
      this.#response = null;
    };
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      if (this.#isFlooded(request.socket)) return;
      const isCall = fronts !== null && request.method === 'POST';
      const leave = isCall ? fronts.awaitEndpoint(request.url ?? '', () => dispatch(request, response)) : null;
      if (leave === null) dispatch(request, response);
      else response.once('close', leave);
    };
    // Connections of gateway processes are decrypted.
    const isTls = tls !== null && fronts === null;
    const handshake = { minVersion: 'TLSv1.2', handshakeTimeout: limits.headersTimeoutMs } as const;
    const server = !isTls ? createHttpServer(options, handle) : createHttpsServer({ ...options, ...tls, ...handshake }, handle);
    if (isTls) this.#tcp = new TcpConnections(server);
    this.#fast = new FastConnections({
      server,
      isTls,
      clock: this.#options.clock,
      patienceMs: Math.min(1000, limits.headersTimeoutMs, limits.requestTimeoutMs),
      silentMs: limits.headersTimeoutMs,
      silentMax: silentMaxOf(limits.connectionsMax),
      keepAliveMs: limits.keepAliveMs,
      streamedMs: limits.requestTimeoutMs,
      accepts: (request) => this.#isFast(request),
      serve: (request, response) => this.#serveFast(request, response),
    });
    const onConnection = (socket: Socket): void => this.#answers.watch(socket);
    if (fronts === null) server.on(isTls ? 'secureConnection' : 'connection', onConnection);
    else {
      server.removeAllListeners('connection');
      server.on('connection', (socket: Socket) => fronts.receive(socket, () => this.take(socket)));
    }
    server.maxConnections = limits.connectionsMax;
    // With `Expect: 100-continue`, a body above the limit is rejected before it is sent.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      const isTooLarge = Number(request.headers['content-length'] ?? 0) > limits.bodyLimitBytes;
      if (!isTooLarge && !hasTwoHosts(request) && this.#claim?.(request) !== true) sendContinue(response);
      handle(request, response);
    });
    return server;
  }

  /** Closes a connection that pipelines too many requests. Those that were read with them are dropped. */
  #isFlooded(socket: Socket): boolean {
    if (socket !== this.#turnSocket) {
      if (this.#turnSocket === null) setImmediate(() => (this.#turnSocket = null));
      this.#turnSocket = socket;
      this.#turnRequests = 0;
    }
    if (++this.#turnRequests <= pipelinedMax) return socket.destroyed;
    socket.destroy();
    return true;
  }

  #dispatch(request: IncomingMessage, response: ServerResponse, control: RequestHandler): void {
    const url = request.url ?? '/';
    this.activity.enter(request);
    if (this.#isClosing) response.shouldKeepAlive = false;
    if (hasTwoHosts(request)) {
      rejectTwoHosts(request, response);
      return;
    }
    if (this.#claim?.(request) === true) {
      this.#enter(this.#claimed as DirectHandler, request, response, url);
      return;
    }
    for (const context of this.#mounts) {
      if (!isBelow(url, context.prefix)) continue;
      this.#enter(context.handle, request, response, url);
      return;
    }
    if (this.#isReady) control(request, response);
    else void this.#onReady.promise.then(() => control(request, response));
  }

  #isFast(fast: FastRequest): boolean {
    const { url } = fast;
    if (this.#claim?.(asNodeRequest(fast)) === true) return false;
    return this.#mounts.find(({ prefix }) => isBelow(url, prefix))?.isFast(url) === true;
  }

  /** The same for a request on the fast path, which has one Host. */
  #serveFast(fast: FastRequest, fastResponse: FastResponse, outlives = false): void {
    const request = asNodeRequest(fast);
    const response = asNodeResponse(fastResponse);
    this.#dispatched = request;
    this.#response = response;
    this.activity.enter(request);
    if (this.#isClosing && !outlives) response.shouldKeepAlive = false;
    const mount = this.#mounts.find(({ prefix }) => isBelow(fast.url, prefix));
    assert(mount !== undefined, 'only requests of a mount are accepted');
    this.#enter(mount.handle, request, response, fast.url);
    this.#dispatched = null;
    this.#response = null;
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

  /** Handlers send their own error responses, so an exception is an internal error. */
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
    const body = errorBody(new PlatformError('internal', `internal error: see the server log for request ${requestId}`), requestId);
    respond(request, response, 500, ['content-type', 'application/json', 'x-request-id', requestId], body);
  }
}

/** It has the members that handlers of direct paths use. */
function asNodeRequest(request: FastRequest): IncomingMessage {
  return request as unknown as IncomingMessage;
}

function asNodeResponse(response: FastResponse): ServerResponse {
  return response as unknown as ServerResponse;
}

/** Has no effect on a response that has begun: its headers have already announced whether the connection stays open. */
function closeAfterResponse(socket: Socket): void {
  const { _httpMessage: response } = socket as Socket & { readonly _httpMessage?: ServerResponse | null };
  if (response !== null && response !== undefined && !response.headersSent) response.shouldKeepAlive = false;
}

function isBelow(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url.charCodeAt(prefix.length);
  return Number.isNaN(next) || next === 0x2f || next === 0x3f;
}
