/** The gateway processes of a server: starts them, restarts one that ends, and sends them the address of the home. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { type Certificate, cannotListenForGrpc, defaultLimits, grpcPortOf } from '../http/index.ts';
import type { Logs } from '../logs/index.ts';
import type { FrontChange, FrontOrders, FrontReport } from './front-main.ts';
import type { DrainTimes } from './front-server.ts';
import type { HomeTarget } from './home-target.ts';

const mainPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './front-main.ts' : './front-main.js', import.meta.url));

/** Loading takes a third of a second, and longer on a machine that swaps. */
const startMs = 30_000;

/** A process that ends sooner is started again only after this time. */
const restartMs = 500;

/** What exists before the processes. */
export interface FrontProcessesDeps {
  readonly clock: Clock;
  readonly log: Logs['platform'];
  readonly tls: Certificate | null;
}

/** 0: any free port. `grpcPort` is null if no gRPC is served. */
interface FrontPorts {
  readonly port: number;
  readonly grpcPort: number | null;
}

interface Front {
  readonly child: ChildProcess;
  readonly startedAtMs: number;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
}

/** One for each server. All processes end with it. */
export class FrontProcesses {
  readonly #config: Config;
  readonly #deps: FrontProcessesDeps;
  readonly #fronts = new Map<number, Front>();
  readonly #cancelRestarts = new Set<() => void>();
  #target: HomeTarget = { term: 0 };
  #port: number | null = null;
  /** Null if no gRPC is served. */
  #grpcPort: number | null = null;
  #restarts = 0;
  #isEnding = false;
  #drainTimes: DrainTimes | null = null;

  constructor(config: Config, deps: FrontProcessesDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Processes that ended and were started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** `http://127.0.0.1:8080`; null before `start`. */
  get url(): string | null {
    const { host } = this.#config;
    const scheme = this.#deps.tls === null ? 'http' : 'https';
    return this.#port === null ? null : `${scheme}://${host.includes(':') ? `[${host}]` : host}:${this.#port}`;
  }

  /** `127.0.0.1:8001`; null before `start`, and if no gRPC is served. */
  get grpcAddress(): string | null {
    const { host } = this.#config;
    return this.#grpcPort === null ? null : `${host.includes(':') ? `[${host}]` : host}:${this.#grpcPort}`;
  }

  /** Resolves with the port once all processes accept connections at it, at once if they do. Throws if it cannot be bound. */
  async start(): Promise<number> {
    if (this.#port !== null) return this.#port;
    const { host, port, gateways } = this.#config;
    if (port !== 0) await requireFree(host, port);
    // The first process chooses free ports if none were requested.
    const bound = await this.#startFront(0, { port, grpcPort: await this.#freeGrpcPort() });
    this.#grpcPort = bound.grpcPort;
    await Promise.all(Array.from({ length: gateways - 1 }, (_, index) => this.#startFront(index + 1, bound)));
    this.#port = bound.port;
    return bound.port;
  }

  /** Null: gRPC is off, or its default port is taken. Throws `unavailable` if another one is, which was requested. */
  async #freeGrpcPort(): Promise<number | null> {
    const { host, grpcPort } = this.#config;
    const port = grpcPortOf(this.#config);
    if (port === null || port === 0) return port;
    try {
      await requireFree(host, port);
      return port;
    } catch (cause) {
      const error = cannotListenForGrpc({ host, port }, cause);
      if (grpcPort !== null) throw error;
      this.#deps.log.warn({}, `gRPC is not served: ${error.message}`);
      return null;
    }
  }

  /** From now on, the home is there. */
  setTarget(target: HomeTarget): void {
    this.#target = target;
    this.#tell({ target });
  }

  /** Their own server is about to be the home of this term, unless it has said so already. */
  awaitTarget(term: number): void {
    if (this.#target.term < term) this.setTarget({ term });
  }

  /** Resolves when all processes have ended: they accept requests for a grace period, and finish open ones. */
  async drain(times: DrainTimes): Promise<void> {
    this.#stopRestarts();
    this.#drainTimes = times; // for a process that is just being started
    this.#tell({ drain: times });
    await this.#allEnded();
  }

  /** Ends the processes and their connections. */
  async close(): Promise<void> {
    this.#stopRestarts();
    for (const { child } of this.#fronts.values()) child.kill('SIGKILL');
    await this.#allEnded();
  }

  /** A failure means that the process has ended. */
  #tell(change: FrontChange): void {
    for (const { child } of this.#fronts.values()) if (child.connected) child.send(change, () => undefined);
  }

  #stopRestarts(): void {
    this.#isEnding = true;
    for (const cancel of this.#cancelRestarts) cancel();
    this.#cancelRestarts.clear();
  }

  async #allEnded(): Promise<void> {
    await Promise.all(Array.from(this.#fronts.values(), ({ ended }) => ended));
  }

  #ordersFor(ports: FrontPorts): FrontOrders {
    const { host, gateways, connectionsMax, node } = this.#config;
    const { headersTimeoutMs, requestTimeoutMs, keepAliveMs } = defaultLimits;
    return {
      host,
      ...ports,
      tls: this.#deps.tls,
      target: this.#target,
      isNode: node !== null,
      limits: {
        connectionsMax: Math.ceil(connectionsMax / gateways),
        patienceMs: Math.min(1000, headersTimeoutMs, requestTimeoutMs),
        headersTimeoutMs,
        requestTimeoutMs,
        keepAliveMs,
      },
    };
  }

  /** Resolves with its ports. */
  async #startFront(index: number, ports: FrontPorts): Promise<FrontPorts> {
    const { clock } = this.#deps;
    // Its own process group: Ctrl-C is for the server, which drains first.
    const child = fork(mainPath, [], { detached: true, stdio: ['ignore', 2, 2, 'ipc'], execArgv: [] });
    const ended = endOf(child);
    this.#fronts.set(index, { child, startedAtMs: clock.nowMs(), ended });
    void ended.then((how) => this.#onExit(index, how));
    const reported = new Promise<FrontReport>((resolve) => child.once('message', (report: FrontReport) => resolve(report)));
    child.send(this.#ordersFor(ports), () => undefined); // a failure means that it has ended
    const cancel = clock.after(startMs, () => child.kill('SIGKILL'));
    const what = await Promise.race([reported, ended.then((how) => ({ failed: `it ended at its start (${how})` }))]);
    cancel();
    if ('port' in what) {
      if (this.#drainTimes !== null) child.send({ drain: this.#drainTimes }, () => undefined);
      return what;
    }
    child.kill('SIGKILL');
    throw new PlatformError('unavailable', `a gateway process failed to listen on ${this.#config.host}:${ports.port}: ${what.failed}`);
  }

  #onExit(index: number, how: string): void {
    const { clock, log } = this.#deps;
    const { startedAtMs } = this.#fronts.get(index) as Front;
    this.#fronts.delete(index);
    const port = this.#port;
    if (this.#isEnding || port === null) return;
    log.warn({ gateway: index, how }, 'a gateway process ended, and is started again');
    const delayMs = clock.nowMs() - startedAtMs < restartMs ? restartMs : 0;
    const cancel = clock.after(delayMs, () => {
      this.#cancelRestarts.delete(cancel);
      this.#restarts++;
      this.#startFront(index, { port, grpcPort: this.#grpcPort }).catch((error: unknown) =>
        log.error({ gateway: index, error: messageOf(error) }, 'failed to start a gateway process'),
      );
    });
    this.#cancelRestarts.add(cancel);
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

/** The processes share the port, so the system would also let another server share it. */
async function requireFree(host: string, port: number): Promise<void> {
  const probe = createServer();
  probe.listen({ host, port });
  await once(probe, 'listening');
  await new Promise((resolve) => probe.close(resolve));
}
