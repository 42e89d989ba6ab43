/**
 * What the slow loops decided, from what, why, what it was to bring and what it brought. A decision explains an
 * endpoint that is there, so it goes with it; the events of its changes stay.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Database, type DecisionsTable, inTransaction, isForeignKeyViolation, type Transaction } from '../storage/index.ts';
import type { Events, NewEvent } from './records/events.ts';

export type DecisionKind = DecisionsTable['kind'];

/** One envelope for every kind; what is unknown here is anything that JSON can hold, and belongs to the kind. */
export interface NewDecision {
  readonly kind: DecisionKind;
  readonly endpoint: string;
  readonly variant: string;
  /** Why it was asked for: `period`, `deploy`. */
  readonly trigger: string;
  readonly inputs: unknown;
  readonly alternatives: readonly unknown[];
  readonly chosen: unknown;
  /** In a few words: why this one. */
  readonly reason: string;
  /** In a sentence, for people. */
  readonly explanation: string;
  /** Whether anything is different from now on: only then it is told as an event. */
  readonly changes: boolean;
}

export interface Decision extends NewDecision {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** What came of it; null until that is known. */
  readonly effect: unknown;
}

/** What came of an earlier decision. */
export interface Effect {
  readonly id: string;
  readonly effect: unknown;
}

/** In place of an effect that nobody could measure: why. */
export interface UnknownEffect {
  readonly unknown: string;
}

export interface DecisionPage {
  /** Those of all endpoints unless given. */
  readonly endpoint?: string | undefined;
  readonly kind?: DecisionKind | undefined;
  /** Only those that made something different, or only those that did not; all unless given. */
  readonly changes?: boolean | undefined;
  readonly limit: number;
  /** Made by then, epoch milliseconds. */
  readonly untilMs?: number | undefined;
  /** The id of the last decision of the page before. */
  readonly before?: string | undefined;
}

/** Of each endpoint so many are kept: three and a half days at one every 30 s. */
const keptPerEndpoint = 10_000;
/** Old ones are cleared away now and then: so many more may be there. */
const clearEvery = 100;

export class Decisions {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #kept: number;
  /** By endpoint: decisions recorded since old ones were cleared away. */
  readonly #uncleared = new Map<string, number>();

  constructor(db: Database, clock: Clock, events: Events, kept = keptPerEndpoint) {
    this.#db = db;
    this.#clock = clock;
    this.#events = events;
    this.#kept = kept;
  }

  /**
   * Keeps a decision and, where it changes anything, an event `decision.made`; with `ended` what came of the one before,
   * all in one transaction. null where the endpoint has gone meanwhile: then nothing is kept.
   */
  async record(decision: NewDecision, ended: Effect | null = null): Promise<Decision | null> {
    const made = { ...decision, id: randomUUID(), atMs: this.#clock.wallMs(), effect: null };
    const event = await inTransaction(this.#db, async (tx) => {
      if (ended !== null) await fill(tx, ended);
      await tx.insertInto('decisions').values(rowOf(made)).execute();
      await this.#clear(tx, keyOf(made.endpoint));
      return made.changes ? this.#events.record(tx, eventOf(made)) : null;
    }).catch((error: unknown) => {
      if (isForeignKeyViolation(error)) return undefined;
      throw error;
    });
    if (event === undefined) return null;
    if (event !== null) this.#events.publish(event);
    return made;
  }

  /** What came of a decision; of one that is not kept any more, nobody wants to know. */
  async fillEffect(ended: Effect): Promise<void> {
    await fill(this.#db, ended);
  }

  /**
   * Nobody will know any more what came of the decisions of a kind whose effect is open: whoever was to measure it has gone. It is
   * said of each, and why.
   */
  async giveUpEffects(kind: DecisionKind, why: string): Promise<void> {
    await this.#db
      .updateTable('decisions')
      .set({ effect: JSON.stringify({ unknown: why } satisfies UnknownEffect) })
      .where('kind', '=', kind)
      .where('effect', 'is', null)
      .execute();
  }

  /** Newest first, in the order in which they were made; to read on, give the last id as `before`. */
  async list({ endpoint, kind, changes, untilMs, limit, before }: DecisionPage): Promise<Decision[]> {
    let query = this.#db.selectFrom('decisions').selectAll().orderBy('seq', 'desc').limit(limit);
    if (endpoint !== undefined) query = query.where('endpoint_key', '=', keyOf(endpoint));
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (changes !== undefined) query = query.where('changes', '=', changes ? 1 : 0);
    if (untilMs !== undefined) query = query.where('at', '<=', Math.floor(untilMs));
    if (before !== undefined) {
      query = query.where('seq', '<', (other) => other.selectFrom('decisions').select('seq').where('id', '=', before));
    }
    return (await query.execute()).map(decisionOf);
  }

  /** How many of an endpoint are kept. */
  async count({ endpoint, kind, changes }: Pick<DecisionPage, 'kind' | 'changes'> & { readonly endpoint: string }): Promise<number> {
    let query = this.#db
      .selectFrom('decisions')
      .select((all) => all.fn.countAll().as('kept'))
      .where('endpoint_key', '=', keyOf(endpoint));
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (changes !== undefined) query = query.where('changes', '=', changes ? 1 : 0);
    return Number((await query.executeTakeFirst())?.kept ?? 0);
  }

  /** null where the endpoint has no such decision, or has it no more. */
  async get(endpoint: string, id: string): Promise<Decision | null> {
    const row = await this.#db
      .selectFrom('decisions')
      .selectAll()
      .where('endpoint_key', '=', keyOf(endpoint))
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? null : decisionOf(row);
  }

  /** The last one of a variant; null where there is none. */
  async latest(endpoint: string, variant: string, kind: DecisionKind): Promise<Decision | null> {
    const row = await this.#db
      .selectFrom('decisions')
      .selectAll()
      .where('endpoint_key', '=', keyOf(endpoint))
      .where('variant', '=', variant)
      .where('kind', '=', kind)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : decisionOf(row);
  }

  async #clear(tx: Transaction, endpointKey: string): Promise<void> {
    const uncleared = this.#uncleared.get(endpointKey) ?? clearEvery; // how many an earlier server left is not known
    this.#uncleared.set(endpointKey, (uncleared % clearEvery) + 1);
    if (uncleared < clearEvery) return;
    const oldest = await tx
      .selectFrom('decisions')
      .select('seq')
      .where('endpoint_key', '=', endpointKey)
      .orderBy('seq', 'desc')
      .limit(1)
      .offset(this.#kept)
      .executeTakeFirst();
    if (oldest === undefined) return;
    await tx.deleteFrom('decisions').where('endpoint_key', '=', endpointKey).where('seq', '<=', oldest.seq).execute();
  }
}

function keyOf(endpoint: string): string {
  return endpoint.toLowerCase();
}

async function fill(db: Database | Transaction, { id, effect }: Effect): Promise<void> {
  await db
    .updateTable('decisions')
    .set({ effect: JSON.stringify(effect) })
    .where('id', '=', id)
    .execute();
}

function eventOf({ id, kind, endpoint, variant, trigger, chosen, reason }: Decision): NewEvent {
  return { kind: 'decision.made', subject: endpoint, detail: { id, kind, variant, trigger, chosen, reason } };
}

type DecisionRow = Omit<DecisionsTable, 'seq'>;

function rowOf(made: Decision): DecisionRow {
  const { id, atMs, kind, endpoint, variant, trigger, reason, explanation } = made;
  return {
    id,
    at: atMs,
    kind,
    endpoint_key: keyOf(endpoint),
    endpoint,
    variant,
    trigger,
    changes: made.changes ? 1 : 0,
    inputs: JSON.stringify(made.inputs),
    alternatives: JSON.stringify(made.alternatives),
    chosen: JSON.stringify(made.chosen),
    reason,
    explanation,
    effect: null,
  };
}

function decisionOf({ id, at, kind, endpoint, variant, trigger, reason, explanation, ...row }: DecisionRow): Decision {
  return {
    id,
    atMs: at,
    kind,
    endpoint,
    variant,
    trigger,
    changes: row.changes === 1,
    inputs: JSON.parse(row.inputs) as unknown,
    alternatives: JSON.parse(row.alternatives) as unknown[],
    chosen: JSON.parse(row.chosen) as unknown,
    reason,
    explanation,
    effect: row.effect === null ? null : (JSON.parse(row.effect) as unknown),
  };
}
