/** The stored environments and locks. */
import { type Database, type EnvironmentLocksTable, type EnvironmentsTable, inTransaction, type Transaction } from '../storage/index.ts';
import type { BuiltEnvironment } from './build.ts';
import type { Interpreter } from './interpreter.ts';

/** Of the last build. */
export type EnvironmentState = 'building' | 'ready' | 'failed';

/** A requested environment. */
export interface RequestedEnvironment {
  readonly id: string;
  /** Null for the environment of a model's requirements. */
  readonly name: string | null;
  readonly requirements: readonly string[];
  readonly python: string;
  readonly pythonVersion: string;
  readonly platform: string;
  readonly state: EnvironmentState;
  readonly reason: string | null;
  /** The last lines of a failed build. */
  readonly lines: readonly string[];
  readonly lockKey: string | null;
  readonly attempts: number;
  readonly createdBy: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** A lock, whose folder may have to be built again. */
export interface EnvironmentLock {
  readonly key: string;
  readonly lock: string;
  readonly python: string;
  readonly pythonVersion: string;
  readonly platform: string;
  readonly bytes: number;
  readonly files: number;
  /** Epoch milliseconds. */
  readonly builtAtMs: number;
  readonly usedAtMs: number;
}

type Connection = Database | Transaction;

/** Database queries; the folders are those of `folders.ts`. */
export class EnvironmentRows {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async list(): Promise<RequestedEnvironment[]> {
    return (await this.#db.selectFrom('environments').selectAll().orderBy('id').execute()).map(environmentOf);
  }

  async find(id: string): Promise<RequestedEnvironment | null> {
    const row = await this.#db.selectFrom('environments').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : environmentOf(row);
  }

  /** Replaces a failed environment of the same id. False if there is one that has not failed. */
  async put(db: Connection, environment: RequestedEnvironment): Promise<boolean> {
    const { id } = environment;
    await db.deleteFrom('environments').where('id', '=', id).where('state', '=', 'failed').execute();
    const { numInsertedOrUpdatedRows = 0n } = await db
      .insertInto('environments')
      .values(rowOf(environment))
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows > 0n;
  }

  /** False if it was deleted, or replaced by another request. */
  async change(db: Connection, { id, createdAtMs }: RequestedEnvironment, change: Partial<EnvironmentsTable>): Promise<boolean> {
    const { numUpdatedRows } = await db
      .updateTable('environments')
      .set(change)
      .where('id', '=', id)
      .where('created_at', '=', createdAtMs)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async remove(db: Connection, id: string): Promise<boolean> {
    const { numDeletedRows } = await db.deleteFrom('environments').where('id', '=', id).executeTakeFirst();
    return numDeletedRows > 0n;
  }

  async locks(): Promise<EnvironmentLock[]> {
    return (await this.#db.selectFrom('environment_locks').selectAll().orderBy('key').execute()).map(lockOf);
  }

  async findLock(key: string): Promise<EnvironmentLock | null> {
    const row = await this.#db.selectFrom('environment_locks').selectAll().where('key', '=', key).executeTakeFirst();
    return row === undefined ? null : lockOf(row);
  }

  async putLock(db: Connection, { key, lock, bytes, files }: BuiltEnvironment, interpreter: Interpreter, nowMs: number): Promise<void> {
    const { executable: python, version: python_version, platform } = interpreter;
    const changes = { python, bytes, files, used_at: nowMs };
    await db
      .insertInto('environment_locks')
      .values({ key, lock, python_version, platform, built_at: nowMs, ...changes })
      .onConflict((conflict) => conflict.column('key').doUpdateSet(changes))
      .execute();
  }

  /** Records a use; false if there is no such lock. */
  async touch(key: string, nowMs: number): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable('environment_locks')
      .set({ used_at: nowMs })
      .where('key', '=', key)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** Deletes a lock that was not used since; false if it was, or is the lock of a named environment. */
  async removeLock(key: string, usedBeforeMs: number): Promise<boolean> {
    return inTransaction(this.#db, async (tx) => {
      const named = await tx
        .selectFrom('environments')
        .select('id')
        .where('lock_key', '=', key)
        .where('name', 'is not', null)
        .executeTakeFirst();
      if (named !== undefined) return false;
      const { numDeletedRows } = await tx
        .deleteFrom('environment_locks')
        .where('key', '=', key)
        .where('used_at', '<', usedBeforeMs)
        .executeTakeFirst();
      if (numDeletedRows === 0n) return false;
      await tx.deleteFrom('environments').where('lock_key', '=', key).execute();
      return true;
    });
  }

  /** Deletes failed environments of models that were not requested since. */
  async removeFailed(changedBeforeMs: number): Promise<void> {
    await this.#db
      .deleteFrom('environments')
      .where('name', 'is', null)
      .where('state', '=', 'failed')
      .where('changed_at', '<', changedBeforeMs)
      .execute();
  }
}

function environmentOf(row: EnvironmentsTable): RequestedEnvironment {
  return {
    id: row.id,
    name: row.name,
    requirements: JSON.parse(row.requirements) as string[],
    python: row.python,
    pythonVersion: row.python_version,
    platform: row.platform,
    state: row.state as EnvironmentState,
    reason: row.reason,
    lines: JSON.parse(row.lines) as string[],
    lockKey: row.lock_key,
    attempts: row.attempts,
    createdBy: row.created_by,
    createdAtMs: Number(row.created_at),
    changedAtMs: Number(row.changed_at),
  };
}

function rowOf(environment: RequestedEnvironment): EnvironmentsTable {
  return {
    id: environment.id,
    name: environment.name,
    requirements: JSON.stringify(environment.requirements),
    python: environment.python,
    python_version: environment.pythonVersion,
    platform: environment.platform,
    state: environment.state,
    reason: environment.reason,
    lines: JSON.stringify(environment.lines),
    lock_key: environment.lockKey,
    attempts: environment.attempts,
    created_by: environment.createdBy,
    created_at: environment.createdAtMs,
    changed_at: environment.changedAtMs,
  };
}

function lockOf(row: EnvironmentLocksTable): EnvironmentLock {
  const { key, lock, python, python_version: pythonVersion, platform, files } = row;
  const times = { builtAtMs: Number(row.built_at), usedAtMs: Number(row.used_at) };
  return { key, lock, python, pythonVersion, platform, bytes: Number(row.bytes), files, ...times };
}
