/**
 * The outcome of a request: exactly one for each that was accepted.
 *
 * Why no outcome is lost. A request and its job are written in one transaction, before the request is acknowledged. A job leaves
 * its queue (done or dead) only in a transaction that also writes the outcome of the request; until then it is leased again
 * when its lease expires. At any moment, also after a crash, a request is queued and has a job, or it has its outcome.
 *
 * Why no outcome is written twice. An outcome is written only by the holder of the job's lease: the same transaction removes the job
 * under that lease, and the database lets only one of two such transactions commit. A slow holder whose lease expired finds
 * no job: `LeaseLost` rolls back the transaction, including the output object. The model may have run twice, which is
 * invisible, because inference has no side effects.
 *
 * Why no outcome is incomplete. The bytes of an output are first streamed to a file named by their hash and synced; the object
 * becomes visible in the transaction of the outcome. A crash before that leaves an unreferenced file, which the next start
 * deletes. The object of a failure, the event and the notifications belong to the same transaction.
 *
 * Notifications are delivered at least once: a repeated one has the same id (`penstock-delivery`).
 */

import { addDelivery, announceDeliveries } from '../alerts/index.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Events, PlatformEvent } from '../records/index.ts';
import { type Database, inTransaction, type Jobs, type LeasedJob, type Transaction } from '../storage/index.ts';
import { type AsyncRequest, formatObjectUri } from './async-request.ts';
import type { InferenceOutput } from './inference.ts';
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
  /** The URL of a topic; null if unknown. */
  readonly addressOf: (topic: string) => string | null;
  readonly awsRegion: string;
  /** Called if a topic has no URL. */
  readonly onNotificationFailure: (request: AsyncRequest, topic: string) => void;
}

/** Why a request has no result. */
export interface Failed {
  readonly state: 'failed' | 'expired';
  readonly code: string;
  readonly reason: string;
}

/** To be announced after the commit of the outcome. */
interface Announcement {
  readonly event: PlatformEvent;
  readonly hasDelivery: boolean;
}

/** The job is leased by another consumer or was cancelled: nothing may be written. */
export class LeaseLost extends Error {}

/** Every method ends in one transaction, or changes nothing. */
export class Outcomes {
  readonly #options: OutcomesOptions;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  /** Throws `LeaseLost`, errors of `Objects.put`, and errors of a streamed response. */
  async succeeded(job: LeasedJob, request: AsyncRequest, answer: InferenceOutput): Promise<void> {
    const { objects, jobs, requests } = this.#options;
    const { contentType, body } = answer;
    const isIncluded = request.notified?.withAnswer.success === true && body instanceof Uint8Array && body.length <= inlineResponseBytesMax;
    const response = { contentType, body: isIncluded ? body : null };
    let changes: Announcement | undefined;
    await objects.put(request.output.bucket, request.output.key, body, {
      headers: { contentType, origin: 'output' },
      transactionHook: async (tx, { bytes }) => {
        if (!(await jobs.done(tx, job))) throw new LeaseLost();
        await requests.finish(tx, request.id, 'succeeded', null);
        changes = await this.#notify(tx, request, { reason: null, answer: response }, { bytes, variant: answer.variant });
      },
    });
    this.#announce(changes);
  }

  /** Throws `LeaseLost`. If the failure object cannot be written, the outcome is written without it and its reason says so. */
  async failed(job: LeasedJob, request: AsyncRequest, failed: Failed): Promise<void> {
    const { db, objects, log, clock } = this.#options;
    const { id, inferenceId, endpoint, failure } = request;
    let changes: Announcement | undefined;
    const finish = async (tx: Transaction, reason = failed.reason): Promise<void> => {
      if (!(await this.#options.jobs.markDead(tx, job, reason))) throw new LeaseLost();
      await this.#options.requests.finish(tx, id, failed.state, reason);
      changes = await this.#notify(tx, request, { reason, answer: null }, { state: failed.state, code: failed.code });
    };
    if (failure === null) {
      await inTransaction(db, finish);
      return this.#announce(changes);
    }
    const { state, code, reason } = failed;
    const text = JSON.stringify({ inferenceId, endpointName: endpoint, state, code, failureReason: reason, at: new Date(clock.wallMs()) });
    try {
      await objects.put(failure.bucket, failure.key, Buffer.from(text), {
        headers: { contentType: 'application/json', origin: 'output' },
        transactionHook: (tx) => finish(tx),
      });
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      log.warn({ id, endpoint, error: messageOf(error) }, 'failed to write the object of a failure');
      const also = `${reason} (also failed to write ${formatObjectUri(failure)}: ${messageOf(error)})`;
      await inTransaction(db, (tx) => finish(tx, also));
    }
    this.#announce(changes);
  }

  /**
   * Cancels a queued request. Its topics are notified as of a failure, but no failure object is written. A consumer that is running the
   * request finds no job, and its output is rolled back. Throws `not_found`, or `wrong_state` if the request already has an outcome.
   */
  async cancelled(id: string): Promise<AsyncRequest> {
    let changes: Announcement | undefined;
    const now = await this.#options.requests.cancel(id, async (tx, request) => {
      changes = await this.#notify(
        tx,
        { ...request, failure: null },
        { reason: 'the request was cancelled', answer: null },
        { state: 'cancelled' },
      );
    });
    this.#announce(changes);
    return now;
  }

  async #notify(
    tx: Transaction,
    request: AsyncRequest,
    outcome: Pick<NotificationContext, 'reason' | 'answer'>,
    detail: Record<string, unknown>,
  ): Promise<Announcement> {
    const { jobs, events, clock, addressOf, awsRegion, onNotificationFailure } = this.#options;
    const { id, inferenceId, endpoint, notified } = request;
    const { reason } = outcome;
    const topic = (reason === null ? notified?.success : notified?.error) ?? null;
    let hasDelivery = false;
    if (topic !== null) {
      const url = addressOf(topic);
      if (url === null) onNotificationFailure(request, topic);
      else {
        const body = JSON.stringify(notificationOf({ request, awsRegion, atMs: clock.wallMs(), ...outcome }));
        await addDelivery(jobs, tx, { rule: `async ${endpoint}`, target: { id, arn: url }, body, eventId: id });
        hasDelivery = true;
      }
    }
    const kind = reason === null ? 'async.succeeded' : 'async.failed';
    const result = reason === null ? { output: formatObjectUri(request.output) } : { reason };
    const event = await events.record(tx, { kind, subject: endpoint, detail: { id, inferenceId, ...detail, ...result } });
    return { event, hasDelivery };
  }

  #announce(changes: Announcement | undefined): void {
    if (changes === undefined) return;
    if (changes.hasDelivery) announceDeliveries(this.#options.jobs);
    this.#options.events.publish(changes.event);
  }
}

/** Builds the notification of an outcome in SageMaker's format. Pure. */
interface NotificationContext {
  readonly request: AsyncRequest;
  readonly awsRegion: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Reason of a failure; null after success. */
  readonly reason: string | null;
  readonly answer: {
    readonly contentType: string /** Null if too large or not requested. */;
    readonly body: Uint8Array | null;
  } | null;
}

/** Larger responses are not included in notifications. */
const inlineResponseBytesMax = 131_072;

/** The body of the notification, in the format that SageMaker publishes to SNS. */
function notificationOf({ request, awsRegion, atMs, reason, answer }: NotificationContext): Record<string, unknown> {
  const reported = answer?.body ?? null;
  const { endpoint, contentType, input, inferenceId, output, failure, createdAtMs } = request;
  return {
    awsRegion,
    eventTime: new Date(atMs).toISOString(),
    receivedTime: new Date(createdAtMs).toISOString(),
    invocationStatus: reason === null ? 'Completed' : 'Failed',
    ...(reason === null ? {} : { failureReason: reason }),
    requestParameters: {
      ...(contentType === null ? {} : { contentType }),
      endpointName: endpoint,
      ...(input === null ? {} : { inputLocation: formatObjectUri(input) }),
    },
    ...(reason === null ? { responseParameters: { contentType: answer?.contentType, outputLocation: formatObjectUri(output) } } : {}),
    ...(reason !== null && failure !== null ? { responseParameters: { outputLocation: formatObjectUri(failure) } } : {}),
    ...(reported === null
      ? {}
      : {
          responseBody: {
            content: Buffer.from(reported).toString('base64'),
            encoding: 'BASE64',
          },
        }),
    inferenceId,
    eventVersion: '1.0',
    eventSource: 'aws:sagemaker',
    eventName: 'InferenceResult',
  };
}
