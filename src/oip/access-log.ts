/** Access log and audit records for control calls and rejected calls. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../access/index.ts';
import type { PlatformError } from '../errors.ts';
import { accessFields } from '../http/index.ts';
import { type AuditAction, claimedKey, unknownCaller, withOrigin } from '../records/index.ts';
import type { OipDeps } from './deps.ts';
import type { ParsedPath } from './paths.ts';

interface AnsweredCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly who: string | null;
}

/** Must be called after the response status is set. */
export function logAccess({ clock, writeAccess }: OipDeps, { request, response, requestId, who }: AnsweredCall, ms: number): void {
  writeAccess({ ...accessFields(request), atMs: clock.wallMs(), requestId, protocol: 'oip', status: response.statusCode, ms, who });
}

interface RejectedHttpCall {
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly position: ParsedPath;
  /** Null if authentication failed. */
  readonly caller: Caller | null;
}

/** Records nothing for calls that would have changed nothing. */
export async function auditRejection(services: OipDeps, refused: RejectedHttpCall, error: PlatformError): Promise<void> {
  const { request, requestId, position, caller } = refused;
  const { headers, socket } = request;
  const call = { headers, requestId, protocol: 'oip', remoteAddress: socket.remoteAddress ?? '', target: position.model };
  await auditRejectedChange(services, call, { change: changeOf(position.kind), caller }, error);
}

/** Audits rejected load and unload calls, and an invalid key on any call. */
export async function auditRejectedChange(
  services: OipDeps,
  call: PresentedCall,
  { change, caller }: { readonly change: 'load' | 'unload' | null; readonly caller: Caller | null },
  error: PlatformError,
): Promise<void> {
  if (change === null) return auditInvalidKey(services, call, error);
  await recordRejection(
    services,
    { ...call, who: caller?.keyId ?? unknownCaller, action: change === 'load' ? 'LoadEndpoint' : 'UnloadEndpoint' },
    error,
  );
}

function changeOf(kind: ParsedPath['kind']): 'load' | 'unload' | null {
  return kind === 'load' || kind === 'unload' ? kind : null;
}

/** A call as it was received, before or after authentication. */
export interface PresentedCall {
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  readonly protocol: string;
  readonly remoteAddress: string;
  readonly target: string;
}

/** Audits only invalid keys; a missing key is an ordinary mistake. */
async function auditInvalidKey(services: OipDeps, call: PresentedCall, error: PlatformError): Promise<void> {
  if (error.code !== 'unauthenticated' || call.headers.authorization === undefined) return;
  await recordRejection(services, { ...call, who: unknownCaller, action: 'Authenticate' }, error);
}

async function recordRejection(
  { refusals }: OipDeps,
  call: PresentedCall & { who: string; action: AuditAction },
  { code, message }: PlatformError,
): Promise<void> {
  const { headers, requestId, protocol, remoteAddress, who, action, target } = call;
  const origin = { protocol, remoteAddress, userAgent: headers['user-agent'] ?? '', requestId };
  const detail = { message: message.slice(0, 1024), ...(who === unknownCaller ? claimedKey(headers.authorization) : {}) };
  await withOrigin(origin, () => refusals.record({ who, action, target, outcome: code, detail }));
}
