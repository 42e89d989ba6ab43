/** Why a gateway process answers without the home. Clients may send the request again: nothing has run. */
import { PlatformError } from '../errors.ts';

/** `why`: the request waited for a home, or could not. */
export function noHome(why: string): PlatformError {
  return unavailable(`no node of the cluster serves requests at the moment, and ${why}: send the request again`);
}

/** Of a node with a network problem of its own, or whose other nodes are all gone. */
export function cutOff(): PlatformError {
  return unavailable('this node does not reach the node that serves requests: send the request to another node');
}

/** Of a probe. */
export function lateAnswer(ms: number): PlatformError {
  return unavailable(
    `the server that serves requests did not answer within ${ms / 1000} s: it is starting, busy, stopped or not reachable`,
  );
}

function unavailable(message: string): PlatformError {
  return new PlatformError('unavailable', message, { retryAfterMs: 1000 });
}
