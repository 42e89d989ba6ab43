/** The body of an invocation, whatever the model is. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asPlatformError } from '../errors.ts';
import { readBody } from '../http/index.ts';
import type { Route } from '../serving/index.ts';
import type { ApiServices } from './services.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

/** Who got as far as an endpoint, but whose body was refused, counts among those that failed. */
export async function readInvocation(
  { serving, clock, bodies }: ApiServices,
  target: Route,
  { request, response, requestId }: Exchange,
  cameAtMs = clock.nowMs(),
): Promise<Buffer> {
  try {
    return await readBody(request, response, bodies);
  } catch (error) {
    serving.reject(target, { requestId, rows: 0, arrivedAtMs: clock.nowMs(), cameAtMs }, asPlatformError(error));
    throw error;
  }
}
