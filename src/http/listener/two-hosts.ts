/** Requests with several Host headers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody, requestIdOf } from '../../connections/index.ts';
import { PlatformError } from '../../errors.ts';
import { respond } from '../respond.ts';

/** With two Host headers, a proxy and this server may disagree about the host. Node silently uses the first. */
export function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

/** A proxy in front could read another one of them than this server, so the request is rejected and its connection closed. */
export function rejectTwoHosts(request: IncomingMessage, response: ServerResponse): void {
  const requestId = requestIdOf(request);
  const error = new PlatformError('invalid_request', 'the request has several Host headers: expected one');
  response.shouldKeepAlive = false;
  respond(request, response, 400, ['content-type', 'application/json', 'x-request-id', requestId], errorBody(error, requestId));
}
