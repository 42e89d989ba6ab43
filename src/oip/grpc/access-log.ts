/** Access log and audit records of gRPC calls, like `../access-log.ts` for HTTP. */
import type { Caller } from '../../access/index.ts';
import type { PlatformError } from '../../errors.ts';
import { httpStatus } from '../../http/index.ts';
import { type Origin, withOrigin } from '../../records/index.ts';
import { auditRejectedChange } from '../access-log.ts';
import type { OipDeps } from '../deps.ts';
import type { CallHead } from './admission.ts';

interface GrpcAccess {
  readonly head: CallHead;
  /** Null if authentication failed or is not required. */
  readonly caller: Caller | null;
  /** Null if the call succeeded. */
  readonly error: PlatformError | null;
  /** The requested model, if the message was decoded and names one. */
  readonly model?: string | undefined;
  readonly ms: number;
}

/** gRPC always responds with HTTP status 200; the line has the status REST would use, so that one filter finds both. */
export function logGrpcAccess({ clock, writeAccess }: OipDeps, { head, caller, error, model, ms }: GrpcAccess): void {
  writeAccess({
    atMs: clock.wallMs(),
    requestId: head.requestId,
    protocol: 'grpc',
    method: 'POST',
    url: head.path,
    model: model === '' ? undefined : model,
    status: error === null ? 200 : httpStatus[error.code],
    ms,
    who: caller?.keyId ?? null,
    from: head.remoteAddress,
    userAgent: head.headers['user-agent'],
  });
}

interface RejectedGrpcCall {
  readonly head: CallHead;
  readonly caller: Caller | null;
  readonly change: 'load' | 'unload' | null;
  readonly target: string;
}

/** Records nothing for calls that would have changed nothing. */
export async function auditGrpcRejection(services: OipDeps, refused: RejectedGrpcCall, error: PlatformError): Promise<void> {
  const { head, caller, change, target } = refused;
  const { headers, requestId, remoteAddress } = head;
  await auditRejectedChange(services, { headers, requestId, remoteAddress, protocol: 'grpc', target }, { change, caller }, error);
}

/** Audit records written by `run` get the origin of this call. */
export function withCaller<Result>({ requestId, remoteAddress, headers }: CallHead, run: () => Result): Result {
  const origin: Origin = { protocol: 'grpc', remoteAddress, userAgent: headers['user-agent'] ?? '', requestId };
  return withOrigin(origin, run);
}
