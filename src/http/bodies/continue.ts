/** Sends `100 Continue`. */
import type { ServerResponse } from 'node:http';

/**
 * Tells the client to send its body. Nothing is sent while an earlier request of the connection is being answered, because
 * Node would write the line into that response. The client then sends its body after a delay, as RFC 9110 requires.
 */
export function sendContinue(response: ServerResponse): void {
  if (response.socket !== null) response.writeContinue();
}
