/** Admission of gRPC calls: authentication, request id, deadline, limits. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Metadata } from '@grpc/grpc-js';
import { type Action, type Caller, permissionFor } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import { type BodyBudget, type CallingRequest, requestIdOf } from '../../http/index.ts';
import type { OipDeps } from '../deps.ts';

/** What grpc-js knows of a call when its headers have arrived. */
export interface CallFacts {
  readonly metadata: Metadata;
  /** `/service/Method`. */
  readonly path: string;
  readonly host: string;
  /** Address and port. */
  readonly peer: string;
  /** Epoch milliseconds; infinite without a deadline. */
  readonly deadline: number | Date;
}

/** What is known of a call before its message. */
export interface CallHead {
  readonly requestId: string;
  /** `/service/Method`. */
  readonly path: string;
  readonly remoteAddress: string;
  /** The connection of the call. */
  readonly socket: CallingRequest['socket'];
  readonly headers: IncomingHttpHeaders;
  /** Epoch milliseconds; infinite without a deadline. */
  readonly deadlineWallMs: number;
}

/** `sockets` has the connections by client address and port. */
export function headOf(
  { metadata, path, host, peer, deadline }: CallFacts,
  sockets: ReadonlyMap<string, CallingRequest['socket']>,
): CallHead {
  const headers = metadata.getMap() as IncomingHttpHeaders;
  headers.host = host;
  const remoteAddress = peer.slice(0, Math.max(peer.lastIndexOf(':'), 0));
  const socket = sockets.get(peer) ?? { remoteAddress };
  return { requestId: requestIdOf({ headers }), path, remoteAddress, socket, headers, deadlineWallMs: Number(deadline) };
}

/** Identifies the call in the record of event loop activity. */
export function lineOf({ path }: CallHead): { readonly method: string; readonly url: string } {
  return { method: 'gRPC', url: path };
}

/** Returns the authorized caller. Throws `unauthenticated` or `forbidden`. */
export function admit({ listener, access }: OipDeps, { headers, socket }: CallHead, action: Action): Caller {
  const caller = listener.authenticate({ headers, socket, method: 'POST' });
  access.require(caller, permissionFor(action));
  return caller;
}

/** Counts the call against the limits of its key until it ends. Throws `overloaded`. */
export function countCall({ limiter }: Caller, call: { once(event: 'cancelled', run: () => void): unknown }): void {
  // grpc-js emits `cancelled` at the end of every call, also after success.
  if (limiter !== undefined) call.once('cancelled', limiter.begin());
}

/** Reserves memory for a message. Throws `overloaded` if bodies and messages already use too much. */
export function reserveBytes(budget: BodyBudget, bytes: number): void {
  if (!budget.reserve(bytes)) throw shortageOf(budget, bytes);
}

/** The error of a message for which there was no memory. */
export function shortageOf(budget: BodyBudget, messageBytes: number): PlatformError {
  return new PlatformError('overloaded', budget.explain(messageBytes), { hint: 'read responses before sending more', retryAfterMs: 1000 });
}

/** Time until the deadline; undefined without one. Throws `deadline_exceeded` if it has passed. */
export function remainingMs({ deadlineWallMs }: CallHead, wallMs: number): number | undefined {
  if (deadlineWallMs === Number.POSITIVE_INFINITY) return undefined;
  const remaining = deadlineWallMs - wallMs;
  if (remaining <= 0) throw new PlatformError('deadline_exceeded', 'the deadline of the call had passed on arrival');
  return remaining;
}
