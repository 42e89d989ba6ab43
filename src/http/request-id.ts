/** The id that a request bears in the answer's `x-request-id`, in its error and in the logs. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const start = randomBytes(5).toString('hex');
let count = 0;

/** The client's own, if it is short and harmless; else a new one: a random word of this process and a number. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  if (typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given)) return given;
  return `${start}-${(count++).toString(36)}`;
}
