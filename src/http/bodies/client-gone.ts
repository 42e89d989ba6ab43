/** A client that aborts an upload is not an error: nothing is counted, logged or audited as a failure. */
import type { IncomingMessage } from 'node:http';

/** Status in the access log, as in nginx; it is never sent. */
export const clientClosedRequest = 499;

/** Whether the connection ended before the whole request had arrived. */
export function isBrokenOff(request: IncomingMessage): boolean {
  return request.destroyed && !request.complete;
}
