/** Stored executions of SageMaker pipelines. A restarted server continues from here. */
import { nameKey } from '../../../names.ts';
import { type Database, inTransaction, type PipelineExecutionsTable, type Transaction } from '../../../storage/index.ts';
import { nextTurn } from '../../../threads/index.ts';
import type { SortKey } from '../pages.ts';
import type { ParameterValue } from './definition.ts';

/** AWS's values. The last three are final. */
export type ExecutionStatus = 'Executing' | 'Stopping' | 'Stopped' | 'Failed' | 'Succeeded';

/** A step that has begun. */
export interface ExecutedStep {
  readonly name: string;
  readonly status: 'Executing' | 'Stopped' | 'Failed' | 'Succeeded';
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly failureReason: string | null;
  /** The name of its job, written before the job is created; of a version, its ARN. */
  readonly resource: string | null;
  readonly arn: string | null;
  /** Of a condition. */
  readonly outcome: boolean | null;
  /** The execution whose result was used again; null: its own. */
  readonly cachedFrom: string | null;
  /** Identifies the type and the arguments, for the cache. */
  readonly digest: string | null;
}

/** A stored execution. It has its own copy of the definition, so an updated pipeline does not change it. */
export interface Execution {
  readonly id: string;
  readonly pipeline: string;
  readonly definition: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  readonly status: ExecutionStatus;
  /** In the order in which they began. */
  readonly steps: readonly ExecutedStep[];
  /** The key whose rights the steps have. */
  readonly who: string;
  /** The key or the rule that started it. */
  readonly startedBy: string;
  /** Set if its start gave values other than the defaults of parameters: with whose rights. Null: those of a rule. */
  readonly values?: { readonly key: string | null };
  readonly displayName: string | null;
  readonly description: string | null;
  /** Steps at once; null: no limit. */
  readonly parallelMax: number | null;
  readonly failureReason: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

interface ExecutionQuery {
  readonly after: SortKey | null;
  readonly descending: boolean;
  readonly limit: number;
  readonly fromMs?: number | null;
  readonly toMs?: number | null;
}

/** With definitions of a megabyte each. */
const executionsAtOnce = 5;

export class ExecutionRows {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async add(tx: Transaction, execution: Execution): Promise<void> {
    await tx.insertInto('pipeline_executions').values(rowOf(execution)).execute();
  }

  async write(tx: Transaction, execution: Execution): Promise<void> {
    const { id, ...changes } = rowOf(execution);
    await tx.updateTable('pipeline_executions').set(changes).where('id', '=', id).execute();
  }

  async find(id: string): Promise<Execution | null> {
    const row = await this.#db.selectFrom('pipeline_executions').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : executionOf(row);
  }

  async unfinished(): Promise<Execution[]> {
    const open = this.#db.selectFrom('pipeline_executions').selectAll().where('state', 'in', ['Executing', 'Stopping']);
    return (await open.orderBy('created_at').orderBy('id').execute()).map(executionOf);
  }

  /** How many are not over, and the characters of their documents, which are in memory while they run. */
  async unfinishedSize(tx: Transaction): Promise<{ readonly count: number; readonly characters: number }> {
    const open = tx.selectFrom('pipeline_executions').where('state', 'in', ['Executing', 'Stopping']);
    const { count, characters } = await open
      .select((row) => [
        row.fn.countAll().as('count'),
        row.fn.sum<number | string | null>(row.fn<number>('length', ['document'])).as('characters'),
      ])
      .executeTakeFirstOrThrow();
    return { count: Number(count), characters: Number(characters ?? 0) };
  }

  /** An execution of the pipeline that is not over, in the transaction of what must not happen meanwhile; null: there is none. */
  async unfinishedOf(tx: Transaction, pipeline: string): Promise<Execution | null> {
    const open = tx.selectFrom('pipeline_executions').selectAll().where('state', 'in', ['Executing', 'Stopping']);
    const row = await open.where('pipeline_key', '=', nameKey(pipeline)).limit(1).executeTakeFirst();
    return row === undefined ? null : executionOf(row);
  }

  /**
   * What `itemOf` makes of each, sorted by creation. Read in parts, and one after the other: each has its definition, which can have a megabyte
   * and takes as long to parse.
   */
  async list<Item>(pipeline: string, page: ExecutionQuery, itemOf: (execution: Execution, index: number) => Item): Promise<Item[]> {
    const found: Item[] = [];
    for (let after = page.after; found.length < page.limit; ) {
      const limit = Math.min(executionsAtOnce, page.limit - found.length);
      const part = await this.#listed(pipeline, { ...page, after, limit });
      for (const execution of part) {
        found.push(itemOf(execution, found.length));
        await nextTurn();
      }
      const last = part.at(-1);
      if (last === undefined || part.length < limit) break;
      after = [last.createdAtMs, last.id];
    }
    return found;
  }

  async #listed(pipeline: string, { after, descending, limit, fromMs = null, toMs = null }: ExecutionQuery): Promise<Execution[]> {
    let query = this.#db.selectFrom('pipeline_executions').selectAll().where('pipeline_key', '=', nameKey(pipeline));
    if (fromMs !== null) query = query.where('created_at', '>', fromMs);
    if (toMs !== null) query = query.where('created_at', '<', toMs);
    if (after !== null)
      query = query.where((row) => row(row.refTuple('created_at', 'id'), descending ? '<' : '>', row.tuple(Number(after[0]), after[1])));
    const order = descending ? 'desc' : 'asc';
    return (await query.orderBy('created_at', order).orderBy('id', order).limit(limit).execute()).map(executionOf);
  }

  async removeOf(tx: Transaction, pipeline: string): Promise<void> {
    await tx.deleteFrom('pipeline_executions').where('pipeline_key', '=', nameKey(pipeline)).execute();
  }

  /** Runs in one transaction. */
  transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return inTransaction(this.#db, run);
  }
}

function rowOf({ id, pipeline, status, createdAtMs, updatedAtMs, ...rest }: Execution): PipelineExecutionsTable {
  return {
    id,
    pipeline_key: nameKey(pipeline),
    state: status,
    document: JSON.stringify({ pipeline, ...rest }),
    created_at: createdAtMs,
    updated_at: updatedAtMs,
  };
}

function executionOf(row: PipelineExecutionsTable): Execution {
  return {
    id: row.id,
    status: row.state as ExecutionStatus,
    ...(JSON.parse(row.document) as Omit<Execution, 'id' | 'status' | 'createdAtMs' | 'updatedAtMs'>),
    createdAtMs: Number(row.created_at),
    updatedAtMs: Number(row.updated_at),
  };
}
