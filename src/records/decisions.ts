/**
 * Decisions of the control loops: inputs, alternatives, reason, expected and actual effect. Decisions are deleted with their endpoint; the
 * events of its changes remain. Those about the cluster have no endpoint.
 */

import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { nameKey } from '../names.ts';
import { type Database, type DecisionsTable, inTransaction, isForeignKeyViolation, type Transaction } from '../storage/index.ts';
import { type DecisionRun, isOrEquals, listRuns } from './decision-runs.ts';
import type { Events, PlatformEvent } from './events.ts';

/** Which control loop decided. */
export type DecisionKind = DecisionsTable['kind'];

/** One envelope for every kind. Members of type `unknown` are JSON and specific to the kind. */
export interface NewDecision {
  readonly kind: DecisionKind;
  /** Null: it is about the cluster, such as the number of hosts of a set. Only a PostgreSQL database stores it. */
  readonly endpoint: string | null;
  /** Empty without an endpoint. */
  readonly variant: string;
  /** What caused the decision: `period`, `deploy`. */
  readonly trigger: string;
  readonly inputs: unknown;
  readonly alternatives: readonly unknown[];
  readonly chosen: unknown;
  /** Short reason for the choice. */
  readonly reason: string;
  /** One sentence for users. */
  readonly explanation: string;
  /** Whether the decision changes anything. Only then is an event recorded, for its endpoint: changes of the cluster have events of their own. */
  readonly changes: boolean;
  /** Only for a decision whose effect nothing will measure. */
  readonly effect?: UnknownEffect;
}

/** A decision that was stored; its event must be published after the commit. */
export interface RecordedDecision {
  readonly made: Decision;
  /** Null if the decision changes nothing, or has no endpoint. */
  readonly event: PlatformEvent | null;
}

/** A stored decision. Its inputs suffice to repeat it. */
export interface Decision extends Omit<NewDecision, 'effect'> {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Measured effect; null until known. */
  readonly effect: unknown;
}

/** Measured effect of an earlier decision. */
export interface Effect {
  readonly id: string;
  readonly effect: unknown;
}

/** Stored if the effect cannot be measured, with the reason. */
export interface UnknownEffect {
  readonly unknown: string;
}

/** Filters and place of a page, newest first. */
export interface DecisionPage {
  /** Null: decisions about the cluster. Default: all. */
  readonly endpoint?: string | null | undefined;
  readonly kind?: DecisionKind | undefined;
  /** True: only decisions that changed something. False: only decisions that did not. Default: all. */
  readonly changes?: boolean | undefined;
  readonly limit: number;
  /** Made at or before this time, epoch milliseconds. */
  readonly untilMs?: number | undefined;
  /** Id of the last decision of the previous page. */
  readonly before?: string | undefined;
}

/** The latest of consecutive decisions without a change, or a decision with one. */
export interface FoldedDecision {
  readonly decision: Decision;
  readonly run: DecisionRun;
}

/** Retained per endpoint, and of the cluster: three and a half days at one decision every 30 s. */
const decisionsPerEndpointMax = 10_000;
/** Old decisions are deleted in batches, so the limit can be exceeded by this many. */
const pruneEvery = 100;

/** Bounded per endpoint: beyond the limit the oldest are deleted. */
export class Decisions {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #retained: number;
  /** By endpoint: decisions recorded since the last pruning. */
  readonly #unpruned = new Map<string | null, number>();

  constructor(db: Database, clock: Clock, events: Events, retained = decisionsPerEndpointMax) {
    this.#db = db;
    this.#clock = clock;
    this.#events = events;
    this.#retained = retained;
  }

  /**
   * Stores a decision, a `decision.made` event if it changes anything, and the effect of the previous decision (`ended`), all in one
   * transaction. Returns null, and stores nothing, if the endpoint was deleted in the meantime.
   */
  async record(decision: NewDecision, ended: Effect | null = null): Promise<Decision | null> {
    const recorded = await inTransaction(this.#db, async (tx) => {
      if (ended !== null) await fill(tx, ended);
      return this.recordIn(tx, decision);
    }).catch((error: unknown) => {
      if (isForeignKeyViolation(error)) return null;
      throw error;
    });
    if (recorded === null) return null;
    if (recorded.event !== null) this.#events.publish(recorded.event);
    return recorded.made;
  }

  /** Like `record`, in the transaction of what the decision changes. The event must be published after the commit. */
  async recordIn(tx: Transaction, decision: NewDecision): Promise<RecordedDecision> {
    const made = { ...decision, id: randomUUID(), atMs: this.#clock.wallMs(), effect: decision.effect ?? null };
    await tx.insertInto('decisions').values(rowOf(made)).execute();
    await this.#prune(tx, keyOf(made.endpoint));
    return { made, event: await this.#recordEvent(tx, made) };
  }

  /** Stores the effect of a decision. Does nothing if the decision was pruned. */
  async fillEffect(ended: Effect): Promise<void> {
    await fill(this.#db, ended);
  }

  /** Marks all open effects of a kind as unknown, with the reason: the component that would have measured them was stopped. */
  async abandonEffects(kind: DecisionKind, why: string): Promise<void> {
    await this.#db
      .updateTable('decisions')
      .set({ effect: JSON.stringify({ unknown: why } satisfies UnknownEffect) })
      .where('kind', '=', kind)
      .where('effect', 'is', null)
      .execute();
  }

  /** Newest first, in recording order. For the next page, pass the last id as `before`. */
  async list({ endpoint, kind, changes, untilMs, limit, before }: DecisionPage): Promise<Decision[]> {
    let query = this.#db.selectFrom('decisions').selectAll().orderBy('seq', 'desc').limit(limit);
    if (endpoint !== undefined) query = query.where('endpoint_key', isOrEquals(endpoint), keyOf(endpoint));
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (changes !== undefined) query = query.where('changes', '=', changes ? 1 : 0);
    if (untilMs !== undefined) query = query.where('at', '<=', Math.floor(untilMs));
    if (before !== undefined) {
      query = query.where('seq', '<', (other) => other.selectFrom('decisions').select('seq').where('id', '=', before));
    }
    return (await query.execute()).map(decisionOf);
  }

  /** Like `list`, with consecutive decisions of a variant without a change as one. The order and the cursor are those of the latest. */
  async listFolded(page: Pick<DecisionPage, 'endpoint' | 'kind' | 'limit' | 'before'>): Promise<FoldedDecision[]> {
    const runs = await listRuns(this.#db, page);
    const ids = runs.map(({ id }) => id);
    if (ids.length === 0) return [];
    const rows = await this.#db.selectFrom('decisions').selectAll().where('id', 'in', ids).execute();
    const byId = new Map(rows.map((row) => [row.id, row]));
    return runs.flatMap((run) => {
      const row = byId.get(run.id);
      return row === undefined ? [] : [{ decision: decisionOf(row), run }]; // deleted in the meantime
    });
  }

  /** Number of retained decisions of an endpoint. */
  async count({ endpoint, kind, changes }: Pick<DecisionPage, 'kind' | 'changes'> & { readonly endpoint: string }): Promise<number> {
    let query = this.#db
      .selectFrom('decisions')
      .select((all) => all.fn.countAll().as('retained'))
      .where('endpoint_key', '=', keyOf(endpoint));
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (changes !== undefined) query = query.where('changes', '=', changes ? 1 : 0);
    return Number((await query.executeTakeFirst())?.retained ?? 0);
  }

  /** Null if the endpoint has no such decision, or it was pruned. */
  async get(endpoint: string, id: string): Promise<Decision | null> {
    const row = await this.#db
      .selectFrom('decisions')
      .selectAll()
      .where('endpoint_key', '=', keyOf(endpoint))
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? null : decisionOf(row);
  }

  /** The latest decision of a variant; null if there is none. */
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

  async #recordEvent(
    tx: Transaction,
    { id, kind, endpoint, variant, trigger, chosen, reason, changes }: Decision,
  ): Promise<PlatformEvent | null> {
    if (!changes || endpoint === null) return null;
    return this.#events.record(tx, { kind: 'decision.made', subject: endpoint, detail: { id, kind, variant, trigger, chosen, reason } });
  }

  async #prune(tx: Transaction, endpointKey: string | null): Promise<void> {
    const unpruned = this.#unpruned.get(endpointKey) ?? pruneEvery; // the number left by an earlier server is unknown, so prune at once
    this.#unpruned.set(endpointKey, (unpruned % pruneEvery) + 1);
    if (unpruned < pruneEvery) return;
    const oldest = await tx
      .selectFrom('decisions')
      .select('seq')
      .where('endpoint_key', isOrEquals(endpointKey), endpointKey)
      .orderBy('seq', 'desc')
      .limit(1)
      .offset(this.#retained)
      .executeTakeFirst();
    if (oldest === undefined) return;
    await tx.deleteFrom('decisions').where('endpoint_key', isOrEquals(endpointKey), endpointKey).where('seq', '<=', oldest.seq).execute();
  }
}

function keyOf(endpoint: string | null): string | null {
  return endpoint === null ? null : nameKey(endpoint);
}

async function fill(db: Database | Transaction, { id, effect }: Effect): Promise<void> {
  await db
    .updateTable('decisions')
    .set({ effect: JSON.stringify(effect) })
    .where('id', '=', id)
    .execute();
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
    effect: made.effect === null ? null : JSON.stringify(made.effect),
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
