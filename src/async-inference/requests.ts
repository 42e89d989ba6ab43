/** Database rows of accepted requests. */

import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import { type Database, inSharedTransaction, inTransaction, type Jobs, type Transaction } from '../storage/index.ts';
import { type AsyncRequest, type AsyncState, type AsyncSubmission, queueOf } from './async-request.ts';

/** A page of requests, newest first. */
export interface AsyncPage {
  readonly endpoint?: string | undefined;
  readonly state?: AsyncState | undefined;
  readonly limit: number;
  readonly offset: number;
}

/** A request with what its run needs. */
export interface RequestWithBody {
  readonly request: AsyncRequest;
  /** Null if the body is an object. */
  readonly body: Buffer | null;
}

/** The database, and the queues. */
export interface AsyncRequestsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly jobs: Jobs;
}

interface Row {
  readonly state: string;
  readonly document: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly finished_at: number | null;
  readonly failures: number;
  readonly troubles: number;
  readonly reason: string | null;
}

const columns = ['state', 'document', 'created_at', 'expires_at', 'finished_at', 'failures', 'troubles', 'reason'] as const;
const reasonLengthMax = 2048;
/** Finished requests deleted per transaction. */
const clearedAtOnce = 500;

/** A request and its job are added in one transaction. */
export class AsyncRequests {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #jobs: Jobs;

  constructor({ db, clock, jobs }: AsyncRequestsOptions) {
    this.#db = db;
    this.#clock = clock;
    this.#jobs = jobs;
  }

  /** Stores the request and its job in one transaction: both are durable when this resolves. */
  async accept(order: AsyncSubmission, body: Uint8Array | null): Promise<AsyncRequest> {
    const createdAtMs = this.#clock.wallMs();
    const expiresAtMs = createdAtMs + order.ttlMs;
    const queue = queueOf(order.endpoint);
    await inSharedTransaction(this.#db, async (tx) => {
      await tx
        .insertInto('async_requests')
        .values({
          id: order.id,
          endpoint_key: nameKey(order.endpoint),
          inference_id: order.inferenceId,
          state: 'queued',
          document: JSON.stringify(order),
          body,
          created_at: createdAtMs,
          expires_at: expiresAtMs,
          finished_at: null,
          failures: 0,
          troubles: 0,
          reason: null,
        })
        .execute();
      await this.#jobs.add(tx, { id: order.id, queue, payload: null, expiresAtMs });
    });
    this.#jobs.announce(queue);
    return { ...order, state: 'queued', createdAtMs, expiresAtMs, finishedAtMs: null, failures: 0, troubles: 0, reason: null };
  }

  async find(id: string): Promise<AsyncRequest | null> {
    const row = await this.#db.selectFrom('async_requests').select(columns).where('id', '=', id).executeTakeFirst();
    return row === undefined ? null : requestOf(row);
  }

  /** Requests by id with their inline bodies; missing ones are absent. */
  async withBodies(ids: readonly string[]): Promise<ReadonlyMap<string, RequestWithBody>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#db
      .selectFrom('async_requests')
      .select(['id', 'body', ...columns])
      .where('id', 'in', ids)
      .execute();
    return new Map(rows.map((row) => [row.id, { request: requestOf(row), body: row.body === null ? null : Buffer.from(row.body) }]));
  }

  /** Newest first. */
  async list({ endpoint, state, limit, offset }: AsyncPage): Promise<AsyncRequest[]> {
    let query = this.#db.selectFrom('async_requests').select(columns);
    if (endpoint !== undefined) query = query.where('endpoint_key', '=', nameKey(endpoint));
    if (state !== undefined) query = query.where('state', '=', state);
    const rows = await query.orderBy('created_at', 'desc').orderBy('id').limit(limit).offset(offset).execute();
    return rows.map(requestOf);
  }

  /** Endpoints that have queued requests, in lower case. */
  async waitingEndpoints(): Promise<string[]> {
    const rows = await this.#db.selectFrom('async_requests').select('endpoint_key').distinct().where('state', '=', 'queued').execute();
    return rows.map(({ endpoint_key }) => endpoint_key);
  }

  /** Records a failed attempt that will be retried. */
  async tried(
    id: string,
    { failures, troubles, reason }: Pick<AsyncRequest, 'failures' | 'troubles'> & { readonly reason: string },
  ): Promise<void> {
    await this.#db
      .updateTable('async_requests')
      .set({ failures, troubles, reason: reason.slice(0, reasonLengthMax) })
      .where('id', '=', id)
      .where('state', '=', 'queued')
      .execute();
  }

  /** Stores the outcome in the transaction that removes the job. The body is retained if the request can be retried. */
  async finish(tx: Transaction, id: string, state: Exclude<AsyncState, 'queued'>, reason: string | null): Promise<void> {
    const finished = { state, finished_at: this.#clock.wallMs(), reason: reason?.slice(0, reasonLengthMax) ?? null };
    const canBeRetried = state === 'failed' || state === 'expired';
    await tx
      .updateTable('async_requests')
      .set(canBeRetried ? finished : { ...finished, body: null })
      .where('id', '=', id)
      .execute();
  }

  /** Removes a job whose request has an outcome or no longer exists. */
  async dropJob(id: string): Promise<void> {
    await this.#jobs.cancel(this.#db, id);
  }

  /** Cancels a queued request. `hook` runs in the same transaction. Throws `not_found`, `wrong_state` if there is an outcome already. */
  async cancel(id: string, hook: (tx: Transaction, request: AsyncRequest) => Promise<void>): Promise<AsyncRequest> {
    const request = await this.#existing(id);
    const isCancelled = await inTransaction(this.#db, async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('async_requests')
        .set({ state: 'cancelled', finished_at: this.#clock.wallMs(), body: null })
        .where('id', '=', id)
        .where('state', '=', 'queued')
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n || !(await this.#jobs.cancel(tx, id))) return false;
      await hook(tx, request);
      return true;
    });
    const now = await this.#existing(id);
    if (!isCancelled) throw new PlatformError('wrong_state', `request ${id} is ${now.state}: only queued ones can be cancelled`);
    return now;
  }

  /** Queues a failed or expired request again. Throws `not_found`, `wrong_state`. */
  async retry(id: string): Promise<AsyncRequest> {
    const { ttlMs, endpoint } = await this.#existing(id);
    const expiresAtMs = this.#clock.wallMs() + ttlMs;
    const isRevived = await inTransaction(this.#db, async (tx) => {
      if (!(await this.#jobs.revive(id, tx, expiresAtMs))) return false;
      const again = { state: 'queued', finished_at: null, failures: 0, troubles: 0, reason: null, expires_at: expiresAtMs };
      await tx.updateTable('async_requests').set(again).where('id', '=', id).execute();
      return true;
    });
    const now = await this.#existing(id);
    if (!isRevived) throw new PlatformError('wrong_state', `request ${id} is ${now.state}: only failed and expired ones can be retried`);
    this.#jobs.announce(queueOf(endpoint));
    return now;
  }

  /** Deletes and returns some requests that finished before `beforeMs`. */
  async clear(beforeMs: number): Promise<AsyncRequest[]> {
    return inTransaction(this.#db, async (tx) => {
      const rows = await tx
        .selectFrom('async_requests')
        .select(['id', ...columns])
        .where('state', '!=', 'queued')
        .where('finished_at', '<', beforeMs)
        .limit(clearedAtOnce)
        .execute();
      for (const { id } of rows) await this.#jobs.cancel(tx, id);
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0) await tx.deleteFrom('async_requests').where('id', 'in', ids).execute();
      return rows.map(requestOf);
    });
  }

  async #existing(id: string): Promise<AsyncRequest> {
    const found = await this.find(id);
    if (found === null) throw new PlatformError('not_found', `there is no asynchronous request '${id.slice(0, 80)}'`);
    return found;
  }
}

function requestOf(row: Row): AsyncRequest {
  return {
    ...(JSON.parse(row.document) as AsyncSubmission),
    state: row.state as AsyncState,
    createdAtMs: Number(row.created_at),
    expiresAtMs: Number(row.expires_at),
    finishedAtMs: row.finished_at === null ? null : Number(row.finished_at),
    failures: Number(row.failures),
    troubles: Number(row.troubles),
    reason: row.reason,
  };
}
