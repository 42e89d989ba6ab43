/** Invokes a model of the built-in worker: decodes the body into tensors once, and encodes the response as soon as outputs arrive. */
import type { PlatformError } from '../../errors.ts';
import { formatRowsByModel, realTimeRows } from '../../serving/index.ts';
import { DecodedExchange, type DecodedExchangeDeps } from './decoded-exchange.ts';
import type { RuntimeCall } from './exchange.ts';
import { awsErrorOf } from './model-error.ts';
import { sendResponse } from './send-response.ts';

export class ModelInvocation extends DecodedExchange {
  readonly #call: RuntimeCall;
  readonly #answered = Promise.withResolvers<void>();

  constructor(deps: DecodedExchangeDeps, call: RuntimeCall, timeoutMs: number) {
    const { request, members, route, response } = call;
    const { ContentType: contentType, Accept: accept, CustomAttributes: attributes } = members;
    super(deps, { requestId: request.requestId, route, contentType, accept, limits: realTimeRows(route), timeoutMs, attributes }, response);
    this.#call = call;
  }

  /** Resolves when the response is sent or the client has disconnected. Rejects with the error to send. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  protected inferenceId(): string | null {
    return this.#call.members.InferenceId ?? null;
  }

  protected answer(): void {
    const { CustomAttributes: sent } = this.#call.members;
    const encoded = this.encode();
    const answered = this.rowAnswers;
    // Models that answered, in place of what the client sent.
    const attributes = answered === undefined ? sent : `penstock-model=${formatRowsByModel(answered)};penstock-plan=${answered.rung.name}`;
    sendResponse(this.#call, encoded, attributes === undefined ? [] : ['X-Amzn-SageMaker-Custom-Attributes', attributes]);
    this.#answered.resolve();
    this.capture?.end(this.capturedInput(), encoded);
  }

  protected fail(error: PlatformError): void {
    this.#answered.reject(awsErrorOf(this.#call.request, this.route.endpoint, error));
  }

  protected override left(): void {
    this.#answered.resolve();
  }
}
