/** Access log of control calls. Inference requests have their own log; only those rejected before they reached a model are written here. */
import type { IncomingMessage } from 'node:http';
import type { AccessLine } from '../logs/index.ts';

/** Writes a line of the access log. */
export type WriteAccess = (line: AccessLine) => void;

const callers = new WeakMap<IncomingMessage, string>();

/** Stores the authenticated caller of a request for its access log line. */
export function rememberCaller(request: IncomingMessage, keyId: string): void {
  callers.set(request, keyId);
}

/** The key id stored by `rememberCaller`; null if the request is not authenticated. */
export function callerOf(request: IncomingMessage): string | null {
  return callers.get(request) ?? null;
}

const rejectedOnEntry = new WeakSet<IncomingMessage>();

/** Marks an inference request that was rejected before it reached a model, so that it gets a line in the access log. */
export function markRejectedOnEntry(request: IncomingMessage): void {
  rejectedOnEntry.add(request);
}

/** Whether an inference request was rejected before it reached a model, so that it is logged here. */
export function isRejectedOnEntry(request: IncomingMessage): boolean {
  return rejectedOnEntry.has(request);
}

/** The fields of a line that come from the request itself. */
export function accessFields(request: IncomingMessage): Pick<AccessLine, 'method' | 'url' | 'from' | 'userAgent'> {
  const { method = '', url = '', socket, headers } = request;
  return { method, url, from: socket.remoteAddress, userAgent: headers['user-agent'] };
}
