/** What all inferences over HTTP share: admission, the body, and errors. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Permission } from '../access/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { isStreamedBody, readRequestBodyInto } from '../http/index.ts';
import type { InferenceExchange, ServedRoute } from '../serving/index.ts';
import { auditRejection, logAccess } from './access-log.ts';
import type { OipDeps } from './deps.ts';
import { bytesOnlyError, notServed } from './models.ts';
import type { ParsedPath } from './paths.ts';
import { sendError } from './replies.ts';

/** One call over HTTP, with its parsed path. */
export interface HttpCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly position: ParsedPath;
}

/** The route of an authorized call; null if it was rejected. Such a call has no line in the request log, so it is written to the access log. */
export function admitInference(services: OipDeps, call: HttpCall, permission: Permission): ServedRoute | null {
  const { listener, access, serving, traces, log } = services;
  const { request, response, requestId, position } = call;
  try {
    access.require(listener.authenticate(request), permission);
    const route = serving.route(position.model, position.version);
    const isStreamed = route.payload === 'stream' && (position.kind === 'generate' || position.kind === 'generate-stream');
    if (route.payload !== 'tensors' && !isStreamed) throw bytesOnlyError(route);
    return route;
  } catch (caught) {
    const thrown = notServed(caught, services, position);
    if (!(thrown instanceof PlatformError)) log.error({ requestId, url: request.url }, `an inference failed: ${messageOf(thrown)}`);
    const error = asPlatformError(thrown);
    traces?.refuse(requestId, error);
    sendError(request, response, requestId, error);
    logAccess(services, { request, response, requestId, who: null }, 0);
    void auditRejection(services, { request, requestId, position, caller: null }, error);
    return null;
  }
}

/** Reads the body of an admitted call. */
export function readInference(
  { listener, clock }: OipDeps,
  { request, response }: HttpCall,
  exchange: Pick<InferenceExchange<unknown, unknown>, 'receive' | 'rejectUnread' | 'receivedAtMs'>,
): void {
  if (isStreamedBody(request)) exchange.receivedAtMs = clock.nowMs();
  readRequestBodyInto(request, response, listener.bodies, (error, body) => {
    // A request of a gateway process may have waited there.
    if (error === null) exchange.receive(body, (request as { readonly arrivedAtMs?: number }).arrivedAtMs);
    else exchange.rejectUnread(error);
  });
}

/** `isUnread`: the body was rejected while it arrived, so an unsupported one has an unsupported encoding. */
export function sendFailure({ request, response, requestId }: HttpCall, error: PlatformError, isUnread: boolean): void {
  const isEncoding = isUnread && error.code === 'unsupported';
  sendError(request, response, requestId, error, isEncoding ? { status: 415, headers: { 'accept-encoding': 'gzip, deflate' } } : {});
}
