/** Reads the body of an invocation, for both ONNX and process models. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asPlatformError, PlatformError } from '../../errors.ts';
import { isBrokenOff, readRequestBody } from '../../http/index.ts';
import type { InferenceExchange } from '../../serving/index.ts';
import type { ApiServices } from '../routing/services.ts';

export interface InvocationCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

type Receiver = Pick<InferenceExchange<unknown, unknown>, 'receive' | 'rejectUnread' | 'receivedAtMs'>;

/** Throws if the client disconnects before its request is complete: this does not count as a failure of the endpoint. */
export async function readInvocation(
  { clock, bodies }: Pick<ApiServices, 'clock' | 'bodies'>,
  { request, response }: InvocationCall,
  exchange: Receiver,
): Promise<void> {
  exchange.receivedAtMs = clock.nowMs();
  let body: Buffer;
  try {
    body = await readRequestBody(request, response, bodies);
  } catch (error) {
    if (isBrokenOff(request)) throw error;
    exchange.rejectUnread(asPlatformError(error));
    return;
  }
  exchange.receive(body);
}

export function clientLeftError(): PlatformError {
  return new PlatformError('invalid_request', 'the client disconnected before the response was ready');
}
