/**
 * Delivers events as jobs, as capacity allows. Origins take turns and have few slots each, so a hanging origin delays no other. Deliveries
 * to an origin start in creation order. A delivery about an object waits until the previous one about it to the same target has arrived
 * or was given up. Delivery is at least once, even if the server is killed.
 */
import { hash } from 'node:crypto';
import { type Clock, every, repeat } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Database, inTransaction, type Jobs, type LeasedJob, type Transaction } from '../../storage/index.ts';
import type { HttpParameters } from './http-parameters.ts';
import { type RetryPolicy, retryOf } from './retries.ts';
import type { RuleTarget } from './rule.ts';

/** One event for one target, as stored in the job queue. */
export interface Delivery {
  readonly rule: string;
  readonly target: Pick<RuleTarget, 'id' | 'arn'> & { readonly retry?: RetryPolicy | undefined };
  /** The body to send. */
  readonly body: string;
  /** Headers and query parameters to send. */
  readonly http?: HttpParameters | undefined;
  /** Values of the parameters of a pipeline that is started. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  readonly eventId: string;
  /** The object of the event, if any: its deliveries to a target are ordered. */
  readonly about?: string | undefined;
  /** The alarm and action this delivery runs; absent in deliveries of earlier versions, whose result was noted already. */
  readonly actionOf?: { readonly alarm: string; readonly action: string } | undefined;
}

export interface DeliveriesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly jobs: Jobs;
  /** Delivers; throws on failure, which is retried. */
  readonly deliver: (delivery: Delivery, id: string, atMs: number) => Promise<void>;
  /** Called when delivered (null) or given up (reason), in the transaction that stores the result, so exactly once. */
  readonly onEnded?: (tx: Transaction, delivery: Delivery, reason: string | null) => Promise<void>;
  readonly onFailure: (what: string, error: unknown) => void;
  /** Abandoned deliveries were deleted. */
  readonly onDropped: (count: number) => void;
}

/** A delivery that has not arrived. */
export interface PendingDelivery {
  readonly id: string;
  /** The rule's name, or `alarm NAME` or `async ENDPOINT` for an alarm's action or a topic. */
  readonly rule: string;
  readonly target: { readonly id: string; readonly arn: string };
  readonly eventId: string;
  readonly state: DeliveryState;
  /** Number of attempts. */
  readonly attempts: number;
  /** Error of the last attempt. */
  readonly reason: string | null;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** Time of the next attempt, or when it was given up. Epoch milliseconds. */
  readonly atMs: number;
}

/** `waiting`: first attempt pending or running. `failing`: will be retried. `given_up`: failed for good. */
export type DeliveryState = 'waiting' | 'failing' | 'given_up';

/** Totals since the server started. */
export interface DeliveryCounts {
  readonly delivered: number;
  /** Failed attempts that will be retried. */
  readonly failed: number;
  readonly given_up: number;
  readonly forgotten: number;
}

/** The name of the job queue. */
export const deliveriesQueue = 'deliveries';
const atOnceMax = 16;
const perOriginMax = 2;
/** Slots for all origins whose last delivery failed. */
const troubledMax = 8;
const leaseMs = 60_000;
const pollEveryMs = 5000;
/** Retention of abandoned deliveries: long enough to investigate, bounded in number. */
const abandoned = { keptMs: 14 * 86_400_000, most: 10_000 };
const forgetEveryMs = 3_600_000;
/** Limit for counting: all abandoned deliveries and as many waiting ones. */
const countedMax = 2 * abandoned.most;

/** Adds a delivery in the caller's transaction. Call `announceDeliveries` after the commit. */
export async function addDelivery(jobs: Jobs, tx: Transaction | Database, delivery: Delivery): Promise<void> {
  const { rule, target, about } = delivery;
  const sequence = about === undefined ? undefined : sequenceOf(target.arn, about);
  await jobs.add(tx, { queue: deliveriesQueue, payload: delivery, lane: originOf(target.arn), sequence, cause: rule });
}

/** Ordered across rules, since receivers do not know the rules. A digest, because URLs are too long for an index. */
function sequenceOf(arn: string, about: string): string {
  return hash('sha256', JSON.stringify([arn, about]), 'base64url');
}

/** Starts pending deliveries now. Call it after the commit that added them. */
export function announceDeliveries(jobs: Jobs): void {
  jobs.announce(deliveriesQueue);
}

/** At least once: a kill between a delivery and its record repeats it, under the same id. */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  /** Running deliveries by origin. */
  readonly #underWay = new Map<string, Set<Promise<void>>>();
  /** Origins whose last delivery failed. */
  readonly #failing = new Set<string>();
  readonly #counts = { delivered: 0, failed: 0, given_up: 0, forgotten: 0 };
  #end: () => void = () => {};
  #cancelTimer: () => void = () => {};
  #endForgetting: () => Promise<void> = async () => {};
  #filling: Promise<void> | null = null;
  #again = false;
  #isClosed = false;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  /** Deliveries start when they are announced; the timer finds retries that are due, and those of an earlier server. */
  open(): void {
    this.#end = this.#options.jobs.onAnnounced(deliveriesQueue, () => this.#fill());
    this.#cancelTimer = every(this.#options.clock, pollEveryMs, () => this.#fill());
    this.#fill();
    const { clock, onFailure } = this.#options;
    this.#endForgetting = repeat(
      clock,
      forgetEveryMs,
      () => this.#deleteAbandoned(),
      (error) => onFailure('failed to delete old abandoned deliveries', error),
    );
  }

  get counts(): DeliveryCounts {
    return { ...this.#counts };
  }

  /** Pending deliveries by rule; at most `countedMax` in total are counted. */
  async byRule(): Promise<ReadonlyMap<string, Readonly<Record<DeliveryState, number>>>> {
    const found = new Map<string, Record<DeliveryState, number>>();
    for (const { cause, count, ...job } of await this.#options.jobs.countByCause(deliveriesQueue, countedMax)) {
      const counts = found.get(cause) ?? { waiting: 0, failing: 0, given_up: 0 };
      counts[stateOf(job.state, job.hasFailed)] += count;
      found.set(cause, counts);
    }
    return found;
  }

  /** Pending deliveries, latest first. */
  async list({
    rule,
    ...page
  }: {
    readonly limit: number;
    readonly offset: number;
    readonly rule?: string | undefined;
  }): Promise<PendingDelivery[]> {
    const retained = await this.#options.jobs.list(deliveriesQueue, { ...page, cause: rule });
    return retained.map(({ id, payload, state, attempts, reason, createdAtMs, visibleAtMs }) => {
      const { rule: of, target, eventId } = payload as Delivery;
      const shown = { id: target.id, arn: target.arn };
      return {
        id,
        rule: of,
        target: shown,
        eventId,
        state: stateOf(state, reason !== null),
        attempts,
        reason,
        createdAtMs,
        atMs: visibleAtMs,
      };
    });
  }

  /** Resolves when running deliveries have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end();
    this.#cancelTimer();
    await this.#endForgetting();
    await this.#filling;
    await Promise.all(this.#underWay.values().flatMap((each) => each.values()));
  }

  async #deleteAbandoned(): Promise<void> {
    const count = await this.#options.jobs.deleteDead(deliveriesQueue, abandoned);
    this.#counts.forgotten += count;
    if (count > 0) this.#options.onDropped(count);
  }

  #fill(): void {
    this.#again = true;
    this.#filling ??= this.#fillAll()
      .catch((error: unknown) => this.#options.onFailure('failed to lease deliveries', error))
      .finally(() => {
        this.#filling = null;
        if (this.#again && !this.#isClosed) this.#fill(); // requested while the last round was ending
      });
  }

  async #fillAll(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      await this.#claim(this.#free(), this.#failing);
      // Origins that failed before come after those that answer.
      if (this.#failing.size > 0) await this.#claim(Math.min(this.#free(), troubledMax - this.#failingInFlight()), new Set());
    }
  }

  async #claim(most: number, except: ReadonlySet<string>): Promise<void> {
    if (most <= 0) return;
    const capacity = new Map([...except].map((origin) => [origin, 0]));
    for (const [origin, { size }] of this.#underWay) if (!except.has(origin)) capacity.set(origin, perOriginMax - size);
    const taken = await this.#options.jobs.leaseByPartition(deliveriesQueue, most, leaseMs, { perPartition: perOriginMax, capacity });
    for (const job of taken) this.#begin(job);
  }

  #begin(job: LeasedJob): void {
    const origin = originOf((job.payload as Delivery).target.arn);
    const these = this.#underWay.get(origin) ?? new Set();
    const done = this.#deliver(job, origin)
      .catch((error: unknown) => this.#options.onFailure('failed to store the result of a delivery', error)) // it is retried when its lease ends
      .finally(() => {
        these.delete(done);
        if (these.size === 0) this.#underWay.delete(origin);
        this.#fill();
      });
    this.#underWay.set(origin, these.add(done));
  }

  #free(): number {
    return atOnceMax - this.#underWay.values().reduce((sum, { size }) => sum + size, 0);
  }

  #failingInFlight(): number {
    return this.#failing.values().reduce((sum, origin) => sum + (this.#underWay.get(origin)?.size ?? 0), 0);
  }

  async #deliver(job: LeasedJob, origin: string): Promise<void> {
    const { jobs, clock, deliver, onFailure } = this.#options;
    const delivery = job.payload as Delivery;
    try {
      await deliver(delivery, job.id, clock.wallMs());
      this.#failing.delete(origin);
      this.#counts.delivered++;
    } catch (error) {
      this.#failing.add(origin);
      const isHopeless = error instanceof PlatformError && error.code === 'invalid_request';
      const afterMs = isHopeless ? null : retryOf(job, clock.wallMs(), delivery.target.retry);
      this.#counts[afterMs === null ? 'given_up' : 'failed']++;
      const reason = messageOf(error);
      if (afterMs !== null) return void (await jobs.retry(job, afterMs, reason));
      await this.#storeOutcome(job, reason);
      return onFailure(`the delivery to ${origin} of rule ${delivery.rule} was given up`, error);
    }
    await this.#storeOutcome(job, null);
  }

  async #storeOutcome(job: LeasedJob, reason: string | null): Promise<void> {
    const { db, jobs, onEnded } = this.#options;
    await inTransaction(db, async (tx) => {
      const isOurs = reason === null ? await jobs.done(tx, job) : await jobs.markDead(tx, job, reason);
      if (isOurs) await onEnded?.(tx, job.payload as Delivery, reason);
    });
  }
}

function stateOf(state: 'open' | 'dead', hasFailed: boolean): DeliveryState {
  if (state === 'dead') return 'given_up';
  return hasFailed ? 'failing' : 'waiting';
}

/** Unit of isolation: the origin of a URL, or the ARN itself. */
export function originOf(arn: string): string {
  return /^https?:/.test(arn) && URL.canParse(arn) ? new URL(arn).origin : arn;
}
