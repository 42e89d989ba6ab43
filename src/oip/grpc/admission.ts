/** Who calls, under which id, and how long it may take: what every call brings besides its message. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Metadata } from '@grpc/grpc-js';
import type { Caller, Permission } from '../../access/index.ts';
import { PlatformError } from '../../errors.ts';
import { type BodyBudget, requestIdOf } from '../../http/index.ts';
import type { OipServices } from '../neighbours.ts';

/** The part of grpc-js's calls that all kinds have. */
export interface GrpcCall {
  readonly metadata: Metadata;
  /** `/service/Method`. */
  getPath(): string;
  getHost(): string;
  /** Address and port. */
  getPeer(): string;
  /** Epoch milliseconds; infinite where the client has none. */
  getDeadline(): number | Date;
}

export interface CallHead {
  readonly requestId: string;
  /** `/service/Method`. */
  readonly path: string;
  readonly remoteAddress: string;
  readonly headers: IncomingHttpHeaders;
  /** Epoch milliseconds; infinite where the client has none. */
  readonly deadlineWallMs: number;
}

export function headOf(call: GrpcCall): CallHead {
  const headers = call.metadata.getMap() as IncomingHttpHeaders;
  headers.host = call.getHost();
  const peer = call.getPeer();
  const remoteAddress = peer.slice(0, Math.max(peer.lastIndexOf(':'), 0));
  return { requestId: requestIdOf({ headers }), path: call.getPath(), remoteAddress, headers, deadlineWallMs: Number(call.getDeadline()) };
}

/** The caller, once it is clear that it may do this. Throws `unauthenticated` or `forbidden`. */
export function admit({ listener, access }: OipServices, { headers, remoteAddress }: CallHead, permission: Permission): Caller {
  const caller = listener.authenticate({ headers, socket: { remoteAddress }, method: 'POST' });
  access.require(caller, permission);
  return caller;
}

/** Room for a message of the client's. Throws `overloaded` where bodies and messages take too much already. */
export function makeRoom(budget: BodyBudget, bytes: number): void {
  if (budget.take(bytes)) return;
  const mebibytes = Math.round(budget.bytes / 2 ** 20);
  const text = `messages and bodies of ${mebibytes} MiB wait here for models or for clients to read answers: read answers, then send more`;
  throw new PlatformError('overloaded', text, { retryAfterMs: 1000 });
}

/** How long it may still take; undefined where the client sets no limit. Throws `deadline_exceeded` where that has passed. */
export function timeLeftMs({ deadlineWallMs }: CallHead, wallMs: number): number | undefined {
  if (deadlineWallMs === Number.POSITIVE_INFINITY) return undefined;
  const leftMs = deadlineWallMs - wallMs;
  if (leftMs <= 0) throw new PlatformError('deadline_exceeded', "the call's deadline passed before it began");
  return leftMs;
}
