/**
 * Who is to be told of what: rules with EventBridge's patterns, and their targets. Each event is looked at once, in order, and what follows from it
 * becomes jobs in the transaction that moves the mark on: nothing is left out, whatever is killed; a target may hear a thing twice.
 */
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Database, inTransaction, type Jobs, type TakenJob, type Transaction } from '../../storage/index.ts';
import type { Events, PlatformEvent } from '../events.ts';
import { compilePattern, type EventPattern } from './event-pattern.ts';

/** As EventBridge has it. */
export interface Envelope {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  /** ISO 8601. */
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

export interface RuleTarget {
  readonly id: string;
  /** A URL, or an ARN. */
  readonly arn: string;
  /** Sent in place of the event. */
  readonly input: string | null;
  /** The part of the event that is sent: `$.detail`. */
  readonly inputPath: string | null;
  /** Members that only their maker understands. */
  readonly echo?: Readonly<Record<string, unknown>> | undefined;
}

export interface Rule {
  readonly name: string;
  readonly description: string;
  /** JSON. */
  readonly pattern: string;
  readonly isEnabled: boolean;
  readonly targets: readonly RuleTarget[];
  readonly createdBy: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
}

export interface Delivery {
  readonly rule: string;
  readonly target: RuleTarget;
  /** What is sent. */
  readonly body: string;
  readonly eventId: string;
}

export interface RulesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly events: Pick<Events, 'since' | 'lastSeq' | 'subscribe'>;
  /** The envelope of an event of ours; null for one that nobody outside is told of. */
  readonly envelopeOf: (event: PlatformEvent) => Envelope | null;
  /** Delivers; throws where that failed: it is tried again then. */
  readonly deliver: (delivery: Delivery, id: string, atMs: number) => Promise<void>;
  readonly onFailure: (what: string, error: unknown) => void;
}

export const deliveriesQueue = 'deliveries';
const cursor = 'rules';
const rulesMax = 300;
const targetsMax = 5;
const eventsAtOnce = 200;
const deliveriesAtOnce = 8;
const leaseMs = 60_000;
const lookEveryMs = 5000;
/** Some sixteen hours in all; then it is put aside, with the reason. */
const retryAfterMs = [1000, 5000, 30_000, 120_000, 600_000, 3_600_000, 10_800_000, 21_600_000, 21_600_000];

export class Rules {
  readonly #options: RulesOptions;
  readonly #rules = new Map<string, { readonly rule: Rule; readonly matches: EventPattern }>();
  #endListening: () => void = () => {};
  #cancelTimer: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;
  #again = false;
  #isClosed = false;
  /** There may be something to deliver. */
  #isDeliveryDue = true;
  /** The last event that was looked at, and the last of which a restart will know. */
  #seen = 0;
  #kept = 0;

  constructor(options: RulesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { db, events, jobs } = this.#options;
    for (const { document } of await db.selectFrom('event_rules').selectAll().execute()) this.#keep(JSON.parse(document) as Rule);
    // What happened before there were any rules is nobody's business.
    const seq = await events.lastSeq();
    await db
      .insertInto('cursors')
      .values({ name: cursor, seq })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    const { seq: kept } = await db.selectFrom('cursors').select('seq').where('name', '=', cursor).executeTakeFirstOrThrow();
    this.#seen = this.#kept = Number(kept);
    const onDelivery = (): void => {
      this.#isDeliveryDue = true;
      this.#wake();
    };
    const ends = [events.subscribe(() => this.#wake()), jobs.onAnnounced(deliveriesQueue, onDelivery)];
    this.#endListening = () => ends.forEach((end) => end());
    this.#later();
    this.#wake();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endListening();
    this.#cancelTimer();
    await this.#running;
    await this.#keepCursor(this.#options.db).catch((error: unknown) => this.#options.onFailure('rules', error));
  }

  list(): Rule[] {
    return [...this.#rules.values()].map(({ rule }) => rule).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws `not_found`. */
  get(name: string): Rule {
    const found = this.#rules.get(name);
    if (found === undefined) throw new PlatformError('not_found', `Rule ${name} does not exist on EventBus default.`);
    return found.rule;
  }

  /** Makes it, or makes it another. Throws `invalid_request` for a pattern that is none, `too_large`. */
  async put(rule: Rule): Promise<void> {
    compilePattern(rule.pattern);
    if (!this.#rules.has(rule.name) && this.#rules.size >= rulesMax)
      throw new PlatformError('too_large', `there are ${rulesMax} rules already: delete some first`);
    if (rule.targets.length > targetsMax)
      throw new PlatformError('too_large', `a rule has at most ${targetsMax} targets, got ${rule.targets.length}`);
    const document = JSON.stringify(rule);
    await inTransaction(this.#options.db, async (tx) => {
      await tx
        .insertInto('event_rules')
        .values({ name: rule.name, document })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ document }))
        .execute();
      await this.#keepCursor(tx); // what was there before it is none of its business, whatever is killed now
    });
    this.#keep(rule);
  }

  async delete(name: string): Promise<void> {
    await this.#options.db.deleteFrom('event_rules').where('name', '=', name).execute();
    this.#rules.delete(name);
  }

  /** An event of somebody else's. */
  async offer(envelope: Envelope): Promise<void> {
    await inTransaction(this.#options.db, (tx) => this.#addJobs(tx, envelope));
    this.#options.jobs.announce(deliveriesQueue);
  }

  #keep(rule: Rule): void {
    this.#rules.set(rule.name, { rule, matches: compilePattern(rule.pattern) });
  }

  /** Whether anybody is to be told. */
  #concerns(envelope: Envelope): boolean {
    return this.#rules.values().some(({ rule, matches }) => rule.isEnabled && rule.targets.length > 0 && matches(envelope));
  }

  async #addJobs(tx: Transaction, envelope: Envelope): Promise<void> {
    for (const { rule, matches } of this.#rules.values()) {
      if (!rule.isEnabled || !matches(envelope)) continue;
      for (const target of rule.targets) {
        const delivery: Delivery = { rule: rule.name, target, body: bodyOf(target, envelope), eventId: envelope.id };
        await this.#options.jobs.add(tx, { queue: deliveriesQueue, payload: delivery });
      }
    }
  }

  #later(): void {
    this.#cancelTimer = this.#options.clock.after(lookEveryMs, () => {
      this.#isDeliveryDue = true;
      this.#wake();
      this.#later();
    });
  }

  #wake(): void {
    this.#again = true;
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    this.#running = this.#work().finally(() => {
      this.#isBusy = false;
    });
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#isClosed) {
      this.#again = false;
      try {
        await this.#readEvents();
        if (!this.#isDeliveryDue) continue;
        this.#isDeliveryDue = false;
        await this.#deliverAll();
        await this.#keepCursor(this.#options.db);
      } catch (error) {
        this.#options.onFailure('rules', error);
        return;
      }
    }
  }

  /** Events come in crowds and most concern nobody: those are looked at again after a kill, rather than written down one by one. */
  async #readEvents(): Promise<void> {
    const { db, events, envelopeOf } = this.#options;
    for (;;) {
      const batch = await events.since(this.#seen, eventsAtOnce);
      const last = batch.at(-1);
      if (last === undefined) return;
      const told = batch.flatMap((event) => envelopeOf(event) ?? []).filter((envelope) => this.#concerns(envelope));
      if (told.length > 0) {
        await inTransaction(db, async (tx) => {
          for (const envelope of told) await this.#addJobs(tx, envelope);
          await this.#writeCursor(tx, last.seq);
        });
        this.#kept = last.seq;
        this.#isDeliveryDue = true;
      }
      this.#seen = last.seq;
    }
  }

  async #keepCursor(tx: Transaction | Database): Promise<void> {
    const seen = this.#seen;
    if (this.#kept === seen) return;
    await this.#writeCursor(tx, seen);
    this.#kept = seen;
  }

  async #writeCursor(tx: Transaction | Database, seq: number): Promise<void> {
    await tx.updateTable('cursors').set({ seq }).where('name', '=', cursor).execute();
  }

  async #deliverAll(): Promise<void> {
    const { jobs } = this.#options;
    while (!this.#isClosed) {
      const taken = await jobs.take(deliveriesQueue, deliveriesAtOnce, leaseMs);
      if (taken.length === 0) return;
      await Promise.all(taken.map((job) => this.#deliver(job)));
    }
  }

  async #deliver(job: TakenJob): Promise<void> {
    const { db, jobs, clock, deliver, onFailure } = this.#options;
    const delivery = job.payload as Delivery;
    try {
      await deliver(delivery, job.id, clock.wallMs());
      await jobs.done(db, job);
    } catch (error) {
      const afterMs = retryAfterMs[job.attempts - 1];
      const isHopeless = error instanceof PlatformError && error.code === 'invalid_request';
      if (afterMs === undefined || isHopeless) await jobs.bury(db, job, messageOf(error));
      else await jobs.retry(job, afterMs);
      if (afterMs === undefined || isHopeless)
        onFailure(`the delivery to ${delivery.target.arn} of rule ${delivery.rule} was given up`, error);
    }
  }
}

function bodyOf({ input, inputPath }: RuleTarget, envelope: Envelope): string {
  if (input !== null) return input;
  if (inputPath === null || inputPath === '$') return JSON.stringify(envelope);
  let part: unknown = envelope;
  for (const name of inputPath.replace(/^\$\.?/, '').split('.')) {
    part = typeof part === 'object' && part !== null && Object.hasOwn(part, name) ? (part as Record<string, unknown>)[name] : undefined;
  }
  return JSON.stringify(part ?? null);
}
