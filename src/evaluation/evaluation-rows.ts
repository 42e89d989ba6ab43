/** Stored evaluations, their sets and outcomes. */
import { type Database, inTransaction, isUniqueViolation, type Transaction } from '../storage/index.ts';
import type { Comparison, EvaluationState, StoredEvaluation, StoredOutcomes } from './evaluation.ts';
import type { EvaluationSet } from './evaluation-set.ts';

/** A set with the address of its labels. */
export interface StoredSet extends EvaluationSet {
  readonly labelsSha256: string;
}

type SetDocument = Pick<EvaluationSet, 'format' | 'label' | 'metric' | 'rows' | 'classes' | 'fingerprints'>;
type OutcomesDocument = Pick<StoredOutcomes, 'evaluation' | 'model' | 'classes' | 'quality' | 'notes'>;
interface EvaluationDocument extends Pick<StoredEvaluation, 'candidates' | 'skipsBadLabels' | 'acceptsPending'> {
  readonly pairs: readonly Comparison[];
}

const choicesMax = 10_000;

/** A page of a list, newest first. */
export interface EvaluationPage {
  readonly limit: number;
  readonly offset: number;
}

/** Database queries. Files are in the object store, by their sha256. */
export class EvaluationRows {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async sets({ limit, offset }: EvaluationPage): Promise<StoredSet[]> {
    const rows = await this.#db
      .selectFrom('evaluation_sets')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('name_key')
      .limit(limit)
      .offset(offset)
      .execute();
    return rows.map(setOf);
  }

  async findSet(name: string): Promise<StoredSet | null> {
    const row = await this.#db.selectFrom('evaluation_sets').selectAll().where('name_key', '=', setKeyOf(name)).executeTakeFirst();
    return row === undefined ? null : setOf(row);
  }

  async countSets(): Promise<number> {
    const { count } = await this.#db
      .selectFrom('evaluation_sets')
      .select(({ fn }) => fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  /** Returns whether the set was added; if its name exists, it was not. `hook` runs in the same transaction. */
  async addSet(set: StoredSet, hook: (tx: Transaction) => Promise<void>): Promise<boolean> {
    const { name, sha256, bytes, labelsSha256, format, label, metric, rows, classes, fingerprints, createdBy, createdAtMs } = set;
    const document: SetDocument = { format, label, metric, rows, classes, fingerprints };
    const key = setKeyOf(name);
    const row = { name_key: key, name, sha256, bytes, labels_sha256: labelsSha256, document: JSON.stringify(document) };
    try {
      await inTransaction(this.#db, async (tx) => {
        await tx
          .insertInto('evaluation_sets')
          .values({ ...row, created_by: createdBy, created_at: createdAtMs })
          .execute();
        await addFiles(tx, key, [sha256, labelsSha256, ...(fingerprints === null ? [] : [fingerprints])]);
        await hook(tx);
      });
      return true;
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
  }

  /** Deletes the set with its evaluations and outcomes. Returns the objects that it needed. */
  async removeSet(key: string, hook: (tx: Transaction) => Promise<void>): Promise<readonly string[]> {
    return inTransaction(this.#db, async (tx) => {
      const files = await tx.selectFrom('evaluation_files').select('sha256').where('set_key', '=', key).execute();
      await tx.deleteFrom('evaluation_sets').where('name_key', '=', key).execute();
      await hook(tx);
      return files.map(({ sha256 }) => sha256);
    });
  }

  /** The number of models that answered each set. */
  async usesOf(keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (keys.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('evaluation_outcomes')
      .select(({ fn }) => ['set_key', fn.countAll().as('count')])
      .where('set_key', 'in', keys)
      .groupBy('set_key')
      .execute();
    return new Map(rows.map(({ set_key: key, count }) => [key, Number(count)]));
  }

  /** The number of distinct questions that each set has answered. */
  async choicesOf(keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (keys.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('evaluation_choices')
      .select(({ fn }) => ['set_key', fn.countAll().as('count')])
      .where('set_key', 'in', keys)
      .groupBy('set_key')
      .execute();
    return new Map(rows.map(({ set_key: key, count }) => [key, Number(count)]));
  }

  /** Counts a question once; beyond the limit it is not stored. */
  async addChoice(setKey: string, choice: string): Promise<void> {
    if (((await this.choicesOf([setKey])).get(setKey) ?? 0) >= choicesMax) return;
    await this.#db
      .insertInto('evaluation_choices')
      .values({ set_key: setKey, choice })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** The set with these rows; null if it was deleted. */
  async findSetOf(sha256: string, label: string): Promise<StoredSet | null> {
    const rows = await this.#db.selectFrom('evaluation_sets').selectAll().where('sha256', '=', sha256).execute();
    return rows.map(setOf).find((set) => set.label === label) ?? null;
  }

  /** Does nothing if the artifact already has outcomes: they are the same. */
  async addOutcomes(setKey: string, outcomes: StoredOutcomes): Promise<void> {
    const { artifactKey, sha256, evaluation, model, classes, quality, notes, evaluatedBy, evaluatedAtMs } = outcomes;
    const document: OutcomesDocument = { evaluation, model, classes, quality, notes };
    const row = { set_key: setKey, artifact_key: artifactKey, outcomes_sha256: sha256, document: JSON.stringify(document) };
    await inTransaction(this.#db, async (tx) => {
      await tx
        .insertInto('evaluation_outcomes')
        .values({ ...row, evaluated_by: evaluatedBy, evaluated_at: evaluatedAtMs })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await addFiles(tx, setKey, [sha256]);
    });
  }

  async outcomesOfSet(setKey: string, artifactKeys: readonly string[]): Promise<ReadonlyMap<string, StoredOutcomes>> {
    if (artifactKeys.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('evaluation_outcomes')
      .selectAll()
      .where('set_key', '=', setKey)
      .where('artifact_key', 'in', artifactKeys)
      .execute();
    return new Map(rows.map((row) => [row.artifact_key, outcomesOf(row)]));
  }

  /** By the model's name. */
  async allOutcomes(setKey: string): Promise<StoredOutcomes[]> {
    const rows = await this.#db.selectFrom('evaluation_outcomes').selectAll().where('set_key', '=', setKey).execute();
    return rows.map(outcomesOf).sort((a, b) => (a.model < b.model ? -1 : 1));
  }

  /** All outcomes of an artifact, newest first, with the keys of their sets. */
  async outcomesOfArtifact(artifactKey: string): Promise<(StoredOutcomes & { readonly setKey: string })[]> {
    const rows = await this.#db
      .selectFrom('evaluation_outcomes')
      .selectAll()
      .where('artifact_key', '=', artifactKey)
      .orderBy('evaluated_at', 'desc')
      .execute();
    return rows.map((row) => ({ ...outcomesOf(row), setKey: row.set_key }));
  }

  /** `hook` runs in the same transaction. */
  async add(evaluation: StoredEvaluation, hook: (tx: Transaction) => Promise<void>): Promise<void> {
    const { id, setKey, state, reason, createdBy, createdAtMs, endedAtMs } = evaluation;
    const row = { id, set_key: setKey, state, reason, document: documentOf(evaluation) };
    await inTransaction(this.#db, async (tx) => {
      await tx
        .insertInto('evaluations')
        .values({ ...row, created_by: createdBy, created_at: createdAtMs, ended_at: endedAtMs })
        .execute();
      await hook(tx);
    });
  }

  /** Returns whether it was still in progress; otherwise nothing changes. */
  async update(evaluation: StoredEvaluation): Promise<boolean> {
    const { id, state, reason, endedAtMs } = evaluation;
    const { numUpdatedRows } = await this.#db
      .updateTable('evaluations')
      .set({ state, reason, document: documentOf(evaluation), ended_at: endedAtMs })
      .where('id', '=', id)
      .where('state', '=', 'InProgress')
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async find(id: string): Promise<StoredEvaluation | null> {
    const row = await this.#db.selectFrom('evaluations').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : evaluationOf(row);
  }

  async list({ limit, offset }: EvaluationPage): Promise<StoredEvaluation[]> {
    const rows = await this.#db
      .selectFrom('evaluations')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(limit)
      .offset(offset)
      .execute();
    return rows.map(evaluationOf);
  }

  /** Oldest first. */
  async inProgress(): Promise<StoredEvaluation[]> {
    const rows = await this.#db.selectFrom('evaluations').selectAll().where('state', '=', 'InProgress').orderBy('created_at').execute();
    return rows.map(evaluationOf);
  }
}

/** Names are unique case-insensitively. */
export function setKeyOf(name: string): string {
  return name.toLowerCase();
}

async function addFiles(tx: Transaction, key: string, sha256s: readonly string[]): Promise<void> {
  const rows = [...new Set(sha256s)].map((sha256) => ({ set_key: key, sha256 }));
  await tx
    .insertInto('evaluation_files')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

interface SetRow {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly labels_sha256: string;
  readonly document: string;
  readonly created_by: string;
  readonly created_at: number;
}

function setOf({ name, sha256, bytes, labels_sha256: labelsSha256, document, created_by: createdBy, created_at: at }: SetRow): StoredSet {
  const { fingerprints = null, ...facts } = JSON.parse(document) as Omit<SetDocument, 'fingerprints'> & Partial<SetDocument>;
  return { name, sha256, bytes, labelsSha256, fingerprints, ...facts, createdBy, createdAtMs: at };
}

interface OutcomesRow {
  readonly artifact_key: string;
  readonly outcomes_sha256: string;
  readonly document: string;
  readonly evaluated_by: string;
  readonly evaluated_at: number;
}

function outcomesOf({ artifact_key: artifactKey, outcomes_sha256: sha256, document, ...row }: OutcomesRow): StoredOutcomes {
  const measured = JSON.parse(document) as OutcomesDocument;
  return { artifactKey, sha256, ...measured, evaluatedBy: row.evaluated_by, evaluatedAtMs: row.evaluated_at };
}

interface EvaluationRow {
  readonly id: string;
  readonly set_key: string;
  readonly state: string;
  readonly reason: string | null;
  readonly document: string;
  readonly created_by: string;
  readonly created_at: number;
  readonly ended_at: number | null;
}

function documentOf({ candidates, skipsBadLabels, acceptsPending, pairs }: StoredEvaluation): string {
  const document: EvaluationDocument = { candidates, skipsBadLabels, pairs, ...(acceptsPending === undefined ? {} : { acceptsPending }) };
  return JSON.stringify(document);
}

function evaluationOf({ id, set_key: setKey, reason, document, ...row }: EvaluationRow): StoredEvaluation {
  const state = row.state as EvaluationState;
  const stored = JSON.parse(document) as EvaluationDocument;
  return { id, setKey, state, reason, ...stored, createdBy: row.created_by, createdAtMs: row.created_at, endedAtMs: row.ended_at };
}
