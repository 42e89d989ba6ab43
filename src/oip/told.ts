/** What the access log and the audit are told of calls that are no inference, and of those that were refused. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../access/index.ts';
import type { PlatformError } from '../errors.ts';
import { accessFields } from '../http/index.ts';
import { claimedKey, unknownCaller, withOrigin } from '../monitoring/index.ts';
import type { OipServices } from './neighbours.ts';
import type { Place } from './places.ts';

interface Answered {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly who: string | null;
}

/** To be called once the answer is on its way. */
export function tellAccess({ clock, writeAccess }: OipServices, { request, response, requestId, who }: Answered, ms: number): void {
  writeAccess({ ...accessFields(request), atMs: clock.wallMs(), requestId, door: 'oip', status: response.statusCode, ms, who });
}

interface RefusedCall {
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly place: Place;
  /** Null where it is not known who called. */
  readonly caller: Caller | null;
}

/** Loading and unloading are deeds; a wrong key is told of whatever it was shown for. */
export async function tellRefused({ refusals }: OipServices, refused: RefusedCall, { code, message }: PlatformError): Promise<void> {
  const { request, requestId, place, caller } = refused;
  const { headers, socket } = request;
  const deed = place.kind === 'load' ? 'LoadEndpoint' : place.kind === 'unload' ? 'UnloadEndpoint' : null;
  if (deed === null && (code !== 'unauthenticated' || headers.authorization === undefined)) return;
  const origin = { door: 'oip', remoteAddress: socket.remoteAddress ?? '', userAgent: headers['user-agent'] ?? '', requestId };
  const detail = { message: message.slice(0, 1024), ...(caller === null ? claimedKey(headers.authorization) : {}) };
  const action = deed ?? 'Authenticate';
  const who = caller?.keyId ?? unknownCaller;
  await withOrigin(origin, () => refusals.record({ who, action, target: place.model, outcome: code, detail }));
}
