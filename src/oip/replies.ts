/** Sends JSON, texts and errors with exact content types and lengths, and the request id. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { replyHeaders } from '../connections/index.ts';
import type { PlatformError } from '../errors.ts';
import { errorBody, errorHeaders, httpStatusOf, respond } from '../http/index.ts';

/** Sends a document. */
export function sendJson(request: IncomingMessage, response: ServerResponse, requestId: string, status: number, body: unknown): void {
  respond(request, response, status, replyHeaders(requestId, 'application/json'), JSON.stringify(body));
}

/** Sends a text with status 200, such as the metrics page. */
export function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  contentType: string,
  text: string | Buffer,
): void {
  respond(request, response, 200, replyHeaders(requestId, contentType), text);
}

/** `options.status` overrides the status of the error code: 405 and 415 share a code. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  error: PlatformError,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const headers = replyHeaders(requestId, 'application/json');
  for (const [name, value] of Object.entries({ ...errorHeaders(error), ...options.headers })) headers.push(name, value);
  respond(request, response, options.status ?? httpStatusOf(error), headers, errorBody(error, requestId));
}
