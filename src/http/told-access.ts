/** Tells the access log of control calls. Inference requests have a log of their own, and pass by here only where they were refused at the door. */
import type { IncomingMessage } from 'node:http';
import type { AccessLine } from '../monitoring/index.ts';

/** Takes a line of the access log. */
export type WriteAccess = (line: AccessLine) => void;

const callers = new WeakMap<IncomingMessage, string>();

/** Whoever found out who calls says it here, for the line that is written at the end. */
export function tellCaller(request: IncomingMessage, keyId: string): void {
  callers.set(request, keyId);
}

export function callerTold(request: IncomingMessage): string | null {
  return callers.get(request) ?? null;
}

/** What stands in the request itself. */
export function accessFields(request: IncomingMessage): Pick<AccessLine, 'method' | 'url' | 'from' | 'userAgent'> {
  const { method = '', url = '', socket, headers } = request;
  return { method, url, from: socket.remoteAddress, userAgent: headers['user-agent'] };
}
