/** Stored training jobs. A restarted server continues from here. */
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import {
  type Database,
  inTransaction,
  isUniqueViolation,
  jobSortKey,
  pageOfJobs,
  type TrainingJobsTable,
  type Transaction,
} from '../storage/index.ts';
import { nextTurn } from '../threads/index.ts';
import type { TaskEnding } from './attempts/failure-reason.ts';
import { jobKindOf, jobNameOf, processingPrefix } from './job-kind.ts';
import { type TrainingSpec, trainingDefaults } from './spec.ts';
import { newLife, type StopCause, type TrainingLife } from './status.ts';
import type { ChannelFacts, TrainingJobFilter, TrainingMetricValue, TrainingUsage } from './training-job.ts';

const rowsAtOnce = 20;

/** Everything that changes while a job runs. */
export interface TrainingProgress extends TrainingLife {
  /** Counts from 1. */
  readonly attempt: number;
  /** Tasks that the platform lost. Interruptions are not counted. */
  readonly lost: number;
  readonly stopCause: StopCause | null;
  /** How the script ended; null while it runs. */
  readonly ending: TaskEnding | null;
  /** Decided when the script has ended, shown when the job has ended. */
  readonly failureReason: string | null;
  readonly metrics: readonly TrainingMetricValue[];
  readonly artifactUri: string | null;
  readonly usage: TrainingUsage | null;
  readonly notes: readonly string[];
  /** What a processing job wrote to `/opt/ml/output/message`. */
  readonly exitMessage?: string;
  /** The host that runs the current attempt; null or absent: the machine of the server. */
  readonly host?: string | null;
  /** The name of that machine in its cluster, and why it runs there: null or absent without a cluster, and before it is chosen. */
  readonly machine?: string | null;
  readonly placedBecause?: string | null;
  readonly data: Readonly<Record<string, ChannelFacts>>;
  readonly codeSha256: string | null;
  readonly environmentLock: string | null;
}

/** The progress of a new job. */
export function newProgress(nowMs: number): TrainingProgress {
  return {
    ...newLife(nowMs),
    attempt: 1,
    lost: 0,
    stopCause: null,
    ending: null,
    failureReason: null,
    metrics: [],
    artifactUri: null,
    usage: null,
    notes: [],
    data: {},
    codeSha256: null,
    environmentLock: null,
  };
}

/** A row of a job. `document` is the AWS request, null for other jobs. */
export interface StoredTraining {
  readonly spec: TrainingSpec;
  readonly document: Readonly<Record<string, unknown>> | null;
  readonly createdBy: string;
  readonly progress: TrainingProgress;
  readonly version: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

interface StoredDocument {
  readonly spec: TrainingSpec;
  readonly document: Readonly<Record<string, unknown>> | null;
  readonly createdBy: string;
}

export class TrainingRows {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Throws `already_exists`. */
  async add(tx: Transaction, { spec, document, createdBy }: StoredDocument, progress: TrainingProgress, nowMs: number): Promise<void> {
    const stored: StoredDocument = { spec, document, createdBy };
    const row: TrainingJobsTable = {
      name_key: nameKey(spec.name),
      name: spec.name,
      state: progress.status,
      document: JSON.stringify(stored),
      progress: JSON.stringify(progress),
      source_sha256: spec.source?.sha256 ?? null,
      group_key: spec.group === null ? null : nameKey(spec.group),
      version: null,
      created_at: nowMs,
      updated_at: nowMs,
    };
    try {
      await tx.insertInto('training_jobs').values(row).execute();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const todo = 'choose another name, or delete it';
      throw new PlatformError('already_exists', `${jobKindOf(spec.name)} job ${jobNameOf(spec.name)} already exists: ${todo}`, {
        cause: error,
      });
    }
  }

  async find(name: string, from: Database | Transaction = this.#db): Promise<StoredTraining | null> {
    const row = await from.selectFrom('training_jobs').selectAll().where('name_key', '=', nameKey(name)).executeTakeFirst();
    return row === undefined ? null : storedOf(row);
  }

  /** Returns false if the job was deleted. */
  async write(tx: Database | Transaction, name: string, progress: TrainingProgress, nowMs: number): Promise<boolean> {
    const changed = { state: progress.status, progress: JSON.stringify(progress), updated_at: nowMs };
    const update = tx.updateTable('training_jobs').set(changed).where('name_key', '=', nameKey(name));
    return (await update.executeTakeFirst()).numUpdatedRows > 0n;
  }

  async writeDocument(tx: Transaction, { spec, document, createdBy }: StoredDocument, nowMs: number): Promise<void> {
    const stored: StoredDocument = { spec, document, createdBy };
    const changed = { document: JSON.stringify(stored), updated_at: nowMs };
    await tx.updateTable('training_jobs').set(changed).where('name_key', '=', nameKey(spec.name)).execute();
  }

  /** Returns false if the job already has a version. Runs in the transaction that registers the version. */
  async setVersion(tx: Transaction, name: string, version: string): Promise<boolean> {
    const update = tx.updateTable('training_jobs').set({ version }).where('name_key', '=', nameKey(name)).where('version', 'is', null);
    return (await update.executeTakeFirst()).numUpdatedRows > 0n;
  }

  async remove(tx: Transaction, name: string): Promise<boolean> {
    const { numDeletedRows } = await tx.deleteFrom('training_jobs').where('name_key', '=', nameKey(name)).executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** The oldest first, read in parts: a job can have half a megabyte of hyperparameters, and as much in the request that created it. */
  async *unfinished(): AsyncGenerator<StoredTraining> {
    let after: readonly [number, string] = [-1, ''];
    for (;;) {
      const open = this.#db.selectFrom('training_jobs').selectAll().where('state', 'in', ['InProgress', 'Stopping']);
      const later = open.where((row) => row(row.refTuple('created_at', 'name_key'), '>', row.tuple(after[0], after[1])));
      const rows = await later.orderBy('created_at').orderBy('name_key').limit(rowsAtOnce).execute();
      for (const row of rows) yield storedOf(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < rowsAtOnce) return;
      after = [Number(last.created_at), last.name_key];
      await nextTurn();
    }
  }

  async countUnfinished(from: Database | Transaction): Promise<number> {
    const open = from.selectFrom('training_jobs').where('state', 'in', ['InProgress', 'Stopping']);
    const { count } = await open.select((row) => row.fn.countAll().as('count')).executeTakeFirstOrThrow();
    return Number(count);
  }

  /** Names of the jobs that begin with a text, in lower case. */
  async namesLike(prefix: string): Promise<string[]> {
    const from = prefix.toLowerCase();
    const until = `${from.slice(0, -1)}${String.fromCharCode(from.charCodeAt(from.length - 1) + 1)}`;
    const query = this.#db.selectFrom('training_jobs').select('name_key').where('name_key', '>=', from).where('name_key', '<', until);
    return (await query.execute()).map((row) => row.name_key);
  }

  /** Read in parts, as `unfinished`. */
  async list({ status: state, kind = 'training', ...filter }: TrainingJobFilter): Promise<StoredTraining[]> {
    const prefix = { text: processingPrefix, has: kind === 'processing' };
    const found: StoredTraining[] = [];
    for (let page = filter; found.length < filter.limit; ) {
      const limit = Math.min(rowsAtOnce, filter.limit - found.length);
      const rows = await pageOfJobs(this.#db, 'training_jobs', { ...page, state, prefix, limit });
      found.push(...rows.map(storedOf));
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) break;
      const job = { name: last.name, createdAtMs: Number(last.created_at), state: last.state };
      page = { ...filter, offset: 0, after: jobSortKey(job, filter.sortBy ?? 'created_at') };
      await nextTurn();
    }
    return found;
  }

  /** Runs in one transaction. */
  transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return inTransaction(this.#db, run);
  }
}

function storedOf(row: TrainingJobsTable): StoredTraining {
  const { spec, document, createdBy } = JSON.parse(row.document) as StoredDocument;
  return {
    spec: { ...trainingDefaults, ...spec },
    document,
    createdBy,
    progress: JSON.parse(row.progress) as TrainingProgress,
    version: row.version,
    createdAtMs: Number(row.created_at),
    updatedAtMs: Number(row.updated_at),
  };
}
