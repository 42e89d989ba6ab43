/**
 * The function environments of a variant: how many there are, which are started, which end. It is told how many are
 * wanted for the batches that wait, and sees to those kept warm, to idle ones that nobody needs, and to a change of size.
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { Environment } from './environment.ts';
import type { Executor } from './executor.ts';
import { StartBackOff } from './start-back-off.ts';

export interface EnvironmentsNeeds {
  readonly clock: Clock;
  /** Asks for a worker of so much memory; answers with its id at once. May throw where none can be had. */
  readonly start: (memoryMiB: number) => string;
  readonly stop: (id: string) => void;
  /** From now on keeping this one warm costs, or no more. */
  readonly onKept: (environment: Environment) => void;
  /**
   * So many start at once at most. Where starts share processors, those that begin together are all as late as the last of them: one
   * after the other, the first is ready early, and may be all that is needed. No limit unless given.
   */
  readonly startsMax?: (() => number) | undefined;
  /** A start that has taken as long as this is in nobody's way: it waits for something else than a processor, or hangs. */
  readonly startHangsMs: () => number;
  /** The last one is gone. */
  readonly onDeserted: () => void;
}

export interface EnvironmentLimits {
  readonly memoryMiB: number;
  readonly maxConcurrency: number;
  readonly provisioned: number;
  /** So many are kept warm for now, those that are provisioned among them. */
  readonly warm: number;
  readonly keepAliveMs: number;
}

/** Who worked within this time is counted as needed when another size takes over. */
const inUseMs = 10_000;

export class Environments {
  readonly #needs: EnvironmentsNeeds;
  readonly #backOff: StartBackOff;
  readonly #all = new Map<string, Environment>();
  /** Least recently used first. */
  readonly #idle: Environment[] = [];
  #limits: EnvironmentLimits;
  #starting = 0;
  #leaving = 0;
  /** Kept warm, those that leave not counted. */
  #warm = 0;
  #wanted = 0;
  /** So many of the new size are to take over from those that leave; 0 when that is done. */
  #successors = 0;
  #isEnding = false;
  #keepAliveAtMs = Number.POSITIVE_INFINITY;
  #cancelKeepAlive: () => void = () => {};
  #cancelHanging: () => void = () => {};

  constructor(limits: EnvironmentLimits, needs: EnvironmentsNeeds) {
    this.#limits = limits;
    this.#needs = needs;
    this.#backOff = new StartBackOff(needs.clock, () => this.#adjust());
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

  /** No more may be started, and none is on its way: who waits, waits for a busy one. */
  get isExhausted(): boolean {
    return this.#starting === 0 && this.#idle.length === 0 && this.#all.size >= this.#limits.maxConcurrency;
  }

  /** Some are to give their places to others. */
  get isRenewing(): boolean {
    return this.#leaving > 0;
  }

  /** How many more may be started now. */
  get room(): number {
    return Math.max(0, Math.min(this.#limits.maxConcurrency - this.#all.size, this.#startsLeft));
  }

  get #startsLeft(): number {
    const { startsMax } = this.#needs;
    return startsMax === undefined ? Number.POSITIVE_INFINITY : startsMax() - this.#startsUnderWay().length;
  }

  /** Those that do not hang, the oldest first. */
  #startsUnderWay(): Environment[] {
    if (this.#starting === 0) return [];
    const sinceMs = this.#needs.clock.nowMs() - this.#needs.startHangsMs() + roundingMs;
    return [...this.#all.values()].filter(({ state, askedAtMs }) => state === 'starting' && askedAtMs > sinceMs);
  }

  /** Why none can be had at present; null while one may be. */
  get failure(): { readonly reason: string; readonly retryAfterMs: number } | null {
    return this.#backOff.failure;
  }

  /** The sizes of those there are and of those to come. */
  get memorySizes(): ReadonlySet<number> {
    const sizes = new Set([this.#limits.memoryMiB]);
    for (const { memoryMiB } of this.#all.values()) sizes.add(memoryMiB);
    return sizes;
  }

  get maxConcurrency(): number {
    return this.#limits.maxConcurrency;
  }

  /** Of those that were ready once. */
  get executors(): Executor[] {
    return [...this.#all.values()].flatMap(({ executor }) => (executor === null ? [] : [executor]));
  }

  get(id: string): Environment | undefined {
    return this.#all.get(id);
  }

  /** The one that runs as this executor: one whose worker came back with a new link has another by now. */
  of(executor: Executor): Environment | undefined {
    const environment = this.#all.get(executor.worker.id);
    return environment?.executor === executor ? environment : undefined;
  }

  [Symbol.iterator](): Iterator<Environment> {
    return this.#all.values();
  }

  /** New limits. Those of another size than the new one give way as their successors become ready. */
  configure(limits: EnvironmentLimits): void {
    this.#limits = limits;
    this.#isEnding = false;
    for (const environment of this.#all.values()) {
      if (environment.memoryMiB !== limits.memoryMiB) this.#leave(environment);
      else if (environment.isLeaving && environment.onEnd.length === 0) this.#stay(environment);
    }
    this.#adjust();
  }

  /** So many batches wait for an environment, now or soon. */
  want(batches: number): void {
    this.#wanted = batches;
    this.#adjust();
  }

  /** Its worker is ready; or back with a new link. */
  attach(environment: Environment, executor: Executor, coldStartMs: number): void {
    if (environment.state === 'idle') this.#idle.splice(this.#idle.indexOf(environment), 1);
    if (environment.state === 'starting') this.#starting--;
    environment.executor = executor;
    environment.coldStartMs = coldStartMs;
    this.#backOff.succeeded();
    this.#rest(environment);
    if (environment.isKept) this.#needs.onKept(environment);
  }

  /** It could not be started. Others are not tried before a while has passed. */
  failed(id: string, reason: string): void {
    const environment = this.#all.get(id);
    if (environment?.state === 'starting') this.#backOff.failed(reason);
    this.end(id);
  }

  /** The idle one to use next: rather one that is kept warm than another, rather one of the right size, of equals the one used last. */
  takeIdle(): Environment | undefined {
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

  /** It has done its batch. */
  release(environment: Environment): void {
    if (environment.state === 'busy') this.#rest(environment);
  }

  /** Gives this one's place to another; resolves when it has ended. */
  drain(id: string): Promise<void> {
    const environment = this.#all.get(id);
    if (environment === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      environment.onEnd.push(resolve);
      this.#leave(environment);
      this.#adjust();
    });
  }

  /** This one is gone, or has to. Unknown ids are fine. */
  end(id: string): void {
    this.#remove(id);
    this.#adjust();
  }

  /** None is kept warm or replaced until it is configured again. */
  windDown(): void {
    this.#isEnding = true;
  }

  /** Ends all that do nothing. */
  endIdle(): void {
    this.#wanted = 0;
    for (const { id, state } of this.#all.values()) if (state !== 'busy') this.#remove(id);
  }

  /** Ends all there are, and its timers with them. */
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
    if (environment.isKept) this.#keep(environment, null);
    if (environment.isLeaving) this.#leaving--;
    this.#needs.stop(id);
    for (const told of environment.onEnd) told();
    if (this.#all.size === 0) {
      this.#cancelHanging();
      this.#cancelKeepAlive();
      this.#keepAliveAtMs = Number.POSITIVE_INFINITY;
      this.#needs.onDeserted();
    }
  }

  /** It falls idle; but where it is to leave and there is no room for its successor, it makes that room. */
  #rest(environment: Environment): void {
    const isFull = this.#all.size >= this.#limits.maxConcurrency;
    const isInTheWay = environment.isLeaving && isFull && this.#all.size - this.#leaving < this.#successors;
    environment.state = 'idle';
    environment.idleSinceMs = this.#needs.clock.nowMs();
    this.#idle.push(environment);
    if (isInTheWay && this.#backOff.failure === null) this.#remove(environment.id);
  }

  #leave(environment: Environment): void {
    if (environment.isLeaving) return;
    if (environment.isKept) this.#warm--;
    environment.isLeaving = true;
    this.#leaving++;
    const sinceMs = this.#needs.clock.nowMs() - inUseMs;
    let inUse = 0;
    for (const { isLeaving, state, idleSinceMs } of this.#all.values())
      if (isLeaving && (state !== 'idle' || idleSinceMs > sinceMs)) inUse++;
    this.#successors = Math.min(this.#leaving, Math.max(1, inUse));
  }

  /** Its size is wanted again. */
  #stay(environment: Environment): void {
    environment.isLeaving = false;
    this.#leaving--;
    if (environment.isKept) this.#warm++;
  }

  /** Brings what there is to what there should be. */
  #adjust(): void {
    if (!this.#isEnding) {
      this.#keepWarm();
      if (this.#successors > 0) this.#renew();
    }
    while (this.#idle.length + this.#starting < this.#wanted) if (!this.#start()) break;
    while (this.#all.size > this.#limits.maxConcurrency && this.#idle.length > 0) {
      const { id } = (this.#idle.find(({ isKept }) => !isKept) ?? this.#idle[0]) as Environment;
      this.#remove(id);
    }
    this.#armHanging();
    this.#armKeepAlive();
  }

  #start(kept: Environment['kept'] = null): boolean {
    if (this.room === 0 || !this.#backOff.mayStart()) return false;
    let id: string;
    try {
      id = this.#needs.start(this.#limits.memoryMiB);
    } catch (error) {
      this.#backOff.failed(messageOf(error));
      return false;
    }
    const environment = new Environment(id, this.#limits.memoryMiB, this.#needs.clock.nowMs());
    this.#all.set(id, environment);
    this.#starting++;
    if (kept !== null) this.#keep(environment, kept);
    return true;
  }

  /** As many as are to be kept warm are marked so: first of those there are, then new ones. */
  #keepWarm(): void {
    const { provisioned, warm, maxConcurrency } = this.#limits;
    const most = Math.min(provisioned, maxConcurrency);
    const missing = { provisioned: most, pinged: Math.min(Math.max(provisioned, warm), maxConcurrency) - most };
    if (missing.provisioned + missing.pinged + this.#warm === 0) return;
    for (const environment of this.#all.values()) {
      const { kept, isLeaving } = environment;
      if (isLeaving || kept === null) continue;
      if (missing[kept] > 0) missing[kept]--;
      else this.#keep(environment, null);
    }
    for (const environment of this.#all.values()) {
      if (environment.isLeaving || environment.isKept) continue;
      const kept = missing.provisioned > 0 ? 'provisioned' : missing.pinged > 0 ? 'pinged' : null;
      if (kept === null) return;
      this.#keep(environment, kept);
      missing[kept]--;
    }
    for (; missing.provisioned > 0; missing.provisioned--) if (!this.#start('provisioned')) return;
    for (; missing.pinged > 0; missing.pinged--) if (!this.#start('pinged')) return;
  }

  #keep(environment: Environment, kept: Environment['kept']): void {
    if (!environment.isLeaving) this.#warm += Number(kept !== null) - Number(environment.isKept);
    environment.kept = kept;
    if (environment.state !== 'starting') this.#needs.onKept(environment);
  }

  /** New ones are started first, and old ones go as new ones become ready. */
  #renew(): void {
    while (this.#all.size - this.#leaving < this.#successors) {
      if (this.#backOff.failure !== null || this.#startsLeft <= 0) return;
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

  /** Where no more may start, it is looked again when the oldest start hangs. */
  #armHanging(): void {
    this.#cancelHanging();
    const oldest = this.#startsLeft > 0 ? undefined : this.#startsUnderWay()[0];
    if (oldest === undefined) return;
    const { clock, startHangsMs } = this.#needs;
    this.#cancelHanging = clock.after(oldest.askedAtMs + startHangsMs() - clock.nowMs(), () => this.#adjust());
  }

  /** Armed for the one that has been idle longest; those needed by batches that wait are left alone. */
  #armKeepAlive(): void {
    if (this.#idle.length <= this.#wanted) return;
    const first = this.#idle.find(({ isKept }) => !isKept);
    if (first === undefined) return;
    const atMs = first.idleSinceMs + this.#limits.keepAliveMs;
    if (atMs >= this.#keepAliveAtMs) return;
    this.#cancelKeepAlive();
    this.#keepAliveAtMs = atMs;
    this.#cancelKeepAlive = this.#needs.clock.after(atMs - this.#needs.clock.nowMs(), () => this.#endUnused());
  }

  #endUnused(): void {
    this.#keepAliveAtMs = Number.POSITIVE_INFINITY;
    const untilMs = this.#needs.clock.nowMs() - this.#limits.keepAliveMs + roundingMs;
    for (const { id } of this.#idle.filter(({ isKept, idleSinceMs }) => !isKept && idleSinceMs <= untilMs)) {
      if (this.#idle.length <= this.#wanted) break;
      this.#remove(id);
    }
    this.#adjust();
  }
}

/** Times closer than this are the same. */
const roundingMs = 1e-6;

function rank({ isKept, isLeaving }: Environment): number {
  if (isLeaving) return 0;
  return isKept ? 2 : 1;
}
