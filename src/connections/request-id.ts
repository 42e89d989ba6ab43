/** The id of a request in the response header `x-request-id`, in errors and in logs. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const start = randomBytes(5).toString('hex');
let count = 0;

/** The client's id if it is short and safe; otherwise a new one: a random prefix of this process and a counter. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const provided = request.headers['x-request-id'];
  if (typeof provided === 'string' && /^[\w.:-]{1,128}$/.test(provided)) return provided;
  return `${start}-${(count++).toString(36)}`;
}
