/**
 * The execution environments of a variant's functions: decides how many to start, and which to end. Input is the number of batches
 * that need an environment. Keeps the configured number warm, ends idle ones, and replaces all after a change of memory size.
 */
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Executor } from '../executor.ts';
import { Environment } from './environment.ts';
import { StartBackOff } from './start-back-off.ts';

/** How environments start and stop. `start` returns before the worker exists. */
export interface EnvironmentsDeps {
  readonly clock: Clock;
  /** Starts a worker of this memory size and returns its id at once. Throws if it cannot be started. */
  readonly start: (memoryMiB: number) => string;
  readonly stop: (id: string) => void;
  /** Called when billing of this warm environment by time begins or ends. */
  readonly onRetained: (environment: Environment) => void;
  /**
   * Maximum number of concurrent starts. Concurrent starts share processors and all become ready late; in sequence, the first is
   * ready early and may be enough. Default: no limit.
   */
  readonly startsMax?: (() => number) | undefined;
  /** A start older than this no longer counts against `startsMax`: it is hung or waits for something other than a processor. */
  readonly startHangsMs: () => number;
  /** Called when the last environment has ended. */
  readonly onNoCapacity: () => void;
}

/** The bounds in force, from the config and the current plan. */
export interface EnvironmentLimits {
  readonly memoryMiB: number;
  readonly maxConcurrency: number;
  readonly provisioned: number;
  /** Number of warm environments required by the current plan, including provisioned ones. */
  readonly warm: number;
  readonly keepAliveMs: number;
}

/** Environments used within this time are replaced one for one when the memory size changes. */
const inUseMs = 10_000;

/** Starts what the waiting batches need, within the limit and the number of concurrent starts. */
export class Environments {
  readonly #deps: EnvironmentsDeps;
  readonly #backOff: StartBackOff;
  readonly #all = new Map<string, Environment>();
  /** Least recently used first. */
  readonly #idle: Environment[] = [];
  #limits: EnvironmentLimits;
  #starting = 0;
  #leaving = 0;
  /** Number of warm environments, without those being replaced. */
  #warm = 0;
  #wanted = 0;
  /** Target number of environments of the new size during a replacement; 0 if none is in progress. */
  #successors = 0;
  #isEnding = false;
  #keepAliveAtMs = Number.POSITIVE_INFINITY;
  #cancelKeepAlive: () => void = () => {};
  #cancelHanging: () => void = () => {};

  constructor(limits: EnvironmentLimits, deps: EnvironmentsDeps) {
    this.#limits = limits;
    this.#deps = deps;
    this.#backOff = new StartBackOff(deps.clock, () => this.#adjust());
  }

  get size(): number {
    return this.#all.size;
  }

  get starting(): number {
    return this.#starting;
  }

  get idle(): number {
    return this.#idle.length;
  }

  get busy(): number {
    return this.#all.size - this.#starting - this.#idle.length;
  }

  /** Whether the limit is reached and none is starting or idle, so requests wait for a busy environment. */
  get isExhausted(): boolean {
    return this.#starting === 0 && this.#idle.length === 0 && this.#all.size >= this.#limits.maxConcurrency;
  }

  /** Whether environments are being replaced. */
  get isRenewing(): boolean {
    return this.#leaving > 0;
  }

  /** Number of environments that may be started now. */
  get freeSlots(): number {
    return Math.max(0, Math.min(this.#limits.maxConcurrency - this.#all.size, this.#remainingStarts));
  }

  get #remainingStarts(): number {
    const { startsMax } = this.#deps;
    return startsMax === undefined ? Number.POSITIVE_INFINITY : startsMax() - this.#startsUnderWay().length;
  }

  /** Starts in progress that are not hung, oldest first. */
  #startsUnderWay(): Environment[] {
    if (this.#starting === 0) return [];
    const sinceMs = this.#deps.clock.nowMs() - this.#deps.startHangsMs() + roundingMs;
    return [...this.#all.values()].filter(({ state, requestedAtMs }) => state === 'starting' && requestedAtMs > sinceMs);
  }

  /** The last start failure while the back-off prevents further starts; null if starts are allowed. */
  get failure(): { readonly reason: string; readonly retryAfterMs: number } | null {
    return this.#backOff.failure;
  }

  /** Memory sizes of existing and planned environments. */
  get memorySizes(): ReadonlySet<number> {
    const sizes = new Set([this.#limits.memoryMiB]);
    for (const { memoryMiB } of this.#all.values()) sizes.add(memoryMiB);
    return sizes;
  }

  get maxConcurrency(): number {
    return this.#limits.maxConcurrency;
  }

  /** Executors of all environments that became ready. */
  get executors(): Executor[] {
    return [...this.#all.values()].flatMap(({ executor }) => (executor === null ? [] : [executor]));
  }

  get(id: string): Environment | undefined {
    return this.#all.get(id);
  }

  /** The environment of this executor; undefined if its worker has reconnected since and has a new executor. */
  of(executor: Executor): Environment | undefined {
    const environment = this.#all.get(executor.worker.id);
    return environment?.executor === executor ? environment : undefined;
  }

  [Symbol.iterator](): Iterator<Environment> {
    return this.#all.values();
  }

  /** Sets new limits. Environments of another size are replaced as their successors become ready. */
  configure(limits: EnvironmentLimits): void {
    this.#limits = limits;
    this.#isEnding = false;
    for (const environment of this.#all.values()) {
      if (environment.memoryMiB !== limits.memoryMiB) this.#leave(environment);
      else if (environment.isLeaving && environment.onEnd.length === 0) this.#stay(environment);
    }
    this.#adjust();
  }

  /** Sets how many batches wait for an environment, now or soon. */
  want(batches: number): void {
    this.#wanted = batches;
    this.#adjust();
  }

  /** Called when the environment's worker is ready, or has reconnected. */
  attach(environment: Environment, executor: Executor, coldStartMs: number): void {
    if (environment.state === 'idle') this.#idle.splice(this.#idle.indexOf(environment), 1);
    if (environment.state === 'starting') this.#starting--;
    environment.executor = executor;
    environment.coldStartMs = coldStartMs;
    this.#backOff.succeeded();
    this.#rest(environment);
    if (environment.isIdle) this.#deps.onRetained(environment);
  }

  /** Called when an environment failed to start. Further starts are delayed by the back-off. */
  failed(id: string, reason: string): void {
    const environment = this.#all.get(id);
    if (environment?.state === 'starting') this.#backOff.failed(reason);
    this.end(id);
  }

  /** The idle environment to use next: warm ones first, then those of the current size, then the most recently used. */
  claimIdle(): Environment | undefined {
    const rankMax = this.#warm > 0 ? 2 : 1;
    let best = -1;
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      if (best < 0 || rank(this.#idle[i] as Environment) > rank(this.#idle[best] as Environment)) best = i;
      if (rank(this.#idle[best] as Environment) === rankMax) break;
    }
    if (best < 0) return undefined;
    const [environment] = this.#idle.splice(best, 1) as [Environment];
    environment.state = 'busy';
    return environment;
  }

  /** Called when the environment's batch is done. */
  release(environment: Environment): void {
    if (environment.state === 'busy') this.#rest(environment);
  }

  /** Replaces this environment; resolves when it has ended. */
  drain(id: string): Promise<void> {
    const environment = this.#all.get(id);
    if (environment === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      environment.onEnd.push(resolve);
      this.#leave(environment);
      this.#adjust();
    });
  }

  /** Ends an environment, or removes one whose worker has exited. Ignores unknown ids. */
  end(id: string): void {
    this.#remove(id);
    this.#adjust();
  }

  /** Stops keeping environments warm and replacing them, until `configure` is called again. */
  windDown(): void {
    this.#isEnding = true;
  }

  /** Ends all environments that are not busy. */
  endIdle(): void {
    this.#wanted = 0;
    for (const { id, state } of this.#all.values()) if (state !== 'busy') this.#remove(id);
  }

  /** Ends all environments and clears the timers. */
  close(): void {
    this.windDown();
    for (const id of this.#all.keys()) this.#remove(id);
    this.#backOff.close();
  }

  #remove(id: string): void {
    const environment = this.#all.get(id);
    if (environment === undefined) return;
    this.#all.delete(id);
    if (environment.state === 'starting') this.#starting--;
    if (environment.state === 'idle') this.#idle.splice(this.#idle.indexOf(environment), 1);
    if (environment.isIdle) this.#retainIdleEnvironments(environment, null);
    if (environment.isLeaving) this.#leaving--;
    this.#deps.stop(id);
    for (const reported of environment.onEnd) reported();
    if (this.#all.size === 0) {
      this.#cancelHanging();
      this.#cancelKeepAlive();
      this.#keepAliveAtMs = Number.POSITIVE_INFINITY;
      this.#deps.onNoCapacity();
    }
  }

  /** Marks it idle. If it will be replaced but the limit leaves no room for its successor, ends it instead. */
  #rest(environment: Environment): void {
    const isFull = this.#all.size >= this.#limits.maxConcurrency;
    const isInTheWay = environment.isLeaving && isFull && this.#all.size - this.#leaving < this.#successors;
    environment.state = 'idle';
    environment.idleSinceMs = this.#deps.clock.nowMs();
    this.#idle.push(environment);
    if (isInTheWay && this.#backOff.failure === null) this.#remove(environment.id);
  }

  #leave(environment: Environment): void {
    if (environment.isLeaving) return;
    if (environment.isIdle) this.#warm--;
    environment.isLeaving = true;
    this.#leaving++;
    const sinceMs = this.#deps.clock.nowMs() - inUseMs;
    let inUse = 0;
    for (const { isLeaving, state, idleSinceMs } of this.#all.values())
      if (isLeaving && (state !== 'idle' || idleSinceMs > sinceMs)) inUse++;
    this.#successors = Math.min(this.#leaving, Math.max(1, inUse));
  }

  /** Cancels the replacement: its memory size is the configured one again. */
  #stay(environment: Environment): void {
    environment.isLeaving = false;
    this.#leaving--;
    if (environment.isIdle) this.#warm++;
  }

  /** Reconciles the environments with the desired state. */
  #adjust(): void {
    if (!this.#isEnding) {
      this.#retainWarm();
      if (this.#successors > 0) this.#renew();
    }
    while (this.#idle.length + this.#starting < this.#wanted) if (!this.#start()) break;
    while (this.#all.size > this.#limits.maxConcurrency && this.#idle.length > 0) {
      const { id } = (this.#idle.find(({ isIdle }) => !isIdle) ?? this.#idle[0]) as Environment;
      this.#remove(id);
    }
    this.#armHanging();
    this.#armKeepAlive();
  }

  #start(retained: Environment['idle'] = null): boolean {
    if (this.freeSlots === 0 || !this.#backOff.mayStart()) return false;
    let id: string;
    try {
      id = this.#deps.start(this.#limits.memoryMiB);
    } catch (error) {
      this.#backOff.failed(messageOf(error));
      return false;
    }
    const environment = new Environment(id, this.#limits.memoryMiB, this.#deps.clock.nowMs());
    this.#all.set(id, environment);
    this.#starting++;
    if (retained !== null) this.#retainIdleEnvironments(environment, retained);
    return true;
  }

  /** Marks the environments to keep warm: existing ones first, then new ones. */
  #retainWarm(): void {
    const { provisioned, warm, maxConcurrency } = this.#limits;
    const most = Math.min(provisioned, maxConcurrency);
    const missing = { provisioned: most, pinged: Math.min(Math.max(provisioned, warm), maxConcurrency) - most };
    if (missing.provisioned + missing.pinged + this.#warm === 0) return;
    for (const environment of this.#all.values()) {
      const { idle, isLeaving } = environment;
      if (isLeaving || idle === null) continue;
      if (missing[idle] > 0) missing[idle]--;
      else this.#retainIdleEnvironments(environment, null);
    }
    for (const environment of this.#all.values()) {
      if (environment.isLeaving || environment.isIdle) continue;
      const retained = missing.provisioned > 0 ? 'provisioned' : missing.pinged > 0 ? 'pinged' : null;
      if (retained === null) return;
      this.#retainIdleEnvironments(environment, retained);
      missing[retained]--;
    }
    for (; missing.provisioned > 0; missing.provisioned--) if (!this.#start('provisioned')) return;
    for (; missing.pinged > 0; missing.pinged--) if (!this.#start('pinged')) return;
  }

  #retainIdleEnvironments(environment: Environment, retained: Environment['idle']): void {
    if (!environment.isLeaving) this.#warm += Number(retained !== null) - Number(environment.isIdle);
    environment.idle = retained;
    if (environment.state !== 'starting') this.#deps.onRetained(environment);
  }

  /** Replaces environments: starts new ones first, and ends an old one for each that becomes ready. */
  #renew(): void {
    while (this.#all.size - this.#leaving < this.#successors) {
      if (this.#backOff.failure !== null || this.#remainingStarts <= 0) return;
      const isFull = this.#all.size >= this.#limits.maxConcurrency;
      const old = isFull ? this.#idle.find(({ isLeaving }) => isLeaving) : undefined;
      if (old !== undefined) this.#remove(old.id);
      if (!this.#start()) break;
    }
    if (this.#leaving === 0 && this.#all.size >= this.#successors) this.#successors = 0;
    let ready = 0;
    for (const { isLeaving, state } of this.#all.values()) if (!isLeaving && state !== 'starting') ready++;
    for (const { id } of this.#idle.filter(({ isLeaving }) => isLeaving)) {
      if (this.#leaving <= this.#successors - ready) break;
      this.#remove(id);
    }
  }

  /** If the limit of concurrent starts is reached, sets a timer for when the oldest start counts as hung. */
  #armHanging(): void {
    this.#cancelHanging();
    const oldest = this.#remainingStarts > 0 ? undefined : this.#startsUnderWay()[0];
    if (oldest === undefined) return;
    const { clock, startHangsMs } = this.#deps;
    this.#cancelHanging = clock.after(oldest.requestedAtMs + startHangsMs() - clock.nowMs(), () => this.#adjust());
  }

  /** Sets the keep-alive timer for the environment idle longest, unless waiting batches need all idle ones. */
  #armKeepAlive(): void {
    if (this.#idle.length <= this.#wanted) return;
    const first = this.#idle.find(({ isIdle }) => !isIdle);
    if (first === undefined) return;
    const atMs = first.idleSinceMs + this.#limits.keepAliveMs;
    if (atMs >= this.#keepAliveAtMs) return;
    this.#cancelKeepAlive();
    this.#keepAliveAtMs = atMs;
    this.#cancelKeepAlive = this.#deps.clock.after(atMs - this.#deps.clock.nowMs(), () => this.#endUnused());
  }

  #endUnused(): void {
    this.#keepAliveAtMs = Number.POSITIVE_INFINITY;
    const untilMs = this.#deps.clock.nowMs() - this.#limits.keepAliveMs + roundingMs;
    for (const { id } of this.#idle.filter(({ isIdle, idleSinceMs }) => !isIdle && idleSinceMs <= untilMs)) {
      if (this.#idle.length <= this.#wanted) break;
      this.#remove(id);
    }
    this.#adjust();
  }
}

/** Times that differ by less than this are equal. */
const roundingMs = 1e-6;

/** Order of use of idle environments, best last: outgoing, normal, warm. */
function rank({ isIdle, isLeaving }: Environment): number {
  if (isLeaving) return 0;
  return isIdle ? 2 : 1;
}
