/** Stored transforms and their objects; a restarted server resumes from here. */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { type Database, inTransaction, isUniqueViolation, type JobFilter, pageOfJobs, type Transaction } from '../../storage/index.ts';
import type { TransformSpec, TransformState } from './transform-job.ts';

/** A transform without its objects. */
export interface StoredTransform {
  readonly spec: TransformSpec;
  readonly state: TransformState;
  readonly reason: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly batchRows: number | null;
}

/** A row of one object, with the checkpoint to continue from. */
export interface StoredTransformObject {
  readonly position: number;
  /** Path relative to the folder of the input. */
  readonly name: string;
  readonly bytes: number;
  readonly state: 'waiting' | 'done' | 'failed';
  readonly records: number;
  readonly skipped: number;
  readonly note: string | null;
  readonly checkpoint: string | null;
}

/** Sums over the objects of a transform. */
export interface Totals {
  readonly objects: number;
  readonly objectsDone: number;
  readonly objectsFailed: number;
  readonly records: number;
  readonly skipped: number;
  readonly bytes: number;
  readonly bytesDone: number;
}

/** Which transforms a list has. */
export interface TransformFilter extends JobFilter {
  readonly state?: TransformState | undefined;
}

interface Document {
  readonly spec: TransformSpec;
  readonly batchRows: number | null;
}

/** Rows per insert statement. */
const rowsAtOnce = 100;

export class TransformRows {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** `hook` runs in the same transaction. Throws `already_exists`. */
  async add(spec: TransformSpec, hook: (tx: Transaction) => Promise<void>): Promise<void> {
    const now = this.#clock.wallMs();
    const document: Document = { spec, batchRows: null };
    const times = { created_at: now, updated_at: now, started_at: null, ended_at: null };
    const row = { name_key: keyOf(spec.name), name: spec.name, state: 'InProgress', document: JSON.stringify(document), reason: null };
    try {
      await inTransaction(this.#db, async (tx) => {
        await tx
          .insertInto('transforms')
          .values({ ...row, ...times })
          .execute();
        await hook(tx);
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new PlatformError('already_exists', `transform ${spec.name} already exists: choose another name`, { cause: error });
    }
  }

  async find(name: string): Promise<StoredTransform | null> {
    const row = await this.#db.selectFrom('transforms').selectAll().where('name_key', '=', keyOf(name)).executeTakeFirst();
    return row === undefined ? null : storedTransformOf(row);
  }

  async list(filter: TransformFilter): Promise<StoredTransform[]> {
    return (await pageOfJobs(this.#db, 'transforms', filter)).map(storedTransformOf);
  }

  /** Changes the state if it is currently one of `from`. Returns whether it changed. */
  async turn(name: string, from: readonly TransformState[], to: TransformState, reason: string | null = null): Promise<boolean> {
    const now = this.#clock.wallMs();
    const isOver = to !== 'InProgress' && to !== 'Stopping';
    const { numUpdatedRows } = await this.#db
      .updateTable('transforms')
      .set({ state: to, reason, updated_at: now, ended_at: isOver ? now : null })
      .where('name_key', '=', keyOf(name))
      .where('state', 'in', from)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async started(name: string): Promise<void> {
    const now = this.#clock.wallMs();
    await this.#db
      .updateTable('transforms')
      .set({ started_at: now, updated_at: now })
      .where('name_key', '=', keyOf(name))
      .where('started_at', 'is', null)
      .execute();
  }

  async choseRows(spec: TransformSpec, batchRows: number): Promise<void> {
    const document: Document = { spec, batchRows };
    await this.#db
      .updateTable('transforms')
      .set({ document: JSON.stringify(document) })
      .where('name_key', '=', keyOf(spec.name))
      .execute();
  }

  /** Stores the list in one transaction, so that a stored list is always complete. */
  async addObjects(name: string, objects: readonly { readonly name: string; readonly bytes: number }[]): Promise<void> {
    const none = { state: 'waiting', records: 0, skipped: 0, note: null, checkpoint: null };
    const rows = objects.map((object, position) => ({ transform_key: keyOf(name), position, ...object, ...none }));
    await inTransaction(this.#db, async (tx) => {
      for (let at = 0; at < rows.length; at += rowsAtOnce) {
        await tx
          .insertInto('transform_objects')
          .values(rows.slice(at, at + rowsAtOnce))
          .execute();
      }
    });
  }

  async objects(
    name: string,
    { after = -1, limit }: { readonly after?: number; readonly limit: number },
  ): Promise<StoredTransformObject[]> {
    const rows = await this.#db
      .selectFrom('transform_objects')
      .selectAll()
      .where('transform_key', '=', keyOf(name))
      .where('position', '>', after)
      .orderBy('position')
      .limit(limit)
      .execute();
    return rows.map(objectOf);
  }

  /** Stores the outcome of an object, optionally within another transaction. */
  async settle(
    name: string,
    position: number,
    outcome: Pick<StoredTransformObject, 'state' | 'records' | 'skipped' | 'note'>,
    within: Transaction | Database = this.#db,
  ): Promise<void> {
    await within
      .updateTable('transform_objects')
      .set({ ...outcome, checkpoint: null })
      .where('transform_key', '=', keyOf(name))
      .where('position', '=', position)
      .execute();
  }

  async checkpoint(name: string, position: number, checkpoint: string): Promise<void> {
    await this.#db
      .updateTable('transform_objects')
      .set({ checkpoint })
      .where('transform_key', '=', keyOf(name))
      .where('position', '=', position)
      .execute();
  }

  /** Resets failed objects for another attempt. */
  async retryFailed(name: string): Promise<void> {
    await this.#db
      .updateTable('transform_objects')
      .set({ state: 'waiting', note: null, records: 0, skipped: 0 })
      .where('transform_key', '=', keyOf(name))
      .where('state', '=', 'failed')
      .execute();
  }

  /** Sums over the objects of a transform. Records count once their object is done, bytes also if it failed. */
  async totals(name: string): Promise<Totals> {
    const rows = await this.#db
      .selectFrom('transform_objects')
      .select(({ fn }) => [
        'state',
        fn.countAll().as('objects'),
        fn.sum('records').as('records'),
        fn.sum('skipped').as('skipped'),
        fn.sum('bytes').as('bytes'),
      ])
      .where('transform_key', '=', keyOf(name))
      .groupBy('state')
      .execute();
    const sum = (column: 'objects' | 'records' | 'skipped' | 'bytes', states: readonly string[]): number =>
      rows.filter(({ state }) => states.includes(state)).reduce((total, row) => total + Number(row[column] ?? 0), 0);
    const all = ['waiting', 'done', 'failed'];
    return {
      objects: sum('objects', all),
      objectsDone: sum('objects', ['done']),
      objectsFailed: sum('objects', ['failed']),
      records: sum('records', ['done']),
      skipped: sum('skipped', ['done']),
      bytes: sum('bytes', all),
      bytesDone: sum('bytes', ['done', 'failed']),
    };
  }

  /** Checkpoints of unfinished objects. */
  async begun(name: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('transform_objects')
      .select('checkpoint')
      .where('transform_key', '=', keyOf(name))
      .where('state', '=', 'waiting')
      .where('checkpoint', 'is not', null)
      .execute();
    return rows.map(({ checkpoint }) => checkpoint as string);
  }

  /** The first failed objects, with their reasons. */
  async failures(name: string, limit: number): Promise<StoredTransformObject[]> {
    const rows = await this.#db
      .selectFrom('transform_objects')
      .selectAll()
      .where('transform_key', '=', keyOf(name))
      .where('state', '=', 'failed')
      .orderBy('position')
      .limit(limit)
      .execute();
    return rows.map(objectOf);
  }

  /** Names of transforms in these states, oldest first. */
  async inStates(states: readonly TransformState[]): Promise<string[]> {
    const rows = await this.#db.selectFrom('transforms').select('name').where('state', 'in', states).orderBy('created_at').execute();
    return rows.map(({ name }) => name);
  }
}

function keyOf(name: string): string {
  return name.toLowerCase();
}

function objectOf({ position, name, bytes, state, records, skipped, note, checkpoint }: TransformObjectRow): StoredTransformObject {
  return { position, name, bytes, state: state as StoredTransformObject['state'], records, skipped, note, checkpoint };
}

type TransformObjectRow = Omit<StoredTransformObject, 'state'> & { readonly state: string };

interface TransformRow {
  readonly state: string;
  readonly document: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly reason: string | null;
}

function storedTransformOf(row: TransformRow): StoredTransform {
  const { spec, batchRows } = JSON.parse(row.document) as Document;
  return {
    spec,
    batchRows,
    state: row.state as TransformState,
    reason: row.reason,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    startedAtMs: row.started_at,
    endedAtMs: row.ended_at,
  };
}
