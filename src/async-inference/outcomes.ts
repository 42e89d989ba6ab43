/**
 * The outcome of a request: exactly one for each that was accepted.
 *
 * Why none is lost. A request and its job are written in one transaction, before it is said to be accepted. A job leaves its queue
 * (done, or put aside as dead) only in a transaction that also writes the request's outcome; until then it is taken again when the
 * lease of whoever had it ends. So at each moment, also after a kill, a request is queued and has a job, or it has its outcome.
 *
 * Why none is doubled. An outcome is written only where the job is still under the lease of whoever brings it: the same transaction
 * takes the job away under that lease, and the database lets one of two such transactions win. Who was slow, and lost the lease to
 * another, finds no job under it: `LeaseLost` undoes all that the transaction did, the object it was to publish included. The model may
 * have run twice (inference has no side effects); nobody sees that.
 *
 * Why none is half-written. The bytes of an answer are first streamed to a file under their hash, which is synced; the object of that
 * name comes into sight in the same transaction as the outcome. A kill before it leaves a file that no object needs: the next start
 * clears it away. A failure's object, the event and the deliveries of notifications are of the same transaction.
 *
 * What is not exactly once: a notification may be delivered more than once, with the same id (`penstock-delivery`).
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { addDelivery, announceDeliveries, type Events, type Log, type PlatformEvent } from '../monitoring/index.ts';
import { type Database, inTransaction, type Jobs, type TakenJob, type Transaction } from '../storage/index.ts';
import { type AsyncRequest, uriOf } from './async-request.ts';
import type { InferenceAnswer } from './inference.ts';
import { notificationOf, type Told, toldBytesMax } from './notification.ts';
import type { Objects } from './objects.ts';
import type { AsyncRequests } from './requests.ts';

export interface OutcomesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly jobs: Jobs;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly objects: Objects;
  readonly requests: AsyncRequests;
  /** The URL that is called for a topic; null where none is known. */
  readonly addressOf: (topic: string) => string | null;
  readonly awsRegion: string;
  /** Somebody was to be told of an outcome, and nobody knows where they are. */
  readonly onUntold: (request: AsyncRequest, topic: string) => void;
}

export interface Failed {
  readonly state: 'failed' | 'expired';
  readonly code: string;
  readonly reason: string;
}

/** What is told once the outcome is kept. */
interface Tidings {
  readonly event: PlatformEvent;
  readonly hasDelivery: boolean;
}

/** Somebody else has the job by now, or it was cancelled: what was to be written must not be. */
export class LeaseLost extends Error {}

export class Outcomes {
  readonly #options: OutcomesOptions;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  /** Throws `LeaseLost`, what `Objects.put` throws, and what the answer's pieces end with. */
  async succeeded(job: TakenJob, request: AsyncRequest, answer: InferenceAnswer): Promise<void> {
    const { objects, jobs, requests } = this.#options;
    const { contentType, body } = answer;
    const isTold = request.notified?.withAnswer.success === true && body instanceof Uint8Array && body.length <= toldBytesMax;
    const told = { contentType, body: isTold ? body : null };
    let tidings: Tidings | undefined;
    await objects.put(request.output.bucket, request.output.key, body, {
      headers: { contentType },
      beside: async (tx, { bytes }) => {
        if (!(await jobs.done(tx, job))) throw new LeaseLost();
        await requests.finish(tx, request.id, 'succeeded', null);
        tidings = await this.#tell(tx, request, { reason: null, answer: told }, { bytes, variant: answer.variant });
      },
    });
    this.#told(tidings);
  }

  /** Throws `LeaseLost`. Where the failure's object cannot be written, the outcome is written without it, and says so. */
  async failed(job: TakenJob, request: AsyncRequest, failed: Failed): Promise<void> {
    const { db, objects, log, clock } = this.#options;
    const { id, inferenceId, endpoint, failure } = request;
    let tidings: Tidings | undefined;
    const finish = async (tx: Transaction, reason = failed.reason): Promise<void> => {
      if (!(await this.#options.jobs.bury(tx, job, reason))) throw new LeaseLost();
      await this.#options.requests.finish(tx, id, failed.state, reason);
      tidings = await this.#tell(tx, request, { reason, answer: null }, { state: failed.state, code: failed.code });
    };
    if (failure === null) {
      await inTransaction(db, finish);
      return this.#told(tidings);
    }
    const { state, code, reason } = failed;
    const text = JSON.stringify({ inferenceId, endpointName: endpoint, state, code, failureReason: reason, at: new Date(clock.wallMs()) });
    try {
      await objects.put(failure.bucket, failure.key, Buffer.from(text), {
        headers: { contentType: 'application/json' },
        beside: (tx) => finish(tx),
      });
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      log.warn({ id, endpoint, error: messageOf(error) }, 'the object of a failure could not be written');
      const also = `${reason} (and ${uriOf(failure)} could not be written: ${messageOf(error)})`;
      await inTransaction(db, (tx) => finish(tx, also));
    }
    this.#told(tidings);
  }

  /**
   * Told of as a failure is, but without its object: nobody waits for an answer any more. Whoever works on it meanwhile finds no job, and
   * its answer is undone. Throws `not_found`, `wrong_state` where there is an outcome already.
   */
  async cancelled(id: string): Promise<AsyncRequest> {
    let tidings: Tidings | undefined;
    const now = await this.#options.requests.cancel(id, async (tx, request) => {
      tidings = await this.#tell(tx, { ...request, failure: null }, { reason: 'it was cancelled', answer: null }, { state: 'cancelled' });
    });
    this.#told(tidings);
    return now;
  }

  async #tell(
    tx: Transaction,
    request: AsyncRequest,
    outcome: Pick<Told, 'reason' | 'answer'>,
    detail: Record<string, unknown>,
  ): Promise<Tidings> {
    const { jobs, events, clock, addressOf, awsRegion, onUntold } = this.#options;
    const { id, inferenceId, endpoint, notified } = request;
    const { reason } = outcome;
    const topic = (reason === null ? notified?.success : notified?.error) ?? null;
    let hasDelivery = false;
    if (topic !== null) {
      const url = addressOf(topic);
      if (url === null) onUntold(request, topic);
      else {
        const body = JSON.stringify(notificationOf({ request, awsRegion, atMs: clock.wallMs(), ...outcome }));
        await addDelivery(jobs, tx, { rule: `async ${endpoint}`, target: { id, arn: url }, body, eventId: id });
        hasDelivery = true;
      }
    }
    const kind = reason === null ? 'async.succeeded' : 'async.failed';
    const said = reason === null ? { output: uriOf(request.output) } : { reason };
    const event = await events.record(tx, { kind, subject: endpoint, detail: { id, inferenceId, ...detail, ...said } });
    return { event, hasDelivery };
  }

  #told(tidings: Tidings | undefined): void {
    if (tidings === undefined) return;
    if (tidings.hasDelivery) announceDeliveries(this.#options.jobs);
    this.#options.events.publish(tidings.event);
  }
}
