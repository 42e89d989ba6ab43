/**
 * A host as the home sees it, over all its connections: its workers, as wanted here and as reported there. If its link breaks, nothing is
 * sent to it; if it stays away, the home places its workers elsewhere.
 */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { MeasuredLink } from '../links/index.ts';
import type { Log } from '../logs/index.ts';
import type { TaskView, WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerExit } from '../records/index.ts';
import { malformedFrame } from '../runtime/index.ts';
import type { HostAbilities } from './abilities.ts';
import type { SentArchive } from './agent/agent-link.ts';
import { HostLink } from './host-link.ts';
import { HostTasks } from './host-tasks.ts';
import { readFileRange } from './link/object-ranges.ts';
import type { ObjectQuery } from './link/peer-messages.ts';
import { type HostExit, type WorkerReport, type WorkerUsage, workersMax } from './link/reports.ts';
import { type AskingHost, type ObjectPeers, socketAddress } from './object-peers.ts';
import { RemoteWorker } from './remote-worker.ts';
import { RemoteWorkerLink } from './remote-worker-link.ts';

/** What the machine has, as its agent says when it connects. */
export interface HostCapacity {
  readonly zone: string;
  /** Thousandths of a vCPU. */
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  /** By instance type with devices: how many of its workers the host can have at a time. Absent: none. */
  readonly accelerators?: Readonly<Record<string, number>>;
  /** The version of its agent. */
  readonly version?: string;
}

/** An archive that the home sends. */
export interface HomeArchive extends SentArchive {
  readonly path: string;
}

/** A machine as its agent describes it. */
export interface DescribedHost {
  readonly capacity: HostCapacity;
  readonly abilities: HostAbilities;
  /** Where it serves other hosts; null if it does not. */
  readonly servePort: number | null;
}

/** What a host reports to. Callbacks must not throw. */
export interface RemoteHostDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the home. */
  readonly epoch: number;
  /** The path of an object on the home. */
  readonly fetch: (sha256: string) => Promise<string>;
  /** The archive of a Python environment, on the home. Absent: there are none. */
  readonly archiveOf?: (lock: string) => Promise<HomeArchive>;
  readonly onChange: (view: WorkerView) => void;
  /** Of a task. */
  readonly onTask: (view: TaskView) => void;
  readonly onEnded: (workerId: string, exit: WorkerExit | null) => void;
  /** `ageMs`: since it was printed. */
  readonly onLine: (spec: WorkerSpec, line: string, requestIds: readonly string[], ageMs: number) => void;
  /** It has reported all its tasks. */
  readonly onTasks: (host: RemoteHost) => void;
  /** It has reported all its workers. */
  readonly onLinked: (host: RemoteHost) => void;
  /** It has been away for too long. */
  readonly onLost: (host: RemoteHost) => void;
  /** It stops after this time. */
  readonly onLeaving: (host: RemoteHost, withinMs: number) => void;
  readonly peers: ObjectPeers;
  readonly times?: RemoteHostTimes;
}

/** In milliseconds. */
export interface RemoteHostTimes {
  /** How long a broken link may take to return before the workers are placed elsewhere. */
  readonly awayMax: number;
  /** How long a worker that an earlier home started waits to be wanted by this one. */
  readonly unclaimedMax: number;
}

const defaultTimes: RemoteHostTimes = { awayMax: 5000, unclaimedMax: 15_000 };

export class RemoteHost {
  readonly name: string;
  capacity: HostCapacity;
  abilities: HostAbilities;
  readonly #deps: RemoteHostDeps;
  readonly #times: RemoteHostTimes;
  /** By the ids of their specifications. */
  readonly #workers = new Map<string, RemoteWorker>();
  readonly tasks: HostTasks;
  readonly #byKey = new Map<string, RemoteWorker>();
  /** Reported workers that nothing here wants yet, by their keys. */
  readonly #unclaimed = new Map<string, WorkerReport>();
  /** Workers that were given up, by their keys: what they printed before is known here, if the host returns. */
  readonly #forgotten = new Map<string, WorkerSpec>();
  /** Of environments of its workers, by lock. */
  readonly #archives = new Map<string, HomeArchive>();
  #link: HostLink | null = null;
  /** Whether the current link has reported all workers. */
  #isReported = false;
  #isLost = false;
  #keys = 0;
  #unlinkedAtMs = 0;
  #address: string | null = null;
  #endsAtMs: number | null = null;
  #warmWorkers = 0;
  #servePort: number | null = null;
  /** What it can send to other hosts. */
  #copies: ReadonlySet<string> = new Set();
  /** The nodes that the current link was sent. */
  #sentNodes = '';
  #cancelAway: () => void = () => undefined;
  #cancelUnclaimed: () => void = () => undefined;

  constructor(name: string, { capacity, abilities }: Pick<DescribedHost, 'capacity' | 'abilities'>, deps: RemoteHostDeps) {
    this.#times = deps.times ?? defaultTimes;
    this.name = name;
    this.capacity = capacity;
    this.abilities = abilities;
    this.#deps = deps;
    this.tasks = new HostTasks({ host: name, onChange: deps.onTask });
  }

  /** Whether commands reach it now. */
  get isLinked(): boolean {
    return this.#link !== null && this.#isReported;
  }

  get hasLink(): boolean {
    return this.#link !== null;
  }

  /** Away for longer than the workers wait. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Since the last byte of its agent; since the link was lost if there is none. */
  get silentMs(): number {
    return this.#link?.silentMs ?? this.#deps.clock.nowMs() - this.#unlinkedAtMs;
  }

  /** Round trips of its link, and its clock against that of the home; null while they are not known. */
  get measured(): MeasuredLink | null {
    return this.#link?.measured ?? null;
  }

  /** Time until its agent stops; null unless it asked for its workers to move. */
  get endsInMs(): number | null {
    return this.#endsAtMs === null ? null : Math.max(0, this.#endsAtMs - this.#deps.clock.nowMs());
  }

  /** Where its agent connects from. */
  get address(): string | null {
    return this.#address;
  }

  /** Started workers without a model, as last reported. */
  get warmWorkers(): number {
    return this.#warmWorkers;
  }

  /** As other hosts see it. */
  get asPeer(): AskingHost {
    return {
      name: this.name,
      zone: this.capacity.zone,
      address: this.#address,
      servePort: this.isLinked ? this.#servePort : null,
      has: (sha256) => this.#copies.has(sha256),
      grant: async (host, sha256, forMs) => {
        await this.#link?.command({ method: 'grant', host, sha256, forMs });
      },
    };
  }

  get workers(): readonly WorkerView[] {
    return [...this.#workers.values()].map((worker) => worker.view());
  }

  /** Takes a connection of its agent; an earlier one is closed. */
  attach(socket: Duplex, { capacity, abilities, servePort }: DescribedHost): void {
    const { clock, log, epoch } = this.#deps;
    this.#link?.close('the agent has opened another link');
    this.capacity = capacity;
    this.abilities = abilities;
    this.#isReported = false;
    this.#servePort = servePort;
    this.#copies = new Set();
    this.#sentNodes = '';
    this.#isLost = false;
    this.#endsAtMs = null;
    this.#warmWorkers = 0;
    this.#cancelAway();
    this.#unclaimed.clear();
    const link: HostLink = new HostLink(socket, {
      clock,
      epoch,
      readRange: async (sha256, start) => readFileRange(await this.#fetch(sha256), start),
      archiveOf: (lock) => this.#archiveOf(lock),
      onObjectQuery: (query) => this.#answerQuery(query),
      onCopies: (copies) => {
        this.#copies = copies;
        this.#deps.peers.fetched(this.name, copies);
      },
      onWrongBytes: (host, sha256) => this.#deps.peers.sentWrongBytes(host, sha256, this.name),
      onReport: (report) => this.#reported(report),
      onWorkers: (keys) => this.#reportedAll(keys),
      onUsage: (usage, warmWorkers) => {
        this.#warmWorkers = warmWorkers;
        this.#measured(usage);
      },
      onExit: (key, exit) => this.#ended(key, exit),
      onTask: (report) => this.tasks.reported(report),
      onTasks: (ids) => {
        this.tasks.reportedAll(ids);
        this.#deps.onTasks(this);
      },
      onTaskUsage: (usage) => this.tasks.measured(usage),
      onLine: (key, line, requestIds, ageMs) => {
        const spec = this.#specOf(key);
        if (spec !== undefined) this.#deps.onLine(spec, line, requestIds, ageMs);
      },
      onLeaving: (withinMs) => {
        this.#endsAtMs = clock.nowMs() + withinMs;
        this.#deps.onLeaving(this, withinMs);
      },
      onEnd: (why) => {
        if (this.#link === link) this.#unlinked(why);
      },
    });
    this.#link = link;
    this.tasks.linked(link);
    this.#address = socketAddress(socket);
    const { isolation, architecture } = abilities;
    const pythons = abilities.pythons.map(({ name, version }) => `${name} ${version}`);
    log.info({ host: this.name, ...capacity, isolation, architecture, pythons }, 'a host is linked');
  }

  /** A worker that an earlier home started here, and that may serve as this one, goes on without a restart. False if there is none. */
  adopt(spec: WorkerSpec, digest: string): boolean {
    const found = [...this.#unclaimed.values()].filter((report) => report.digest === digest);
    const report = found.find(({ state }) => state === 'ready') ?? found[0];
    if (report === undefined) return false;
    this.#unclaimed.delete(report.key);
    this.#forgotten.delete(report.key);
    const worker = this.#add(spec, digest, report.key);
    this.#deps.log.info({ host: this.name, worker: spec.id, state: report.state }, 'a worker was adopted');
    this.#update(worker, report);
    if (this.isLinked) this.#claim([report.key]);
    return true;
  }

  /** Resolves when the agent has accepted it. Rejects with the reason of the agent, and with `unavailable` if it is not linked. */
  async start(spec: WorkerSpec, digest: string): Promise<void> {
    const worker = this.#add(spec, digest, this.#newKey(spec.id));
    this.#deps.onChange(worker.view());
    if (!this.isLinked) return; // It is started as soon as the agent has reported.
    try {
      await this.#startThere(worker);
    } catch (error) {
      if (!(error instanceof PlatformError)) return; // The link broke: decided when the host is linked again, or lost.
      this.#remove(worker);
      throw error;
    }
  }

  /** Resolves when the process has ended, or the host is not linked: it then stops once it is. Ignores unknown ids. */
  async stop(id: string): Promise<void> {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#remove(worker);
    await this.#link?.command({ method: 'stop', key: worker.key }).catch((error: unknown) => {
      this.#deps.log.warn({ host: this.name, worker: id, error: messageOf(error) }, 'a worker of a host was not stopped');
    });
  }

  /** Gives the worker up: it is placed elsewhere. If the host returns, it ends there. */
  forget(id: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#remove(worker);
    if (this.#forgotten.size < workersMax) this.#forgotten.set(worker.key, worker.spec);
  }

  #specOf(key: string): WorkerSpec | undefined {
    return this.#byKey.get(key)?.spec ?? this.#forgotten.get(key);
  }

  worker(id: string): RemoteWorker | undefined {
    return this.#workers.get(id);
  }

  restart(id: string, reason: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    this.#link?.command({ method: 'restart', key: worker.key, reason }).catch(() => undefined);
  }

  /** Its agent cannot return, so its workers are not waited for. */
  lose(why: string): void {
    this.#link?.close(why);
    this.#cancelAway();
    if (this.#isLost) return;
    this.#isLost = true;
    this.#deps.onLost(this);
  }

  /** Tells the agent where the nodes are, once over each link for each list. An agent of an earlier version does not know the command. */
  sendNodes(addresses: readonly string[]): void {
    const text = addresses.join();
    if (!this.isLinked || text === this.#sentNodes) return;
    this.#sentNodes = text;
    this.#link?.command({ method: 'nodes', addresses }).catch((error: unknown) => {
      this.#deps.log.info({ host: this.name, error: messageOf(error) }, 'a host did not take the addresses of the nodes');
    });
  }

  /** The agent stops its workers and ends. */
  dismiss(reason: string): void {
    this.#link?.dismiss(reason);
  }

  close(why: string): void {
    this.#cancelAway();
    this.#cancelUnclaimed();
    const link = this.#link;
    this.#link = null;
    this.tasks.unlinked();
    link?.close(why);
  }

  #add(spec: WorkerSpec, digest: string, key: string): RemoteWorker {
    assert(!this.#workers.has(spec.id), `worker ${spec.id} is placed on ${this.name} already`);
    const { clock } = this.#deps;
    const worker = new RemoteWorker({ spec, digest, key, clock, host: { name: this.name, zone: this.capacity.zone } });
    this.#workers.set(spec.id, worker);
    this.#byKey.set(key, worker);
    return worker;
  }

  #remove(worker: RemoteWorker): void {
    worker.unreachable('it was stopped');
    this.#workers.delete(worker.spec.id);
    this.#byKey.delete(worker.key);
  }

  /** A key of an earlier home may name another worker. */
  #newKey(id: string): string {
    return `${id}~${this.#deps.epoch}.${this.#keys++}`;
  }

  async #startThere({ spec, digest, key }: RemoteWorker): Promise<void> {
    assert(this.#link !== null, 'commands go to linked hosts');
    await this.#link.command({ method: 'start', key, digest, spec });
  }

  #reported(report: WorkerReport): void {
    const worker = this.#byKey.get(report.key);
    if (worker !== undefined) {
      this.#update(worker, report);
      return;
    }
    if (this.#unclaimed.size >= workersMax) throw malformedFrame(`it reports more than ${workersMax} workers`);
    // A late report of a worker that was stopped meanwhile is of no interest.
    if (!this.#isReported || this.#unclaimed.has(report.key)) this.#unclaimed.set(report.key, report);
  }

  #update(worker: RemoteWorker, report: WorkerReport): void {
    const { epoch } = this.#deps;
    const isSame = worker.linkNumber === report.link && report.link !== 0;
    const calls = this.#link?.calls;
    const isReady = report.state === 'ready' && report.link !== 0 && calls !== undefined;
    const link = !isReady
      ? null
      : isSame
        ? worker.link
        : new RemoteWorkerLink({ calls, link: report.link, signature: report.signature, plans: worker.spec.plans, epoch });
    if (link !== null) link.missing.found = report.missing;
    worker.reported(report, link);
    this.#deps.onChange(worker.view());
  }

  /** What is wanted and was not reported does not run: the agent has lost it. */
  #reportedAll(keys: ReadonlySet<string>): void {
    const { clock, log } = this.#deps;
    this.#isReported = true;
    for (const key of this.#unclaimed.keys()) if (!keys.has(key)) this.#unclaimed.delete(key);
    this.#claim([...keys].filter((key) => this.#specOf(key) !== undefined));
    this.#deps.onLinked(this);
    for (const worker of this.#workers.values()) {
      if (keys.has(worker.key)) continue;
      this.#startThere(worker).catch((error: unknown) => {
        worker.unreachable(`host ${this.name} did not start it: ${messageOf(error)}`);
        log.warn({ host: this.name, worker: worker.spec.id, error: messageOf(error) }, 'a worker was not started again');
        this.#deps.onChange(worker.view());
      });
    }
    this.#cancelUnclaimed();
    this.#cancelUnclaimed = clock.after(this.#times.unclaimedMax, () => this.#stopUnclaimed());
  }

  /** The agent sends what these workers printed, also before. One of an earlier version does so unasked. */
  #claim(keys: readonly string[]): void {
    if (keys.length > 0) this.#link?.command({ method: 'claim', keys }).catch(() => undefined);
  }

  #stopUnclaimed(): void {
    for (const key of this.#unclaimed.keys()) {
      this.#deps.log.info({ host: this.name, worker: key }, 'a worker of an earlier home is not wanted: it is stopped');
      this.#link?.command({ method: 'stop', key }).catch(() => undefined);
    }
    this.#unclaimed.clear();
    this.#forgotten.clear();
  }

  #measured(usage: readonly WorkerUsage[]): void {
    for (const each of usage) this.#byKey.get(each.key)?.measured(each);
  }

  #ended(key: string, exit: HostExit | null): void {
    const spec = this.#specOf(key);
    if (spec === undefined) return;
    const { id, endpoint, variant, kind, instanceType, modelName, displayName = modelName } = spec;
    const executor = kind === 'function' ? instanceType : `instance:${instanceType}`;
    this.#deps.onEnded(id, exit === null ? null : { worker: id, endpoint, variant, model: displayName, executor, ...exit });
  }

  #unlinked(why: string): void {
    const { clock, log } = this.#deps;
    this.#link = null;
    this.tasks.unlinked();
    this.#unlinkedAtMs = clock.nowMs();
    this.#isReported = false;
    this.#cancelUnclaimed();
    log.warn({ host: this.name, reason: why, workers: this.#workers.size }, 'the link to a host is lost');
    for (const worker of this.#workers.values()) {
      worker.unreachable(`the link to host ${this.name} is lost: ${why}`);
      this.#deps.onChange(worker.view());
    }
    this.#cancelAway = clock.after(this.#times.awayMax, () => {
      this.#isLost = true;
      this.#deps.onLost(this);
    });
  }

  /** Of the environments of its workers and tasks. */
  get #locks(): ReadonlySet<string> {
    return new Set([...[...this.#workers.values()].flatMap(({ spec }) => spec.python?.environment.lock ?? []), ...this.tasks.locks]);
  }

  async #archiveOf(lock: string): Promise<HomeArchive> {
    const { archiveOf } = this.#deps;
    if (archiveOf === undefined || !this.#locks.has(lock))
      throw new PlatformError('forbidden', `no worker of host ${this.name} runs in environment ${lock.slice(0, 12)}`);
    for (const known of this.#archives.keys()) if (!this.#locks.has(known)) this.#archives.delete(known);
    const archive = await archiveOf(lock);
    this.#archives.set(lock, archive);
    return archive;
  }

  /** Also about archives. What a host must not read is refused here as well. */
  async #answerQuery(query: ObjectQuery): Promise<object> {
    const path = await this.#fetch(query.sha256);
    const { peers } = this.#deps;
    if (query.method === 'digests') return { digests: await peers.digests(query.sha256, path, query.start) };
    return { peers: await peers.find(this.asPeer, query.sha256, query.without) };
  }

  /** A host reads nothing but what its workers load and what its tasks are given. */
  async #fetch(sha256: string): Promise<string> {
    const isLoaded = [...this.#workers.values()].some(({ spec }) =>
      [spec.artifact, ...(spec.plans?.others ?? [])].some((artifact) =>
        [artifact, ...(artifact.data ?? [])].some((file) => file.sha256 === sha256),
      ),
    );
    const archive = [...this.#locks].map((lock) => this.#archives.get(lock)).find((each) => each?.sha256 === sha256);
    if (archive !== undefined) return archive.path;
    const lent = this.tasks.lent(sha256);
    if (lent !== undefined) return lent();
    if (!isLoaded) throw new PlatformError('forbidden', `no worker of host ${this.name} loads the object ${sha256}`);
    return this.#deps.fetch(sha256);
  }
}
