/** Stored tuning jobs and their trials. A restarted server continues from here. */
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import {
  type Database,
  inTransaction,
  isUniqueViolation,
  pageOfJobs,
  type Transaction,
  type TuningJobsTable,
} from '../../storage/index.ts';
import type { TuningCounts, TuningJobFilter, TuningSpec, TuningStatus, TuningTrial } from './tuning-job.ts';

/** The members of a tuning job that change. */
export interface TuningProgress {
  readonly status: TuningStatus;
  readonly reason: string | null;
  readonly endedAtMs: number | null;
  /** Its final status, once all trials have ended. */
  readonly ending: 'Completed' | 'Stopped' | 'Failed' | null;
  /** Counts of its trials, so lists need not read the trials. */
  readonly counts: TuningCounts;
  readonly best: TuningTrial | null;
}

/** A row of a tuning job. */
export interface StoredTuning {
  readonly spec: TuningSpec;
  readonly document: Readonly<Record<string, unknown>> | null;
  readonly trainingDocument: Readonly<Record<string, unknown>> | null;
  readonly createdBy: string;
  readonly progress: TuningProgress;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export class TuningRows {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Throws `already_exists`. */
  async add(tx: Transaction, { spec, progress, createdAtMs, updatedAtMs, ...rest }: StoredTuning): Promise<void> {
    const { document, trainingDocument, createdBy } = rest;
    const row: TuningJobsTable = {
      name_key: nameKey(spec.name),
      name: spec.name,
      state: progress.status,
      document: JSON.stringify({ spec, document, trainingDocument, createdBy }),
      progress: JSON.stringify(progress),
      source_sha256: spec.training.source?.sha256 ?? null,
      created_at: createdAtMs,
      updated_at: updatedAtMs,
    };
    try {
      await tx.insertInto('tuning_jobs').values(row).execute();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const todo = 'choose another name, or delete it';
      throw new PlatformError('already_exists', `tuning job ${spec.name} already exists: ${todo}`, { cause: error });
    }
  }

  async find(name: string, from: Database | Transaction = this.#db): Promise<StoredTuning | null> {
    const row = await from.selectFrom('tuning_jobs').selectAll().where('name_key', '=', nameKey(name)).executeTakeFirst();
    return row === undefined ? null : storedOf(row);
  }

  async write(tx: Transaction, name: string, progress: TuningProgress, nowMs: number): Promise<void> {
    const changed = { state: progress.status, progress: JSON.stringify(progress), updated_at: nowMs };
    await tx.updateTable('tuning_jobs').set(changed).where('name_key', '=', nameKey(name)).execute();
  }

  async remove(tx: Transaction, name: string): Promise<void> {
    await tx.deleteFrom('tuning_trials').where('tuning_key', '=', nameKey(name)).execute();
    await tx.deleteFrom('tuning_jobs').where('name_key', '=', nameKey(name)).execute();
  }

  /** The oldest first. */
  async unfinished(): Promise<StoredTuning[]> {
    const open = this.#db.selectFrom('tuning_jobs').selectAll().where('state', 'in', ['InProgress', 'Stopping']);
    return (await open.orderBy('created_at').orderBy('name_key').execute()).map(storedOf);
  }

  async countUnfinished(tx: Transaction): Promise<number> {
    const open = tx.selectFrom('tuning_jobs').where('state', 'in', ['InProgress', 'Stopping']);
    const { count } = await open.select((row) => row.fn.countAll().as('count')).executeTakeFirstOrThrow();
    return Number(count);
  }

  /** Names that begin with a text, in lower case. */
  async namesLike(prefix: string): Promise<string[]> {
    const from = prefix.toLowerCase();
    const query = this.#db.selectFrom('tuning_jobs').select('name_key').where('name_key', '>=', from);
    const until = `${from.slice(0, -1)}${String.fromCharCode(from.charCodeAt(from.length - 1) + 1)}`;
    return (await query.where('name_key', '<', until).execute()).map((row) => row.name_key);
  }

  async list(filter: TuningJobFilter): Promise<StoredTuning[]> {
    const { status: state, ...page } = filter;
    const rows = await pageOfJobs(this.#db, 'tuning_jobs', { state, ...page });
    return rows.map(storedOf);
  }

  /** In order of their numbers. */
  async trials(name: string, from: Database | Transaction = this.#db): Promise<TuningTrial[]> {
    const query = from.selectFrom('tuning_trials').select('document').where('tuning_key', '=', nameKey(name)).orderBy('number');
    return (await query.execute()).map(({ document }) => JSON.parse(document) as TuningTrial);
  }

  async addTrial(tx: Transaction, name: string, trial: TuningTrial): Promise<void> {
    const row = { tuning_key: nameKey(name), number: trial.number, document: JSON.stringify(trial) };
    await tx.insertInto('tuning_trials').values(row).execute();
  }

  async writeTrial(name: string, trial: TuningTrial): Promise<void> {
    const update = this.#db.updateTable('tuning_trials').set({ document: JSON.stringify(trial) });
    await update.where('tuning_key', '=', nameKey(name)).where('number', '=', trial.number).execute();
  }

  /** Runs in one transaction. */
  transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return inTransaction(this.#db, run);
  }
}

function storedOf(row: TuningJobsTable): StoredTuning {
  const { spec, document, trainingDocument, createdBy } = JSON.parse(row.document) as StoredTuning;
  const progress = JSON.parse(row.progress) as TuningProgress;
  const times = { createdAtMs: Number(row.created_at), updatedAtMs: Number(row.updated_at) };
  return { spec, document, trainingDocument, createdBy, progress, ...times };
}
