/**
 * What is to be delivered, and by whom: jobs that are taken as places get free. Each origin has few places and each gets its turn, so that one
 * that hangs holds up nobody but itself. Begun in order of their making per origin; of what is about one object each waits until the one before it
 * has arrived at the same target, or was given up. At least once, whatever is killed.
 */
import { hash } from 'node:crypto';
import { type Clock, repeat } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Database, inTransaction, type Jobs, type TakenJob, type Transaction } from '../../storage/index.ts';
import type { HttpParameters } from './http-parameters.ts';
import { type RetryPolicy, retryOf } from './retries.ts';
import type { RuleTarget } from './rule.ts';

export interface Delivery {
  readonly rule: string;
  readonly target: Pick<RuleTarget, 'id' | 'arn'> & { readonly retry?: RetryPolicy | undefined };
  /** What is sent. */
  readonly body: string;
  /** Sent with it. */
  readonly http?: HttpParameters | undefined;
  readonly eventId: string;
  /** What the event happened to, where there is such a thing: of it the target hears in order. */
  readonly about?: string | undefined;
  /** The alarm whose action it is, and the action as that has it; not in those that were made before, whose end was noted already. */
  readonly actionOf?: { readonly alarm: string; readonly action: string } | undefined;
}

export interface DeliveriesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly jobs: Jobs;
  /** Delivers; throws where that failed: it is tried again then. */
  readonly deliver: (delivery: Delivery, id: string, atMs: number) => Promise<void>;
  /** It has arrived (null), or was given up for this reason: in the transaction that keeps that, so that it is told once. */
  readonly onEnded?: (tx: Transaction, delivery: Delivery, reason: string | null) => Promise<void>;
  readonly onFailure: (what: string, error: unknown) => void;
  /** So many that were given up are not known any more. */
  readonly onForgotten: (count: number) => void;
}

/** What has not arrived. */
export interface KeptDelivery {
  readonly id: string;
  /** The rule's name; `alarm NAME` or `async ENDPOINT` where none but an alarm's action or a topic wants it. */
  readonly rule: string;
  readonly target: { readonly id: string; readonly arn: string };
  readonly eventId: string;
  readonly state: DeliveryState;
  /** How often it was tried. */
  readonly attempts: number;
  /** With what the last try failed. */
  readonly reason: string | null;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  /** When it is tried next; of one that was given up when that was. Epoch milliseconds. */
  readonly atMs: number;
}

/** Not tried yet, or under way for the first time; failed, to be tried again; failed for good. */
export type DeliveryState = 'waiting' | 'failing' | 'given_up';

/** Since the start. */
export interface DeliveryCounts {
  readonly delivered: number;
  /** To be tried again. */
  readonly failed: number;
  readonly given_up: number;
  readonly forgotten: number;
}

export const deliveriesQueue = 'deliveries';
const atOnceMax = 16;
const perOriginMax = 2;
/** Of all places, so many are for those whose last delivery failed, however many there are. */
const troubledMax = 8;
const leaseMs = 60_000;
const lookEveryMs = 5000;
/** Of those that were given up: long enough for somebody to ask why, and no more than a disk can hold. */
const givenUp = { keptMs: 14 * 86_400_000, most: 10_000 };
const forgetEveryMs = 3_600_000;
/** To tell how many there are: all that may be given up, and as many that wait. */
const countedMax = 2 * givenUp.most;

/** In the transaction of what makes it necessary; `announceDeliveries` once that is committed. */
export async function addDelivery(jobs: Jobs, tx: Transaction | Database, delivery: Delivery): Promise<void> {
  const { rule, target, about } = delivery;
  const sequence = about === undefined ? undefined : sequenceOf(target.arn, about);
  await jobs.add(tx, { queue: deliveriesQueue, payload: delivery, lane: originOf(target.arn), sequence, cause: rule });
}

/** Whichever rules want it: who listens at an address knows nothing of them. A digest, for an index takes no URLs of any length. */
function sequenceOf(arn: string, about: string): string {
  return hash('sha256', JSON.stringify([arn, about]), 'base64url');
}

export function announceDeliveries(jobs: Jobs): void {
  jobs.announce(deliveriesQueue);
}

export class Deliveries {
  readonly #options: DeliveriesOptions;
  /** By origin, how many are under way. */
  readonly #underWay = new Map<string, Set<Promise<void>>>();
  /** Origins whose last delivery failed. */
  readonly #troubled = new Set<string>();
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

  open(): void {
    this.#end = this.#options.jobs.onAnnounced(deliveriesQueue, () => this.#fill());
    this.#later();
    this.#fill();
    const { clock, onFailure } = this.#options;
    this.#endForgetting = repeat(
      clock,
      forgetEveryMs,
      () => this.#forget(),
      (error) => onFailure('deliveries that were given up could not be forgotten yet', error),
    );
  }

  get counts(): DeliveryCounts {
    return { ...this.#counts };
  }

  /** By rule, how many deliveries have not arrived; at most `countedMax` of all are counted. */
  async byRule(): Promise<ReadonlyMap<string, Readonly<Record<DeliveryState, number>>>> {
    const found = new Map<string, Record<DeliveryState, number>>();
    for (const { cause, count, ...job } of await this.#options.jobs.countByCause(deliveriesQueue, countedMax)) {
      const counts = found.get(cause) ?? { waiting: 0, failing: 0, given_up: 0 };
      counts[stateOf(job.state, job.hasFailed)] += count;
      found.set(cause, counts);
    }
    return found;
  }

  /** Those that have not arrived, the latest first. */
  async list({
    rule,
    ...page
  }: {
    readonly limit: number;
    readonly offset: number;
    readonly rule?: string | undefined;
  }): Promise<KeptDelivery[]> {
    const kept = await this.#options.jobs.list(deliveriesQueue, { ...page, cause: rule });
    return kept.map(({ id, payload, state, attempts, reason, createdAtMs, visibleAtMs }) => {
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

  /** Resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end();
    this.#cancelTimer();
    await this.#endForgetting();
    await this.#filling;
    await Promise.all(this.#underWay.values().flatMap((each) => each.values()));
  }

  async #forget(): Promise<void> {
    const count = await this.#options.jobs.forgetDead(deliveriesQueue, givenUp);
    this.#counts.forgotten += count;
    if (count > 0) this.#options.onForgotten(count);
  }

  #later(): void {
    this.#cancelTimer = this.#options.clock.after(lookEveryMs, () => {
      this.#fill();
      this.#later();
    });
  }

  #fill(): void {
    this.#again = true;
    this.#filling ??= this.#fillAll()
      .catch((error: unknown) => this.#options.onFailure('deliveries could not be looked for', error))
      .finally(() => {
        this.#filling = null;
        if (this.#again && !this.#isClosed) this.#fill(); // asked for while the last look was ending
      });
  }

  async #fillAll(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      await this.#take(this.#free(), this.#troubled);
      // Who failed before waits behind those who answer.
      if (this.#troubled.size > 0) await this.#take(Math.min(this.#free(), troubledMax - this.#troubledUnderWay()), new Set());
    }
  }

  async #take(most: number, except: ReadonlySet<string>): Promise<void> {
    if (most <= 0) return;
    const room = new Map([...except].map((origin) => [origin, 0]));
    for (const [origin, { size }] of this.#underWay) if (!except.has(origin)) room.set(origin, perOriginMax - size);
    const taken = await this.#options.jobs.takeByLane(deliveriesQueue, most, leaseMs, { perLane: perOriginMax, room });
    for (const job of taken) this.#begin(job);
  }

  #begin(job: TakenJob): void {
    const origin = originOf((job.payload as Delivery).target.arn);
    const these = this.#underWay.get(origin) ?? new Set();
    const done = this.#deliver(job, origin)
      .catch((error: unknown) => this.#options.onFailure('what became of a delivery could not be kept', error)) // its lease ends
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

  #troubledUnderWay(): number {
    return this.#troubled.values().reduce((sum, origin) => sum + (this.#underWay.get(origin)?.size ?? 0), 0);
  }

  async #deliver(job: TakenJob, origin: string): Promise<void> {
    const { jobs, clock, deliver, onFailure } = this.#options;
    const delivery = job.payload as Delivery;
    try {
      await deliver(delivery, job.id, clock.wallMs());
      this.#troubled.delete(origin);
      this.#counts.delivered++;
    } catch (error) {
      this.#troubled.add(origin);
      const isHopeless = error instanceof PlatformError && error.code === 'invalid_request';
      const afterMs = isHopeless ? null : retryOf(job, clock.wallMs(), delivery.target.retry);
      this.#counts[afterMs === null ? 'given_up' : 'failed']++;
      const reason = messageOf(error);
      if (afterMs !== null) return void (await jobs.retry(job, afterMs, reason));
      await this.#keepEnd(job, reason);
      return onFailure(`the delivery to ${origin} of rule ${delivery.rule} was given up`, error);
    }
    await this.#keepEnd(job, null);
  }

  async #keepEnd(job: TakenJob, reason: string | null): Promise<void> {
    const { db, jobs, onEnded } = this.#options;
    await inTransaction(db, async (tx) => {
      const isOurs = reason === null ? await jobs.done(tx, job) : await jobs.bury(tx, job, reason);
      if (isOurs) await onEnded?.(tx, job.payload as Delivery, reason);
    });
  }
}

function stateOf(state: 'open' | 'dead', hasFailed: boolean): DeliveryState {
  if (state === 'dead') return 'given_up';
  return hasFailed ? 'failing' : 'waiting';
}

/** Who hangs when one of its addresses does: the server of a URL; an ARN is one by itself. */
export function originOf(arn: string): string {
  return /^https?:/.test(arn) && URL.canParse(arn) ? new URL(arn).origin : arn;
}
