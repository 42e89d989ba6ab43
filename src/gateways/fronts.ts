/**
 * The gateway processes of a server (`--gateways N`). They accept connections and decode, encode and compress; the server queues, batches,
 * dispatches, counts, and serves everything else. A process that ends is started again; all end with the server.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Caller, hasPermission } from '../access/index.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { FastHeads } from '../connections/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Certificate, FrontPort, Listener } from '../http/index.ts';
import type { Logs } from '../logs/index.ts';
import type { Metrics } from '../metrics/index.ts';
import { clearTemporaryLeftovers } from '../providers/index.ts';
import type { Home, Serving } from '../serving/index.ts';
import { type ForwardedRequest, FrontLink } from './front-link.ts';
import type { FrontOrders, FrontReport } from './front-main.ts';
import { readIntroduced } from './introduction.ts';
import { flags } from './link-frames.ts';
import { RouteNumbers } from './route-numbers.ts';

const mainPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './front-main.ts' : './front-main.js', import.meta.url));

/** Loading takes a third of a second, and longer on a machine that swaps. */
const startMs = 30_000;
/** Prefix of the name of the socket's folder; leftovers are recognised by it. */
const folderPrefix = 'penstock-gateways-';

/** A process that ends sooner is started again only after this time. */
const restartMs = 500;

/** What exists before the listener. */
export interface FrontsDeps {
  readonly clock: Clock;
  readonly log: Logs['platform'];
  readonly tls: Certificate | null;
}

/** What exists only after it. */
export interface FrontsServices {
  readonly listener: Listener;
  readonly serving: Home & Pick<Serving, 'plainEndpoints' | 'onRoutesChanged'>;
  readonly metrics: Pick<Metrics, 'gauge' | 'counter'>;
  /** With traces, all requests are forwarded to the server, which decides which are traced. */
  readonly hasTraces: boolean;
}

interface Front {
  readonly child: ChildProcess;
  readonly startedAtMs: number;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
}

/** Its folder holds the socket of the processes, and is removed with it. */
export class Fronts implements FrontPort {
  readonly #config: Config;
  readonly #deps: FrontsDeps;
  #folder: string | null = null;
  readonly #token = randomBytes(16).toString('hex');
  readonly #heads = new FastHeads();
  readonly #links = new Set<FrontLink>();
  readonly #fronts = new Map<number, Front>();
  readonly #cancelRestarts = new Set<() => void>();
  readonly #numbers = new RouteNumbers();
  #services!: FrontsServices;
  #orders!: FrontOrders;
  #isUpdateScheduled = false;
  #restarts = 0;
  #isEnding = false;
  #drainTimes: object | null = null;

  private constructor(config: Config, deps: FrontsDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Null if the server itself accepts all connections. */
  static open(config: Config, deps: FrontsDeps): Fronts | null {
    return config.gateways === 1 ? null : new Fronts(config, deps);
  }

  /** Before `start`. */
  connect(services: FrontsServices): void {
    this.#services = services;
    const { serving, metrics } = services;
    serving.onRoutesChanged(() => this.#scheduleUpdate());
    const only = (value: number) => [{ labels: {}, value }];
    metrics.gauge('penstock_gateway_processes', 'Gateway processes that are linked to the server.', [], () => only(this.#links.size));
    metrics.counter('penstock_gateway_restarts_total', 'Gateway processes that ended and were started again.', [], () =>
      only(this.#restarts),
    );
  }

  /** Removes the folders of killed servers, and makes one that only this user can enter. */
  async open(): Promise<string> {
    const { clock, log } = this.#deps;
    await clearTemporaryLeftovers(folderPrefix, clock, log);
    // The path of a Unix socket holds 107 bytes.
    this.#folder = mkdtempSync(join(Buffer.byteLength(tmpdir()) <= 70 ? tmpdir() : '/tmp', folderPrefix)); // made with mode 0700
    return this.#socketPath;
  }

  get #socketPath(): string {
    return join(this.#folder as string, 'socket');
  }

  /** Resolves with the port once all processes accept connections at it. Throws `unavailable` if it cannot be bound. */
  async start(host: string, port: number): Promise<number> {
    if (port !== 0) await requireFree(host, port);
    const { limits } = this.#services.listener;
    const { gateways } = this.#config;
    const { headersTimeoutMs, requestTimeoutMs, keepAliveMs, connectionsMax } = limits;
    this.#orders = {
      host,
      port,
      tls: this.#deps.tls,
      socketPath: this.#socketPath,
      token: this.#token,
      limits: {
        connectionsMax: Math.ceil(connectionsMax / gateways),
        patienceMs: Math.min(1000, headersTimeoutMs, requestTimeoutMs),
        requestTimeoutMs,
        keepAliveMs,
      },
    };
    // The first process chooses a free port if none was requested.
    this.#orders = { ...this.#orders, port: await this.#startFront(0) };
    await Promise.all(Array.from({ length: gateways - 1 }, (_, index) => this.#startFront(index + 1)));
    return this.#orders.port;
  }

  /** A connection to the listener's own socket: the link of a process, or a connection that one passes on. */
  receive(socket: Socket, passOn: (socket: Socket) => void): void {
    readIntroduced(socket, this.#token, ({ connection }) => {
      if (connection === null) {
        this.#addLink(socket);
        return;
      }
      const facts = { ...connection, encrypted: this.#deps.tls !== null };
      for (const [name, value] of Object.entries(facts)) Object.defineProperty(socket, name, { value });
      passOn(socket);
    });
  }

  /** Resolves when all processes have ended: they accept requests for a grace period, and finish open ones. */
  async drain(times: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void> {
    this.#stopRestarts();
    this.#drainTimes = times; // for a process that is just being started
    for (const link of this.#links) link.drain(times);
    await this.#allEnded();
  }

  /** Ends the processes and their connections. */
  async close(): Promise<void> {
    this.#stopRestarts();
    for (const { child } of this.#fronts.values()) child.kill('SIGKILL');
    await this.#allEnded();
    for (const link of this.#links) link.close();
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
  }

  #stopRestarts(): void {
    this.#isEnding = true;
    for (const cancel of this.#cancelRestarts) cancel();
    this.#cancelRestarts.clear();
  }

  async #allEnded(): Promise<void> {
    await Promise.all(Array.from(this.#fronts.values(), ({ ended }) => ended));
  }

  /** Resolves with its port. */
  async #startFront(index: number): Promise<number> {
    const { clock } = this.#deps;
    // Its own process group: Ctrl-C is for the server, which drains first.
    const child = fork(mainPath, [], { detached: true, stdio: ['ignore', 2, 2, 'ipc'], execArgv: [] });
    const ended = endOf(child);
    this.#fronts.set(index, { child, startedAtMs: clock.nowMs(), ended });
    void ended.then((how) => this.#onExit(index, how));
    const reported = new Promise<FrontReport>((resolve) => child.once('message', (report: FrontReport) => resolve(report)));
    child.send(this.#orders, () => undefined); // a failure means that it has ended
    const cancel = clock.after(startMs, () => child.kill('SIGKILL'));
    const what = await Promise.race([reported, ended.then((how) => ({ failed: `it ended at its start (${how})` }))]);
    cancel();
    if ('port' in what) return what.port;
    child.kill('SIGKILL');
    throw new PlatformError(
      'unavailable',
      `a gateway process failed to listen on ${this.#orders.host}:${this.#orders.port}: ${what.failed}`,
    );
  }

  #onExit(index: number, how: string): void {
    const { clock, log } = this.#deps;
    const { startedAtMs } = this.#fronts.get(index) as Front;
    this.#fronts.delete(index);
    if (this.#isEnding) return;
    log.warn({ gateway: index, how }, 'a gateway process ended, and is started again');
    const delayMs = clock.nowMs() - startedAtMs < restartMs ? restartMs : 0;
    const cancel = clock.after(delayMs, () => {
      this.#cancelRestarts.delete(cancel);
      this.#restarts++;
      this.#startFront(index).catch((error: unknown) =>
        log.error({ gateway: index, error: messageOf(error) }, 'failed to start a gateway process'),
      );
    });
    this.#cancelRestarts.add(cancel);
  }

  #addLink(socket: Socket): void {
    const { clock, log } = this.#deps;
    const link = new FrontLink(socket, {
      clock,
      home: this.#services.serving,
      routeOf: (number) => this.#numbers.routeOf(number),
      serveWhole: (request) => this.#serveWhole(request),
      logError: (fields, message) => log.error({ ...fields }, message),
      onEnd: () => this.#links.delete(link),
    });
    this.#links.add(link);
    link.setCatalogue(this.#catalogue());
    if (this.#drainTimes !== null) link.drain(this.#drainTimes);
    socket.resume();
  }

  /** Changes of one turn of the event loop are sent together. */
  #scheduleUpdate(): void {
    if (this.#isUpdateScheduled) return;
    this.#isUpdateScheduled = true;
    this.#deps.clock.after(0, () => {
      this.#isUpdateScheduled = false;
      const catalogue = this.#catalogue();
      for (const link of this.#links) link.setCatalogue(catalogue);
    });
  }

  #catalogue() {
    const { serving, hasTraces } = this.#services;
    return this.#numbers.catalogueOf(hasTraces ? [] : serving.plainEndpoints());
  }

  #serveWhole({ bytes, connection, respond, drop }: ForwardedRequest): () => void {
    const head = this.#heads.read(bytes);
    if (typeof head === 'string') {
      drop();
      return () => undefined;
    }
    let flagBits = 0;
    let isServed = false;
    let early: (() => void) | null = null;
    const { leave, caller } = this.#services.listener.serveForwarded(head, bytes, connection, {
      write: (response, stays) => {
        const send = (): void => respond(response, flagBits | (stays ? flags.stays : 0));
        if (isServed) send();
        else early = send; // an immediate response is sent once its caller is known
      },
      destroy: drop,
    });
    if (caller !== null && isAdmitted(caller)) flagBits = flags.admitted;
    isServed = true;
    (early as (() => void) | null)?.();
    return leave;
  }
}

/** Resolves with how the process ended, also if it could not be started at all. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.on('error', (error) => {
      if (child.pid === undefined) resolve(messageOf(error));
    });
  });
}

/** Whether requests of the caller need only the queue of the server. */
function isAdmitted({ role, limiter, session, assumed }: Caller): boolean {
  return limiter === undefined && session === undefined && assumed === undefined && hasPermission(role, 'invoke');
}

/** The processes share the port, so the system would also let another server share it. */
async function requireFree(host: string, port: number): Promise<void> {
  const probe = createServer();
  probe.listen({ host, port });
  await once(probe, 'listening');
  await new Promise((resolve) => probe.close(resolve));
}
