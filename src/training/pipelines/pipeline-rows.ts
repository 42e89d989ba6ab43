/** Stored pipelines, their revisions and runs. A restarted server continues from here. */
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { type Database, inTransaction, type PipelineRunsTable, type Transaction } from '../../storage/index.ts';
import type { Pipeline, PipelineGit, PipelineRun, PipelineTrigger } from './pipeline.ts';
import type { PipelineSpec } from './pipeline-spec.ts';

interface StoredRevision {
  readonly spec: PipelineSpec;
  readonly git: PipelineGit | null;
}

/** The contents of one apply. */
export interface AppliedFile extends StoredRevision {
  readonly file: string;
  readonly sourceSha256: string | null;
  readonly who: string;
}

interface RunPage {
  readonly limit: number;
  readonly offset?: number;
}

/** Older revisions are deleted, except those of runs in progress. */
const revisionsMax = 50;
const runsMax = 1000;
const cursorName = 'pipelines';

export class PipelineRows {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return inTransaction(this.#db, run);
  }

  async find(name: string, from: Database | Transaction = this.#db): Promise<Pipeline | null> {
    const row = await pipelinesIn(from).where('p.name_key', '=', nameKey(name)).executeTakeFirst();
    return row === undefined ? null : pipelineOf(row);
  }

  /** By name. */
  async list({ limit, offset = 0 }: RunPage): Promise<Pipeline[]> {
    return (await pipelinesIn(this.#db).orderBy('p.name_key').limit(limit).offset(offset).execute()).map(pipelineOf);
  }

  async count(tx: Transaction): Promise<number> {
    const row = await tx
      .selectFrom('pipelines')
      .select((all) => all.fn.countAll().as('count'))
      .executeTakeFirst();
    return Number(row?.count ?? 0);
  }

  /** Adds a revision; the first one also adds the pipeline. Returns its number, and the archives that no revision uses now. */
  async apply(
    tx: Transaction,
    { spec, git, file, sourceSha256, who }: AppliedFile,
    nowMs: number,
  ): Promise<{ revision: number; dropped: string[] }> {
    const key = nameKey(spec.name);
    const known = await this.find(spec.name, tx);
    const revision = (known?.revision ?? 0) + 1;
    if (known === null) {
      await expectNoOther(tx, spec.name);
      const row = {
        name_key: key,
        name: spec.name,
        revision,
        is_enabled: 1,
        waiting: null,
        schedule_handled_at: nowMs,
        last_started_at: null,
      };
      await tx
        .insertInto('pipelines')
        .values({ ...row, created_at: nowMs, updated_at: nowMs })
        .execute();
    } else {
      // Due times of a changed schedule count from now on.
      const handled = known.spec.on.schedule === spec.on.schedule ? {} : { schedule_handled_at: nowMs };
      await tx
        .updateTable('pipelines')
        .set({ revision, updated_at: nowMs, ...handled })
        .where('name_key', '=', key)
        .execute();
    }
    const document = JSON.stringify({ spec, git } satisfies StoredRevision);
    const row = { name_key: key, revision, file, document, source_sha256: sourceSha256, applied_by: who, applied_at: nowMs };
    await tx.insertInto('pipeline_revisions').values(row).execute();
    return { revision, dropped: await this.#pruneRevisions(tx, key, revision - revisionsMax) };
  }

  /** The spec of a revision as a run uses it; null if it was deleted. */
  async revision(name: string, revision: number): Promise<Pick<Pipeline, 'spec' | 'git' | 'sourceSha256' | 'appliedBy'> | null> {
    const row = await this.#db
      .selectFrom('pipeline_revisions')
      .selectAll()
      .where('name_key', '=', nameKey(name))
      .where('revision', '=', revision)
      .executeTakeFirst();
    if (row === undefined) return null;
    return { ...(JSON.parse(row.document) as StoredRevision), sourceSha256: row.source_sha256, appliedBy: row.applied_by };
  }

  async setEnabled(tx: Transaction, name: string, isEnabled: boolean, nowMs: number): Promise<void> {
    // A pipeline that is enabled again does not run for missed times.
    const change = isEnabled ? { is_enabled: 1, schedule_handled_at: nowMs } : { is_enabled: 0, waiting: null };
    await tx
      .updateTable('pipelines')
      .set({ ...change, updated_at: nowMs })
      .where('name_key', '=', nameKey(name))
      .execute();
  }

  async setWaiting(tx: Transaction, name: string, waiting: PipelineTrigger | null, handledMs?: number): Promise<void> {
    const handled = handledMs === undefined ? {} : { schedule_handled_at: handledMs };
    const change = { waiting: waiting === null ? null : JSON.stringify(waiting), ...handled };
    await tx.updateTable('pipelines').set(change).where('name_key', '=', nameKey(name)).execute();
  }

  /** Deletes a pipeline with its revisions and runs. Returns the archives of its code. */
  async remove(tx: Transaction, name: string): Promise<string[]> {
    const key = nameKey(name);
    const sources = await tx.selectFrom('pipeline_revisions').select('source_sha256').distinct().where('name_key', '=', key).execute();
    await tx.deleteFrom('pipelines').where('name_key', '=', key).execute();
    return sources.flatMap(({ source_sha256: sha256 }) => sha256 ?? []);
  }

  /** The next number of a run, in the transaction that adds it. */
  async nextNumber(tx: Transaction, name: string): Promise<number> {
    const row = await tx
      .selectFrom('pipeline_runs')
      .select((all) => all.fn.max('number').as('last'))
      .where('name_key', '=', nameKey(name))
      .executeTakeFirst();
    return Number(row?.last ?? 0) + 1;
  }

  /** Adds a run for the waiting trigger. */
  async addRun(tx: Transaction, run: PipelineRun): Promise<void> {
    const key = nameKey(run.pipeline);
    await tx
      .insertInto('pipeline_runs')
      .values({ name_key: key, ...rowOf(run) })
      .execute();
    await addUse(tx, run);
    await tx.updateTable('pipelines').set({ waiting: null, last_started_at: run.startedAtMs }).where('name_key', '=', key).execute();
    await tx
      .deleteFrom('pipeline_runs')
      .where('name_key', '=', key)
      .where('number', '<=', run.number - runsMax)
      .execute();
  }

  async updateRun(tx: Transaction | Database, run: PipelineRun): Promise<void> {
    await tx
      .updateTable('pipeline_runs')
      .set(rowOf(run))
      .where('name_key', '=', nameKey(run.pipeline))
      .where('number', '=', run.number)
      .execute();
    await addUse(tx, run);
  }

  async run(name: string, number: number): Promise<PipelineRun | null> {
    const row = await this.#db
      .selectFrom('pipeline_runs')
      .selectAll()
      .where('name_key', '=', nameKey(name))
      .where('number', '=', number)
      .executeTakeFirst();
    return row === undefined ? null : runOf(row);
  }

  /** The newest first. */
  async runs(name: string, { limit, offset = 0 }: RunPage): Promise<PipelineRun[]> {
    const rows = this.#db.selectFrom('pipeline_runs').selectAll().where('name_key', '=', nameKey(name));
    return (await rows.orderBy('number', 'desc').limit(limit).offset(offset).execute()).map(runOf);
  }

  async unfinished(): Promise<PipelineRun[]> {
    return (await this.#db.selectFrom('pipeline_runs').selectAll().where('state', '=', 'InProgress').execute()).map(runOf);
  }

  /** Tests that were made on the same rows before, by all pipelines, also by those that were deleted. */
  async usesOf(holdout: string, except: UseOfRun | null): Promise<number> {
    let query = this.#db
      .selectFrom('holdout_uses')
      .select((all) => all.fn.countAll().as('count'))
      .where('holdout', '=', holdout);
    if (except !== null) query = query.where('run', '!=', useOf(except));
    return Number((await query.executeTakeFirst())?.count ?? 0);
  }

  /** The sequence number up to which events were matched; initially `seq`. */
  async cursor(seq: number): Promise<number> {
    await this.#db
      .insertInto('cursors')
      .values({ name: cursorName, seq })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    const row = await this.#db.selectFrom('cursors').select('seq').where('name', '=', cursorName).executeTakeFirstOrThrow();
    return Number(row.seq);
  }

  async setCursor(tx: Transaction | null, seq: number): Promise<void> {
    await (tx ?? this.#db).updateTable('cursors').set({ seq }).where('name', '=', cursorName).execute();
  }

  async #pruneRevisions(tx: Transaction, key: string, last: number): Promise<string[]> {
    const used = tx.selectFrom('pipeline_runs').select('revision').where('name_key', '=', key).where('state', '=', 'InProgress');
    const old = await tx
      .deleteFrom('pipeline_revisions')
      .where('name_key', '=', key)
      .where('revision', '<=', last)
      .where('revision', 'not in', used)
      .returning('source_sha256')
      .execute();
    return [...new Set(old.flatMap(({ source_sha256: sha256 }) => sha256 ?? []))];
  }
}

/** Rules start a pipeline by its name, whichever API defined it. Throws `already_exists`. */
async function expectNoOther(tx: Transaction, name: string): Promise<void> {
  const documents = tx.selectFrom('aws_documents').select('name').where('kind', '=', 'pipeline').where('name_key', '=', nameKey(name));
  if ((await documents.executeTakeFirst()) === undefined) return;
  throw new PlatformError(
    'already_exists',
    `there is a pipeline ${name} of the AWS API (CreatePipeline): choose another name, or delete it there`,
  );
}

type UseOfRun = Pick<PipelineRun, 'pipeline' | 'number' | 'startedAtMs'>;

function useOf({ pipeline, number, startedAtMs }: UseOfRun): string {
  return `${nameKey(pipeline)}/${number}/${startedAtMs}`;
}

/** Records that the run uses the rows of its holdout. Repeating it changes nothing. */
async function addUse(db: Transaction | Database, run: PipelineRun): Promise<void> {
  if (run.holdout === null) return;
  const use = { holdout: run.holdout.set, run: useOf(run) };
  await db
    .insertInto('holdout_uses')
    .values(use)
    .onConflict((conflict) => conflict.columns(['holdout', 'run']).doNothing())
    .execute();
}

function pipelinesIn(db: Database | Transaction) {
  return db
    .selectFrom('pipelines as p')
    .innerJoin('pipeline_revisions as r', (join) => join.onRef('r.name_key', '=', 'p.name_key').onRef('r.revision', '=', 'p.revision'))
    .select(['p.name', 'p.revision', 'p.is_enabled', 'p.waiting', 'p.schedule_handled_at', 'p.last_started_at', 'p.created_at'])
    .select(['r.file', 'r.document', 'r.source_sha256', 'r.applied_by', 'r.applied_at']);
}

type PipelineRow = Awaited<ReturnType<ReturnType<typeof pipelinesIn>['executeTakeFirstOrThrow']>>;

function pipelineOf(row: PipelineRow): Pipeline {
  return {
    ...(JSON.parse(row.document) as StoredRevision),
    name: row.name,
    file: row.file,
    sourceSha256: row.source_sha256,
    revision: row.revision,
    appliedBy: row.applied_by,
    appliedAtMs: Number(row.applied_at),
    isEnabled: row.is_enabled === 1,
    waiting: row.waiting === null ? null : (JSON.parse(row.waiting) as PipelineTrigger),
    scheduleHandledMs: Number(row.schedule_handled_at),
    lastStartedAtMs: row.last_started_at === null ? null : Number(row.last_started_at),
    createdAtMs: Number(row.created_at),
  };
}

function rowOf(run: PipelineRun): Omit<PipelineRunsTable, 'name_key'> {
  return {
    number: run.number,
    revision: run.revision,
    state: run.state,
    document: JSON.stringify(run),
    holdout: run.holdout?.set ?? null,
    started_at: run.startedAtMs,
    ended_at: run.endedAtMs,
  };
}

function runOf({ document }: PipelineRunsTable): PipelineRun {
  return JSON.parse(document) as PipelineRun;
}
