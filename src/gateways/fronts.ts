/**
 * The gateway processes of a server (`--gateways N`), and those of the other nodes of its cluster, as the server sees them. They accept
 * connections and decode, encode and compress; the server queues, batches, dispatches, counts, and serves everything else.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Caller, hasPermission } from '../access/index.ts';
import { type Clock, every } from '../clock.ts';
import type { Config } from '../config.ts';
import { FastHeads } from '../connections/index.ts';
import { PlatformError } from '../errors.ts';
import type { NodeLink } from '../hosts/index.ts';
import type { Certificate, FrontPort, Listener } from '../http/index.ts';
import { type LinkPort, peerName } from '../links/index.ts';
import type { Logs } from '../logs/index.ts';
import type { Metrics } from '../metrics/index.ts';
import { clearTemporaryLeftovers } from '../providers/index.ts';
import type { Home, Serving } from '../serving/index.ts';
import { AwaitedEndpoints, type Awaiting } from './awaited-endpoints.ts';
import { type ForwardedRequest, FrontLink } from './front-link.ts';
import { FrontProcesses } from './front-processes.ts';
import type { DrainTimes } from './front-server.ts';
import { type PeerFacts, readIntroduced } from './introduction.ts';
import { flags } from './link-frames.ts';
import { factsOfOther } from './other-clients.ts';
import { RouteNumbers } from './route-numbers.ts';

/** Prefix of the name of the socket's folder; leftovers are recognised by it. */
const folderPrefix = 'penstock-gateways-';

/** Above all ports. */
const firstNumber = 65_536;

/** Other nodes notice that this process has stopped when nothing arrives for some times as long. */
const beatEveryMs = 500;
/** Every fourth beat measures the round trip. */
const measuredEvery = 4;
/** After a change of the home, what else it opens is not in the way of its endpoints for this long. */
const settledMsMax = 1000;
/** For answers to other nodes, when this server gives its place to another one. */
const handOverMs = 5000;

/** What exists before the listener. */
export interface FrontsDeps {
  readonly clock: Clock;
  readonly log: Logs['platform'];
  readonly tls: Certificate | null;
  /** Of a node: they have been started. Default: those of `config`, started with the listener. */
  readonly processes?: FrontProcesses | null;
}

/** What exists only after it. */
export interface FrontsServices {
  readonly listener: Listener;
  readonly serving: Home & Pick<Serving, 'plainEndpoints' | 'onRoutesChanged'>;
  readonly metrics: Pick<Metrics, 'gauge' | 'counter'>;
  /** With traces, all requests are forwarded to the server, which decides which are traced. */
  readonly hasTraces: boolean;
  /** Of a node: endpoints whose requests wait until they are in service again, and its links, which are accepted from the start on. */
  readonly node?: { readonly awaiting: Awaiting; readonly links: LinkPort };
}

/** Its folder holds the socket of the processes, and is removed with it. */
export class Fronts implements FrontPort {
  readonly #deps: FrontsDeps;
  readonly #processes: FrontProcesses;
  #folder: string | null = null;
  readonly #token = randomBytes(16).toString('hex');
  readonly #heads = new FastHeads();
  readonly #links = new Set<FrontLink>();
  /** Those of `#links` that come from other nodes. */
  readonly #others = new Map<FrontLink, OtherNode>();
  readonly #numbers = new RouteNumbers();
  readonly #term: number;
  #services!: FrontsServices;
  #awaited: AwaitedEndpoints | null = null;
  /** While endpoints come back into service after a change of the home. */
  #settled: Promise<void> | null = null;
  /** Takes connections of gRPC clients; null while gRPC is not served. */
  #takeGrpc: ((socket: Socket) => void) | null = null;
  /** Those that arrived before. */
  #earlyGrpc: Socket[] | null = [];
  #passedOn = 0;
  #isUpdateScheduled = false;
  #isHandedOver = false;
  #stopBeats: () => void = () => undefined;

  private constructor(config: Config, deps: FrontsDeps, term: number) {
    this.#deps = deps;
    this.#processes = deps.processes ?? new FrontProcesses(config, deps);
    this.#term = term;
  }

  /** Null if the server itself accepts all connections. `term`: of the node as the home. */
  static open(config: Config, deps: FrontsDeps, term = 1): Fronts | null {
    return config.gateways === 1 && config.node === null ? null : new Fronts(config, deps, term);
  }

  /** Before `start`. */
  connect(services: FrontsServices): void {
    this.#services = services;
    const { serving, metrics, node } = services;
    if (node !== undefined) this.#awaited = new AwaitedEndpoints(node.awaiting, this.#deps.clock);
    serving.onRoutesChanged(() => this.#scheduleUpdate());
    const only = (value: number) => [{ labels: {}, value }];
    metrics.gauge('penstock_gateway_processes', 'Gateway processes that are linked to the server.', [], () => only(this.#links.size));
    metrics.counter('penstock_gateway_restarts_total', 'Gateway processes that ended and were started again.', [], () =>
      only(this.#processes.restarts),
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

  /** Resolves with the port once all processes accept connections at it. Throws if it cannot be bound. */
  async start(): Promise<number> {
    this.#settled = this.#awaited?.settled(settledMsMax) ?? null;
    this.#processes.setTarget({ term: this.#term, own: { socketPath: this.#socketPath, token: this.#token } });
    const { node } = this.#services;
    if (node !== undefined) {
      this.#acceptOthers(node.links);
      node.links.becomeHome();
    }
    const port = await this.#processes.start();
    await this.#settled;
    this.#settled = null;
    return port;
  }

  /** The processes of other nodes, and the connections of their clients. */
  #acceptOthers(port: LinkPort): void {
    const admit = (): void => {
      if (this.#isHandedOver) throw new PlatformError('unavailable', 'this node gives its place to another one');
    };
    port.serve('front', ['node'], (socket, { name }, { via }) => this.#addOther(socket, { name, via: viaIn(via) }), admit);
    port.serve(
      'connection',
      ['node'],
      (socket, { name }, { connection, encrypted }) => {
        define(socket, { ...factsOfOther(connection, name), encrypted: encrypted === true });
        this.#whenSettled(socket, () => this.#services.listener.take(socket));
      },
      admit,
    );
    port.serve(
      'grpc',
      ['node'],
      (socket, { name }, { connection, encrypted }) => this.#passGrpc(socket, factsOfOther(connection, name), encrypted === true),
      () => {
        admit();
        if (this.#takeGrpc === null) throw new PlatformError('unavailable', 'this node does not serve gRPC at the moment');
      },
    );
    let beats = 0;
    this.#stopBeats = every(this.#deps.clock, beatEveryMs, () => {
      const isMeasured = beats++ % measuredEvery === 0;
      for (const link of this.#others.keys()) link.beat(isMeasured);
    });
  }

  #addOther(socket: Socket, node: OtherNode): void {
    const link = this.#addLink(socket, node.name);
    this.#others.set(link, node);
    link.beat(true);
  }

  /** By the name of the node: the slowest link of its processes. */
  nodeLinks(): ReadonlyMap<string, NodeLink> {
    const links = new Map<string, NodeLink>();
    for (const [{ lagMs }, { name, via }] of this.#others) {
      const other = links.get(name);
      if (other === undefined || (lagMs ?? 0) > (other.lagMs ?? 0)) links.set(name, { lagMs, via });
    }
    return links;
  }

  /** A connection to the listener's own socket: the link of a process, or a connection that one passes on. */
  receive(socket: Socket, passOn: (socket: Socket) => void): void {
    readIntroduced(socket, this.#token, ({ connection, isGrpc }) => {
      if (connection === null) {
        this.#addLink(socket, null);
        return;
      }
      if (isGrpc) return this.#passGrpc(socket, connection, this.#deps.tls !== null);
      define(socket, { ...connection, encrypted: this.#deps.tls !== null });
      this.#whenSettled(socket, () => passOn(socket));
    });
  }

  /** As `host:port` of a listener; null if gRPC is off, or its port is taken. */
  get grpcAddress(): string | null {
    return this.#processes.grpcAddress;
  }

  /** From now on, `take` gets the connections of gRPC clients, paused. Returns what ends that: later ones are for the next home. */
  serveGrpc(take: (socket: Socket) => void): () => void {
    this.#takeGrpc = take;
    for (const socket of this.#earlyGrpc ?? []) if (!socket.destroyed) take(socket);
    this.#earlyGrpc = null;
    return () => (this.#takeGrpc = null);
  }

  /** Connections of other nodes have no port here, so each one gets a number that no port has: by it, gRPC knows them. */
  #passGrpc(socket: Socket, facts: PeerFacts, encrypted: boolean): void {
    const remotePort = facts.remotePort ?? firstNumber + ++this.#passedOn;
    define(socket, { ...facts, remotePort, encrypted, alpnProtocol: 'h2' });
    if (this.#takeGrpc !== null) return this.#takeGrpc(socket);
    if (this.#earlyGrpc === null) return void socket.on('error', () => undefined).destroy();
    // The processes bound their number.
    socket.on('error', () => socket.destroy());
    this.#earlyGrpc.push(socket);
  }

  /** As `FrontPort`: of requests on connections that were passed on. */
  awaitEndpoint(path: string, run: () => void): (() => void) | null {
    if (this.#awaited?.awaits(path) !== true) return null;
    return this.#awaited.serve(path, () => {
      run();
      return () => undefined;
    });
  }

  /** As `awaitEndpoint`, of an inference over gRPC, which names its model. */
  awaitModel(name: string, run: () => void): (() => void) | null {
    if (this.#awaited?.awaitsEndpoint(name) !== true) return null;
    return this.#awaited.serveBy(name, () => {
      run();
      return () => undefined;
    });
  }

  /** A paused connection may bring an inference that is too large for a frame. */
  #whenSettled(socket: Socket, run: () => void): void {
    if (this.#settled === null) return run();
    socket.on('error', () => socket.destroy());
    void this.#settled.then(() => {
      if (!socket.destroyed) run();
    });
  }

  /**
   * Resolves when all processes have ended: they accept requests for a grace period, and finish open ones. Then the processes of other
   * nodes get their last answers.
   */
  async drain(times: DrainTimes): Promise<void> {
    await this.#processes.drain(times);
    this.#isHandedOver = true;
    if (this.#others.size === 0) return;
    const late = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(Math.min(handOverMs, times.timeoutMs), late.resolve);
    await Promise.race([Promise.all(Array.from(this.#others.keys(), (link) => link.leave())), late.promise]);
    cancel();
  }

  /** Ends the processes and their connections. */
  async close(): Promise<void> {
    this.#stopBeats();
    this.#isHandedOver = true;
    await this.#processes.close();
    for (const link of this.#links) link.close();
    this.#awaited?.close();
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** `node`: null if the process is one of this server. */
  #addLink(socket: Socket, node: string | null): FrontLink {
    const { clock, log } = this.#deps;
    const link = new FrontLink(socket, {
      clock,
      home: this.#services.serving,
      routeOf: (number) => this.#numbers.routeOf(number),
      serveWhole: (request) => this.#serveWhole(request, node !== null),
      connectionOf: (facts) => (node === null ? (facts as PeerFacts) : factsOfOther(facts, node)),
      logError: (fields, message) => log.error({ ...fields }, message),
      onEnd: () => {
        this.#links.delete(link);
        this.#others.delete(link);
      },
    });
    this.#links.add(link);
    link.setCatalogue(this.#catalogue());
    socket.resume();
    return link;
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

  #serveWhole(request: ForwardedRequest, isOther: boolean): () => void {
    const head = this.#heads.read(request.bytes);
    if (typeof head === 'string') {
      request.drop();
      return () => undefined;
    }
    const serve = (): (() => void) => this.#serveNow(head, request, isOther);
    return this.#awaited === null ? serve() : this.#awaited.serve(head.url, serve);
  }

  #serveNow(
    head: Exclude<ReturnType<FastHeads['read']>, string>,
    { bytes, connection, arrivedAtMs, respond, drop }: ForwardedRequest,
    isOther: boolean,
  ): () => void {
    let flagBits = 0;
    let isServed = false;
    let early: (() => void) | null = null;
    const { leave, caller } = this.#services.listener.serveForwarded(head, bytes, connection, {
      arrivedAtMs,
      // The connection is that of another node, which goes on.
      outlivesServer: isOther,
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

/** A node whose gateway process is linked. */
interface OtherNode {
  readonly name: string;
  /** The node that passes its link on; null if it is direct. */
  readonly via: string | null;
}

/** A node that says something else than a name has not come over another one. */
function viaIn(via: unknown): string | null {
  return typeof via === 'string' && peerName.test(via) ? via : null;
}

function define(socket: Socket, facts: object): void {
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(socket, name, { value });
}

/** Whether requests of the caller need only the queue of the server. */
function isAdmitted({ role, limiter, session, assumed }: Caller): boolean {
  return limiter === undefined && session === undefined && assumed === undefined && hasPermission(role, 'invoke');
}
