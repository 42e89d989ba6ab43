/**
 * An invocation of a model that the built-in worker runs. The body is decoded once, into tensors; the answer is encoded
 * in the moment it comes, as on the protocol's own route.
 */
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../monitoring/index.ts';
import { invokeParts, ModelPlans, type Part, partsOf } from '../../serving/index.ts';
import { giveBackBody } from '../../spent-bytes.ts';
import { Answer } from './answer.ts';
import { type DecodedBody, decodeBody } from './decode-body.ts';
import type { Exchange, InvocationTerms } from './exchange.ts';
import { refusalOf } from './model-error.ts';
import { sendAnswer } from './send.ts';

export class ModelInvocations {
  readonly #log: Log;
  readonly #plans = new ModelPlans();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Resolves when the answer is sent, or the client has gone. Rejects where there is none. */
  invoke(exchange: Exchange, body: Buffer, { serving, timeoutMs, arrivedAtMs, cameAtMs, seen }: InvocationTerms): Promise<void> {
    const { request, response, members, route } = exchange;
    const { requestId } = request;
    const plan = this.#plans.of(route);
    let decoded: DecodedBody;
    let parts: readonly Part[];
    try {
      decoded = decodeBody(plan, members.ContentType, members.Accept, body);
      parts = partsOf(
        route,
        decoded.documents.flatMap(({ invocations }) => invocations),
      );
    } catch (error) {
      giveBackBody(body);
      serving.reject(route, { requestId, rows: 0, arrivedAtMs, cameAtMs }, asPlatformError(error));
      return Promise.reject(this.#refusal(exchange, error));
    }
    if (seen === null) giveBackBody(body, parts);
    const { timeoutMs: asked = timeoutMs, priority } = decoded.documents[0]?.request?.parameters ?? {};
    const call = { requestId, timeoutMs: Math.min(asked, timeoutMs), priority, arrivedAtMs };
    const answer = new Answer(plan, decoded, parts);
    const echoed = members.CustomAttributes === undefined ? [] : ['X-Amzn-SageMaker-Custom-Attributes', members.CustomAttributes];
    return new Promise((resolve, reject) => {
      let cancel = (): void => {};
      const leave = (): void => {
        cancel();
        resolve();
      };
      response.once('close', leave);
      cancel = invokeParts(serving, route, parts, call, {
        take: (part, { outputs }, rows) => {
          answer.take(part, outputs, rows);
          seen?.part(part, parts[part]?.inputs ?? [], outputs, rows);
        },
        end: (error) => {
          response.off('close', leave);
          try {
            if (error !== null) throw error;
            const encoded = answer.encode();
            sendAnswer(exchange, encoded, echoed);
            seen?.end({ contentType: members.ContentType ?? '', body }, encoded);
            resolve();
          } catch (thrown) {
            reject(this.#refusal(exchange, thrown));
          }
        },
      });
    });
  }

  #refusal({ request, route }: Exchange, thrown: unknown): Error {
    if (thrown instanceof PlatformError) return refusalOf(request, route.endpoint, thrown);
    this.#log.error({ requestId: request.requestId, endpoint: route.endpoint }, `an invocation failed: ${messageOf(thrown)}`);
    return asPlatformError(thrown);
  }
}
