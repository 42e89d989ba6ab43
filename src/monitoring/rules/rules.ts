/**
 * Who is to be told of what: rules with EventBridge's patterns, and their targets. Each event is looked at once, in order, and what follows from it
 * becomes jobs in the transaction that moves the mark on: nothing is left out, whatever is killed; a target may hear a thing twice.
 */
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Database, inTransaction, type Jobs, type Transaction } from '../../storage/index.ts';
import type { Events, PlatformEvent } from '../records/events.ts';
import { addDelivery, announceDeliveries } from './deliveries.ts';
import type { Envelope } from './envelope.ts';
import { compilePath } from './event-path.ts';
import { compilePattern, type EventPattern } from './event-pattern.ts';
import { resolveParameters } from './http-parameters.ts';
import { type TransformedFor, transform } from './input-transformer.ts';
import type { Rule, RuleTarget } from './rule.ts';

export interface RulesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly events: Pick<Events, 'since' | 'lastSeq' | 'subscribe'>;
  /** The envelopes of an event of ours; none for one that nobody outside is told of. */
  readonly envelopesOf: (event: PlatformEvent) => Promise<readonly Envelope[]>;
  readonly ruleArn: (name: string) => string;
  /** A stored rule has a pattern that is refused by now: it matches nothing until it is put again. */
  readonly onSetAside: (rule: string, fault: string) => void;
  /** How a stored target is delivered to by now, and why not as it wants. */
  readonly asServed: (target: RuleTarget) => { readonly target: RuleTarget; readonly fault: string | null };
  /** A stored target wants what is refused by now: the rest of it is heeded. */
  readonly onUnserved: (rule: string, target: string, fault: string) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

interface KnownRule {
  readonly rule: Rule;
  readonly matches: EventPattern;
  /** Why it is set aside. */
  readonly fault: string | null;
}

interface ToldEvent {
  readonly envelope: Envelope;
  /** What the event happened to. */
  readonly about: string;
}

const cursor = 'rules';
const rulesMax = 300;
const targetsMax = 5;
const eventsAtOnce = 200;
const lookEveryMs = 5000;

export class Rules {
  readonly #options: RulesOptions;
  readonly #rules = new Map<string, KnownRule>();
  #endListening: () => void = () => {};
  #cancelTimer: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;
  #again = false;
  #isClosed = false;
  /** What was seen is to be kept, now and then. */
  #isKeepingDue = false;
  /** The last event that was looked at, and the last of which a restart will know. */
  #seen = 0;
  #kept = 0;

  constructor(options: RulesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { db, events } = this.#options;
    for (const { document } of await db.selectFrom('event_rules').selectAll().execute()) {
      const rule = JSON.parse(document) as Rule;
      this.#rules.set(rule.name, this.#stored(rule));
    }
    // What happened before there were any rules is nobody's business.
    const seq = await events.lastSeq();
    await db
      .insertInto('cursors')
      .values({ name: cursor, seq })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    const { seq: kept } = await db.selectFrom('cursors').select('seq').where('name', '=', cursor).executeTakeFirstOrThrow();
    this.#seen = this.#kept = Number(kept);
    this.#endListening = events.subscribe(() => this.#wake());
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

  /** Why a rule is set aside; null where it is not. */
  faultOf(name: string): string | null {
    return this.#rules.get(name)?.fault ?? null;
  }

  /** Makes it, or makes it another. Throws `invalid_request` for a pattern that is none, `too_large`. */
  async put(rule: Rule): Promise<void> {
    const known = this.#rules.get(rule.name);
    // Of a rule that is set aside all else may change, or it could not even be deleted.
    const { matches, fault } = known?.rule.pattern === rule.pattern ? known : { matches: compilePattern(rule.pattern), fault: null };
    if (known === undefined && this.#rules.size >= rulesMax)
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
    this.#rules.set(rule.name, { rule, matches, fault });
  }

  async delete(name: string): Promise<void> {
    await this.#options.db.deleteFrom('event_rules').where('name', '=', name).execute();
    this.#rules.delete(name);
  }

  /** An event of somebody else's. */
  async offer(envelope: Envelope): Promise<void> {
    await inTransaction(this.#options.db, (tx) => this.#addJobs(tx, envelope));
    announceDeliveries(this.#options.jobs);
  }

  /** What was taken once may be refused by now: that is no reason for all others to match nothing. */
  #stored(stored: Rule): KnownRule {
    const { asServed, onUnserved, onSetAside } = this.#options;
    const { name, pattern } = stored;
    const targets = stored.targets.map((each) => {
      const { target, fault } = asServed(each);
      if (fault !== null) onUnserved(name, each.id, fault);
      return target;
    });
    const rule = { ...stored, targets };
    try {
      return { rule, matches: compilePattern(pattern), fault: null };
    } catch (error) {
      const fault = messageOf(error);
      onSetAside(name, fault);
      return { rule, matches: () => false, fault };
    }
  }

  /** Those of which somebody is to be told. */
  async #told(batch: readonly PlatformEvent[]): Promise<ToldEvent[]> {
    const heard = [...this.#rules.values()].filter(({ rule }) => rule.isEnabled && rule.targets.length > 0);
    if (heard.length === 0) return [];
    const told: ToldEvent[] = [];
    for (const event of batch) {
      const envelopes = await this.#options.envelopesOf(event);
      const wanted = envelopes.filter((envelope) => heard.some(({ matches }) => matches(envelope)));
      told.push(...wanted.map((envelope) => ({ envelope, about: event.subject })));
    }
    return told;
  }

  async #addJobs(tx: Transaction, envelope: Envelope, about?: string): Promise<void> {
    const { jobs, clock, ruleArn } = this.#options;
    const ingestedAt = new Date(clock.wallMs()).toISOString();
    for (const { rule, matches } of this.#rules.values()) {
      if (!rule.isEnabled || !matches(envelope)) continue;
      for (const target of rule.targets) {
        const { id, arn, retry } = target;
        const body = bodyOf(target, envelope, { ruleName: rule.name, ruleArn: ruleArn(rule.name), ingestedAt });
        const http = target.http === undefined ? undefined : resolveParameters(target.http, envelope);
        await addDelivery(jobs, tx, { rule: rule.name, target: { id, arn, retry }, body, http, eventId: envelope.id, about });
      }
    }
  }

  #later(): void {
    this.#cancelTimer = this.#options.clock.after(lookEveryMs, () => {
      this.#isKeepingDue = true;
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
        if (!this.#isKeepingDue) continue;
        this.#isKeepingDue = false;
        await this.#keepCursor(this.#options.db);
      } catch (error) {
        this.#options.onFailure('rules', error);
        return;
      }
    }
  }

  /** Events come in crowds and most concern nobody: those are looked at again after a kill, rather than written down one by one. */
  async #readEvents(): Promise<void> {
    const { db, jobs, events } = this.#options;
    for (;;) {
      const batch = await events.since(this.#seen, eventsAtOnce);
      const last = batch.at(-1);
      if (last === undefined) return;
      const told = await this.#told(batch);
      if (told.length > 0) {
        await inTransaction(db, async (tx) => {
          for (const { envelope, about } of told) await this.#addJobs(tx, envelope, about);
          await this.#writeCursor(tx, last.seq);
        });
        this.#kept = last.seq;
        announceDeliveries(jobs);
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
}

function bodyOf({ input, inputPath, transformer }: RuleTarget, envelope: Envelope, about: TransformedFor): string {
  if (transformer !== undefined) return transform(transformer, envelope, about);
  if (input !== null) return input;
  return JSON.stringify(compilePath(inputPath ?? '$')?.(envelope) ?? null);
}
