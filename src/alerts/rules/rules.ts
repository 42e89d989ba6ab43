/**
 * Rules with EventBridge's patterns and their targets. Each event is matched once, in order. Its deliveries are added in the
 * transaction that advances the cursor: a kill loses no event, but a target can receive an event twice.
 */
import { type Clock, every } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { compilePattern, type EventPattern } from '../../event-patterns/index.ts';
import type { Events, PlatformEvent } from '../../records/index.ts';
import { type Database, inTransaction, type Jobs, type Transaction } from '../../storage/index.ts';
import { addDelivery, announceDeliveries } from './deliveries.ts';
import type { Envelope } from './envelope.ts';
import { compilePath } from './event-path.ts';
import { resolveParameters } from './http-parameters.ts';
import { type TransformedFor, transform } from './input-transformer.ts';
import type { Rule, RuleTarget } from './rule.ts';

export interface RulesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly events: Pick<Events, 'since' | 'lastSeq' | 'subscribe'>;
  /** Envelopes of a platform event; empty for events that are not published outside. */
  readonly envelopesOf: (event: PlatformEvent) => Promise<readonly Envelope[]>;
  readonly ruleArn: (name: string) => string;
  /** A stored rule has a pattern that is no longer accepted: it matches nothing until it is put again. */
  readonly onRejectedEvent: (rule: string, fault: string) => void;
  /** The target as it can be delivered to now, and its unsupported settings. */
  readonly asServed: (target: RuleTarget) => { readonly target: RuleTarget; readonly fault: string | null };
  /** A stored target has settings that are no longer accepted: the others apply. */
  readonly onUnserved: (rule: string, target: string, fault: string) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

interface KnownRule {
  readonly rule: Rule;
  readonly matches: EventPattern;
  /** Why the rule is disabled. */
  readonly fault: string | null;
}

interface EnvelopedEvent {
  readonly envelope: Envelope;
  /** The object of the event. */
  readonly about: string;
}

const cursor = 'rules';
const rulesMax = 300;
const targetsMax = 5;
const eventsAtOnce = 200;
const pollEveryMs = 5000;

/** Patterns are compiled when a rule is put, so matching an event parses nothing. */
export class Rules {
  readonly #options: RulesOptions;
  readonly #rules = new Map<string, KnownRule>();
  #endListening: () => void = () => {};
  #cancelTimer: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;
  #again = false;
  #isClosed = false;
  /** The cursor must be stored soon. */
  #isStoringDue = false;
  /** The last matched event, and the last stored cursor. */
  #matchedSeq = 0;
  #storedSeq = 0;

  constructor(options: RulesOptions) {
    this.#options = options;
  }

  /** Continues at the stored cursor. A timer stores the cursor from time to time. */
  async open(): Promise<void> {
    const { db, events } = this.#options;
    await this.refresh();
    // Events from before the first rule are skipped.
    const seq = await events.lastSeq();
    await db
      .insertInto('cursors')
      .values({ name: cursor, seq })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    const { seq: retained } = await db.selectFrom('cursors').select('seq').where('name', '=', cursor).executeTakeFirstOrThrow();
    this.#matchedSeq = this.#storedSeq = Number(retained);
    this.#endListening = events.subscribe(() => this.#wake());
    this.#cancelTimer = every(this.#options.clock, pollEveryMs, () => {
      this.#isStoringDue = true;
      this.#wake();
    });
    this.#wake();
  }

  /** Reloads rules: the database may have stored a change although the connection was lost before the confirmation. */
  async refresh(): Promise<void> {
    const rows = await this.#options.db.selectFrom('event_rules').selectAll().execute();
    const stored = rows.map(({ document }) => JSON.parse(document) as Rule);
    this.#rules.clear();
    for (const rule of stored) this.#rules.set(rule.name, this.#stored(rule));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endListening();
    this.#cancelTimer();
    await this.#running;
    await this.#storeCursor(this.#options.db).catch((error: unknown) => this.#options.onFailure('rules', error));
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

  /** Why a rule is disabled; null if it works. */
  faultOf(name: string): string | null {
    return this.#rules.get(name)?.fault ?? null;
  }

  /** Creates or replaces a rule. Throws `invalid_request` for an invalid pattern, `too_large`. */
  async put(changed: Rule): Promise<void> {
    const known = this.#rules.get(changed.name);
    const rule = resumed(changed, known?.rule, this.#options.clock.wallMs());
    // Other members of a disabled rule can change; otherwise it could not even be deleted.
    const { matches, fault } = known?.rule.pattern === rule.pattern ? known : { matches: matcherOf(rule), fault: null };
    if (known === undefined && this.#rules.size >= rulesMax)
      throw new PlatformError('too_large', `the limit of ${rulesMax} rules is reached. Delete some first`);
    if (rule.targets.length > targetsMax)
      throw new PlatformError('too_large', `expected at most ${targetsMax} targets per rule, got ${rule.targets.length}`);
    const document = JSON.stringify(rule);
    await inTransaction(this.#options.db, async (tx) => {
      await tx
        .insertInto('event_rules')
        .values({ name: rule.name, document })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ document }))
        .execute();
      await this.#storeCursor(tx); // earlier events do not concern the rule, even after a kill
    });
    this.#rules.set(rule.name, { rule, matches, fault });
  }

  async delete(name: string): Promise<void> {
    await this.#options.db.deleteFrom('event_rules').where('name', '=', name).execute();
    this.#rules.delete(name);
  }

  /**
   * Sends an event to the targets of a rule with a schedule, and marks its due times up to `handledMs` as handled. Does nothing if the
   * rule was deleted or disabled meanwhile.
   */
  async fire(name: string, envelope: Envelope, handledMs: number): Promise<void> {
    const known = this.#rules.get(name);
    if (known === undefined) return;
    const handled = (rule: Rule): Rule => (rule.schedule === undefined ? rule : { ...rule, schedule: { ...rule.schedule, handledMs } });
    const { db, jobs } = this.#options;
    await inTransaction(db, async (tx) => {
      // A concurrent change of the rule may be stored already.
      const row = await tx.selectFrom('event_rules').select('document').where('name', '=', name).executeTakeFirst();
      const stored = row === undefined ? null : (JSON.parse(row.document) as Rule);
      if (stored?.schedule === undefined || !stored.isEnabled) return;
      await tx
        .updateTable('event_rules')
        .set({ document: JSON.stringify(handled(stored)) })
        .where('name', '=', name)
        .execute();
      await this.#addTargets(tx, known.rule, envelope);
    });
    const current = this.#rules.get(name);
    if (current !== undefined) this.#rules.set(name, { ...current, rule: handled(current.rule) });
    announceDeliveries(jobs);
  }

  /** Matches an event put by a client. */
  async offer(envelope: Envelope): Promise<void> {
    await inTransaction(this.#options.db, (tx) => this.#addJobs(tx, envelope));
    announceDeliveries(this.#options.jobs);
  }

  /** A stored rule may no longer be accepted; it must not disable all others. */
  #stored(stored: Rule): KnownRule {
    const { asServed, onUnserved, onRejectedEvent } = this.#options;
    const { name } = stored;
    const targets = stored.targets.map((each) => {
      const { target, fault } = asServed(each);
      if (fault !== null) onUnserved(name, each.id, fault);
      return target;
    });
    const rule = { ...stored, targets };
    try {
      return { rule, matches: matcherOf(rule), fault: null };
    } catch (error) {
      const fault = messageOf(error);
      onRejectedEvent(name, fault);
      return { rule, matches: () => false, fault };
    }
  }

  /** Envelopes that match any rule. */
  async #enveloped(batch: readonly PlatformEvent[]): Promise<EnvelopedEvent[]> {
    const active = [...this.#rules.values()].filter(({ rule }) => rule.isEnabled && rule.targets.length > 0);
    if (active.length === 0) return [];
    const matched: EnvelopedEvent[] = [];
    for (const event of batch) {
      const envelopes = await this.#options.envelopesOf(event);
      const matching = envelopes.filter((envelope) => active.some(({ matches }) => matches(envelope)));
      matched.push(...matching.map((envelope) => ({ envelope, about: event.subject })));
    }
    return matched;
  }

  async #addJobs(tx: Transaction, envelope: Envelope, about?: string): Promise<void> {
    for (const { rule, matches } of this.#rules.values()) {
      if (rule.isEnabled && matches(envelope)) await this.#addTargets(tx, rule, envelope, about);
    }
  }

  async #addTargets(tx: Transaction, { name, targets }: Rule, envelope: Envelope, about?: string): Promise<void> {
    const { jobs, clock, ruleArn } = this.#options;
    const ingestedAt = new Date(clock.wallMs()).toISOString();
    for (const target of targets) {
      const { id, arn, retry, parameters } = target;
      const body = bodyOf(target, envelope, { ruleName: name, ruleArn: ruleArn(name), ingestedAt });
      const http = target.http === undefined ? undefined : resolveParameters(target.http, envelope);
      await addDelivery(jobs, tx, { rule: name, target: { id, arn, retry }, body, http, parameters, eventId: envelope.id, about });
    }
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
        if (!this.#isStoringDue) continue;
        this.#isStoringDue = false;
        await this.#storeCursor(this.#options.db);
      } catch (error) {
        this.#options.onFailure('rules', error);
        return;
      }
    }
  }

  /** Events arrive in bursts and most match no rule: after a kill those are matched again, instead of storing the cursor for each. */
  async #readEvents(): Promise<void> {
    const { db, jobs, events } = this.#options;
    for (;;) {
      const batch = await events.since(this.#matchedSeq, eventsAtOnce);
      const last = batch.at(-1);
      if (last === undefined) return;
      const matched = await this.#enveloped(batch);
      if (matched.length > 0) {
        await inTransaction(db, async (tx) => {
          for (const { envelope, about } of matched) await this.#addJobs(tx, envelope, about);
          await this.#writeCursor(tx, last.seq);
        });
        this.#storedSeq = last.seq;
        announceDeliveries(jobs);
      }
      this.#matchedSeq = last.seq;
    }
  }

  async #storeCursor(tx: Transaction | Database): Promise<void> {
    const seq = this.#matchedSeq;
    if (this.#storedSeq === seq) return;
    await this.#writeCursor(tx, seq);
    this.#storedSeq = seq;
  }

  async #writeCursor(tx: Transaction | Database, seq: number): Promise<void> {
    await tx.updateTable('cursors').set({ seq }).where('name', '=', cursor).execute();
  }
}

/** A rule that is enabled again does not make up for the due times of the meantime. */
function resumed(rule: Rule, before: Rule | undefined, nowMs: number): Rule {
  if (rule.schedule === undefined || !rule.isEnabled || before?.isEnabled !== false) return rule;
  return { ...rule, schedule: { ...rule.schedule, handledMs: Math.max(rule.schedule.handledMs, nowMs) } };
}

/** Throws for an invalid pattern. A rule with only a schedule matches no event. */
function matcherOf({ pattern, schedule }: Rule): EventPattern {
  return pattern === '' && schedule !== undefined ? () => false : compilePattern(pattern);
}

function bodyOf({ input, inputPath, transformer }: RuleTarget, envelope: Envelope, about: TransformedFor): string {
  if (transformer !== undefined) return transform(transformer, envelope, about);
  if (input !== null) return input;
  return JSON.stringify(compilePath(inputPath ?? '$')?.(envelope) ?? null);
}
