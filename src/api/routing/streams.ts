/** Open server-sent event streams: limited in number, and ended with the server or the key. */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { EventStream } from './event-stream.ts';
import type { RouteCall } from './route.ts';

/** The part of a call that a stream uses. */
export type StreamCall = Pick<RouteCall<unknown, unknown, unknown>, 'request' | 'response' | 'requestId' | 'caller'>;

/** An open stream costs work all the time, so one key must not take the whole capacity. */
export const streamLimits = { perKeyMax: 100, max: 1000 } as const;

/** All open event streams. They never end by themselves: the server must close them. */
export class Streams {
  readonly #clock: Clock;
  readonly #authenticate: (request: IncomingMessage) => unknown;
  readonly #open = new Map<EventStream, string>();

  /** `authenticate` throws if the sender of a request is not, or no longer, authorized. */
  constructor(clock: Clock, authenticate: (request: IncomingMessage) => unknown) {
    this.#clock = clock;
    this.#authenticate = authenticate;
  }

  /** Throws `overloaded` if the caller's key, or all keys together, have too many open. */
  open({ request, response, requestId, caller: { keyId } }: StreamCall): EventStream {
    const own = [...this.#open.values()].filter((id) => id === keyId).length;
    const { perKeyMax, max } = streamLimits;
    if (own >= perKeyMax || this.#open.size >= max) {
      const owner = own >= perKeyMax ? `key ${keyId} has ${own}` : `the server has ${this.#open.size}`;
      throw new PlatformError(
        'overloaded',
        `too many open event streams: ${owner}, expected at most ${perKeyMax} per key and ${max} in total. Close some`,
      );
    }
    const stream = new EventStream(response, this.#clock, { requestId, isAuthorized: () => this.#isAuthorized(request) });
    this.#open.set(stream, keyId);
    stream.onEnd(() => this.#open.delete(stream));
    return stream;
  }

  #isAuthorized(request: IncomingMessage): boolean {
    try {
      this.#authenticate(request);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    for (const stream of this.#open.keys()) stream.end();
  }
}
