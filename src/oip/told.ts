/** What the access log and the audit are told of calls that are no inference, and of those that were refused. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../access/index.ts';
import type { PlatformError } from '../errors.ts';
import { accessFields } from '../http/index.ts';
import { claimedKey, type Deed, unknownCaller, withOrigin } from '../monitoring/index.ts';
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

export async function tellRefused(services: OipServices, refused: RefusedCall, error: PlatformError): Promise<void> {
  const { request, requestId, place, caller } = refused;
  const { headers, socket } = request;
  const shown = { headers, requestId, door: 'oip', remoteAddress: socket.remoteAddress ?? '', target: place.model };
  await tellRefusedChange(services, shown, { change: changeOf(place.kind), caller }, error);
}

/** Loading and unloading are deeds; a wrong key is told of whatever it was shown for. */
export async function tellRefusedChange(
  services: OipServices,
  shown: Shown,
  { change, caller }: { readonly change: 'load' | 'unload' | null; readonly caller: Caller | null },
  error: PlatformError,
): Promise<void> {
  if (change === null) return tellWrongKey(services, shown, error);
  await tell(
    services,
    { ...shown, who: caller?.keyId ?? unknownCaller, action: change === 'load' ? 'LoadEndpoint' : 'UnloadEndpoint' },
    error,
  );
}

function changeOf(kind: Place['kind']): 'load' | 'unload' | null {
  return kind === 'load' || kind === 'unload' ? kind : null;
}

export interface Shown {
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  readonly door: string;
  readonly remoteAddress: string;
  readonly target: string;
}

/** Of nothing but a key that is none: whoever shows none at all has only forgotten it. */
async function tellWrongKey(services: OipServices, shown: Shown, error: PlatformError): Promise<void> {
  if (error.code !== 'unauthenticated' || shown.headers.authorization === undefined) return;
  await tell(services, { ...shown, who: unknownCaller, action: 'Authenticate' }, error);
}

async function tell(
  { refusals }: OipServices,
  call: Shown & { who: string; action: Deed },
  { code, message }: PlatformError,
): Promise<void> {
  const { headers, requestId, door, remoteAddress, who, action, target } = call;
  const origin = { door, remoteAddress, userAgent: headers['user-agent'] ?? '', requestId };
  const detail = { message: message.slice(0, 1024), ...(who === unknownCaller ? claimedKey(headers.authorization) : {}) };
  await withOrigin(origin, () => refusals.record({ who, action, target, outcome: code, detail }));
}
