/** What the access log and the audit are told of calls over gRPC, as `../told.ts` does of those over HTTP. */
import type { Caller } from '../../access/index.ts';
import type { PlatformError } from '../../errors.ts';
import { httpStatus } from '../../http/index.ts';
import { type Origin, withOrigin } from '../../monitoring/index.ts';
import type { OipServices } from '../neighbours.ts';
import { tellRefusedChange } from '../told.ts';
import type { CallHead } from './admission.ts';

interface ToldCall {
  readonly head: CallHead;
  /** Null where it is not known, or nobody asked. */
  readonly caller: Caller | null;
  /** Null where it was answered. */
  readonly error: PlatformError | null;
  /** The one asked for, where one was and the message was read. */
  readonly model?: string | undefined;
  readonly ms: number;
}

/** HTTP/2 answers each call with 200: the line has what REST would have answered, so that one filter finds them all. */
export function tellGrpcAccess({ clock, writeAccess }: OipServices, { head, caller, error, model, ms }: ToldCall): void {
  writeAccess({
    atMs: clock.wallMs(),
    requestId: head.requestId,
    door: 'grpc',
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

interface RefusedGrpcCall {
  readonly head: CallHead;
  readonly caller: Caller | null;
  readonly change: 'load' | 'unload' | null;
  readonly target: string;
}

export async function tellGrpcRefused(services: OipServices, refused: RefusedGrpcCall, error: PlatformError): Promise<void> {
  const { head, caller, change, target } = refused;
  const { headers, requestId, remoteAddress } = head;
  await tellRefusedChange(services, { headers, requestId, remoteAddress, door: 'grpc', target }, { change, caller }, error);
}

/** Whatever is recorded of what `run` does has come from there. */
export function asCalledBy<Result>({ requestId, remoteAddress, headers }: CallHead, run: () => Result): Result {
  const origin: Origin = { door: 'grpc', remoteAddress, userAgent: headers['user-agent'] ?? '', requestId };
  return withOrigin(origin, run);
}
