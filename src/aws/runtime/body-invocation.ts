/**
 * An invocation without a client that waits: a body in, an answer out, by the forms of InvokeEndpoint. What asynchronous requests and
 * transform jobs run.
 */

import { PassThrough } from 'node:stream';
import type { InferenceAnswer, InferenceOrder } from '../../async-inference/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import type { CallWatch, SeenCall } from '../../monitoring/index.ts';
import type { Payload } from '../../runtime/index.ts';
import {
  type InferenceResult,
  invokeParts,
  ModelPlans,
  type Part,
  partsOf,
  type Route,
  rawCall,
  type Serving,
} from '../../serving/index.ts';
import { Answer } from './answer.ts';
import { type DecodedBody, decodeBody } from './decode-body.ts';

export interface BodyInvocationsOptions {
  readonly serving: Pick<Serving, 'route' | 'invoke' | 'reject' | 'endpoint'>;
  readonly nowMs: () => number;
  /** Is told of invocations whose route is watched. */
  readonly calls: Pick<CallWatch, 'begin'>;
}

const unnamedType = 'application/octet-stream';

export class BodyInvocations {
  readonly #options: BodyInvocationsOptions;
  readonly #plans = new ModelPlans();

  constructor(options: BodyInvocationsOptions) {
    this.#options = options;
  }

  /** Rejects with a `PlatformError`. */
  async run(order: InferenceOrder): Promise<InferenceAnswer> {
    if (order.signal.aborted) throw gone();
    const route = this.#options.serving.route(order.endpoint);
    return route.runtime === 'process' ? this.#process(route, order) : this.#model(route, order);
  }

  #model(route: Route, order: InferenceOrder): Promise<InferenceAnswer> {
    const { serving, nowMs } = this.#options;
    const { requestId, timeoutMs, contentType, accept, signal } = order;
    if (order.files !== undefined) throw new PlatformError('unavailable', 'the model is no process any more: it takes no files');
    const plan = this.#plans.of(route);
    const arrivedAtMs = nowMs();
    let decoded: DecodedBody;
    let parts: readonly Part[];
    try {
      decoded = decodeBody(plan, contentType ?? undefined, accept ?? undefined, order.body);
      parts = partsOf(
        route,
        decoded.documents.flatMap(({ invocations }) => invocations),
      );
    } catch (error) {
      serving.reject(route, { requestId, rows: 0, arrivedAtMs }, asPlatformError(error));
      throw error;
    }
    const answer = new Answer(plan, decoded, parts);
    const seen = this.#seen(route, order);
    return new Promise((resolve, reject) => {
      let cancel = (): void => undefined;
      const leave = (): void => {
        cancel();
        reject(gone());
      };
      signal.addEventListener('abort', leave, { once: true });
      const call = { requestId, timeoutMs, arrivedAtMs };
      cancel = invokeParts(serving, route, parts, call, {
        take: (part, { outputs }, rows) => {
          answer.take(part, outputs, rows);
          seen?.part(part, parts[part]?.inputs ?? [], outputs, rows);
        },
        end: (error) => {
          signal.removeEventListener('abort', leave);
          try {
            if (error !== null) throw error;
            const { contentType: type, body } = answer.encode();
            // Outputs may be overwritten once this moment has passed.
            const whole = Buffer.from(body as string);
            seen?.end({ contentType: contentType ?? unnamedType, body: order.body }, { contentType: type, body: whole });
            resolve({ contentType: type, body: whole, variant: route.variant });
          } catch (thrown) {
            reject(asPlatformError(thrown));
          }
        },
      });
    });
  }

  #seen(route: Route, { requestId, inferenceId }: InferenceOrder): SeenCall | null {
    return route.isWatched ? this.#options.calls.begin(route, requestId, inferenceId) : null;
  }

  #process(route: Route, order: InferenceOrder): Promise<InferenceAnswer> {
    const { serving, nowMs } = this.#options;
    const { requestId, timeoutMs, signal } = order;
    const call = { requestId, timeoutMs, arrivedAtMs: nowMs() };
    const seen = this.#seen(route, order);
    return new Promise((resolve, reject) => {
      const pieces = new PassThrough({ highWaterMark: 2 ** 18 });
      let hasBegun = false;
      const sink = {
        begin({ headers }: { readonly headers: Readonly<Record<string, string>> }) {
          hasBegun = true;
          resolve({ contentType: headers['content-type'] ?? unnamedType, body: pieces as AsyncIterable<Buffer>, variant: route.variant });
        },
        piece(bytes: Buffer): Promise<void> | void {
          if (pieces.destroyed) throw gone();
          if (!pieces.write(Buffer.from(bytes))) return drained(pieces);
        },
      };
      let cancel = (): void => undefined;
      const leave = (): void => {
        cancel();
        pieces.destroy(gone());
        reject(gone());
      };
      signal.addEventListener('abort', leave, { once: true });
      cancel = serving.invoke(route, rawCall(call, payloadOf(order), sink), (outcome) => {
        signal.removeEventListener('abort', leave);
        if (outcome.ok) {
          const whole = hasBegun ? null : wholeOf(outcome.result);
          seen?.end({ contentType: order.contentType ?? unnamedType, body: order.body }, whole);
          if (whole === null) pieces.end();
          else resolve({ ...whole, variant: route.variant });
        } else if (hasBegun) pieces.destroy(outcome.error);
        else reject(outcome.error);
      });
    });
  }
}

function drained(pieces: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      pieces.off('drain', go).off('close', go);
      resolve();
    };
    pieces.on('drain', go).on('close', go);
  });
}

function wholeOf({ reply }: InferenceResult): { readonly contentType: string; readonly body: Buffer } {
  if (reply === undefined) throw new PlatformError('internal', 'a process was invoked, and nothing came back');
  return { contentType: reply.headers['content-type'] ?? unnamedType, body: Buffer.from(reply.body) };
}

function payloadOf(order: InferenceOrder): Payload {
  const { body, files } = order;
  return { headers: headersOf(order), body, ...(files === undefined ? {} : { files }) };
}

function headersOf({ contentType, accept, customAttributes, inferenceId }: InferenceOrder): Record<string, string> {
  return {
    'content-type': contentType ?? unnamedType,
    ...(accept === null ? {} : { accept }),
    ...(customAttributes === null ? {} : { 'x-amzn-sagemaker-custom-attributes': customAttributes }),
    'x-amzn-sagemaker-inference-id': inferenceId,
  };
}

function gone(): PlatformError {
  return new PlatformError('unavailable', 'nobody waits for this answer any more');
}
