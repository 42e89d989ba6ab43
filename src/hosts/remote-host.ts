/**
 * A host as the home sees it, over all its connections: what its agent says of the machine, and whether commands reach it. If its link breaks,
 * nothing is sent to it; if it stays away, the home places its workers elsewhere.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { MeasuredLink } from '../links/index.ts';
import type { Log } from '../logs/index.ts';
import type { TaskView } from '../providers/index.ts';
import type { HostAbilities } from './abilities.ts';
import { HostLink } from './host-link.ts';
import { HostObjects, type HostObjectsDeps } from './host-objects.ts';
import { HostTasks } from './host-tasks.ts';
import { HostWorkers, type HostWorkersDeps } from './host-workers.ts';
import { type AskingHost, socketAddress } from './object-peers.ts';

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

/** A machine as its agent describes it. */
export interface DescribedHost {
  readonly capacity: HostCapacity;
  readonly abilities: HostAbilities;
  /** Where it serves other hosts; null if it does not. */
  readonly servePort: number | null;
}

/** What a host reports to. Callbacks must not throw. */
export interface RemoteHostDeps
  extends Pick<HostWorkersDeps, 'onChange' | 'onEnded' | 'onLine'>,
    Pick<HostObjectsDeps, 'fetch' | 'archiveOf' | 'peers'> {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the home. */
  readonly epoch: number;
  /** Of a task. */
  readonly onTask: (view: TaskView) => void;
  /** It has reported all its tasks. */
  readonly onTasks: (host: RemoteHost) => void;
  /** It has reported all its workers. */
  readonly onLinked: (host: RemoteHost) => void;
  /** It has been away for too long. */
  readonly onLost: (host: RemoteHost) => void;
  /** It stops after this time. */
  readonly onLeaving: (host: RemoteHost, withinMs: number) => void;
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
  readonly workers: HostWorkers;
  readonly tasks: HostTasks;
  readonly #deps: RemoteHostDeps;
  readonly #times: RemoteHostTimes;
  readonly #objects: HostObjects;
  #link: HostLink | null = null;
  #isLost = false;
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

  constructor(name: string, { capacity, abilities }: Pick<DescribedHost, 'capacity' | 'abilities'>, deps: RemoteHostDeps) {
    this.#times = deps.times ?? defaultTimes;
    this.name = name;
    this.capacity = capacity;
    this.abilities = abilities;
    this.#deps = deps;
    this.tasks = new HostTasks({ host: name, onChange: deps.onTask });
    this.workers = new HostWorkers({
      ...deps,
      host: this,
      unclaimedMsMax: this.#times.unclaimedMax,
      onReported: () => deps.onLinked(this),
    });
    this.#objects = new HostObjects({ ...deps, host: name, tasks: this.tasks, specs: () => this.workers.specs });
  }

  /** Whether commands reach it now. */
  get isLinked(): boolean {
    return this.#link !== null && this.workers.isReported;
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

  /** Takes a connection of its agent; an earlier one is closed. */
  attach(socket: Duplex, { capacity, abilities, servePort }: DescribedHost): void {
    const { clock, log, epoch } = this.#deps;
    this.#link?.close('the agent has opened another link');
    this.capacity = capacity;
    this.abilities = abilities;
    this.#servePort = servePort;
    this.#copies = new Set();
    this.#sentNodes = '';
    this.#isLost = false;
    this.#endsAtMs = null;
    this.#warmWorkers = 0;
    this.#cancelAway();
    const link: HostLink = new HostLink(socket, {
      clock,
      epoch,
      readRange: (sha256, start) => this.#objects.readRange(sha256, start),
      archiveOf: (lock) => this.#objects.archiveOf(lock),
      onObjectQuery: (query) => this.#objects.answer(query, this.asPeer),
      onCopies: (copies) => {
        this.#copies = copies;
        this.#deps.peers.fetched(this.name, copies);
      },
      onWrongBytes: (host, sha256) => this.#deps.peers.sentWrongBytes(host, sha256, this.name),
      onReport: (report) => this.workers.reported(report),
      onWorkers: (keys) => this.workers.reportedAll(keys),
      onUsage: (usage, warmWorkers) => {
        this.#warmWorkers = warmWorkers;
        this.workers.measured(usage);
      },
      onExit: (key, exit) => this.workers.ended(key, exit),
      onTask: (report) => this.tasks.reported(report),
      onTasks: (ids) => {
        this.tasks.reportedAll(ids);
        this.#deps.onTasks(this);
      },
      onTaskUsage: (usage) => this.tasks.measured(usage),
      onLine: (key, line, requestIds, ageMs) => this.workers.printed(key, line, requestIds, ageMs),
      onLeaving: (withinMs) => {
        this.#endsAtMs = clock.nowMs() + withinMs;
        this.#deps.onLeaving(this, withinMs);
      },
      onEnd: (why) => {
        if (this.#link === link) this.#unlinked(why);
      },
    });
    this.#link = link;
    this.workers.linked(link);
    this.tasks.linked(link);
    this.#address = socketAddress(socket);
    const { isolation, architecture } = abilities;
    const pythons = abilities.pythons.map(({ name, version }) => `${name} ${version}`);
    log.info({ host: this.name, ...capacity, isolation, architecture, pythons }, 'a host is linked');
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
    const link = this.#link;
    this.#link = null;
    this.workers.close();
    this.tasks.unlinked();
    link?.close(why);
  }

  #unlinked(why: string): void {
    const { clock, log, onLost } = this.#deps;
    this.#link = null;
    this.#unlinkedAtMs = clock.nowMs();
    log.warn({ host: this.name, reason: why, workers: this.workers.count }, 'the link to a host is lost');
    this.tasks.unlinked();
    this.workers.unlinked(why);
    this.#cancelAway = clock.after(this.#times.awayMax, () => {
      this.#isLost = true;
      onLost(this);
    });
  }
}
