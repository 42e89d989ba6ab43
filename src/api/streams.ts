import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';
import { EventStream } from './event-stream.ts';
import type { Call } from './route.ts';

/** What a stream needs of the call that asks for it. */
export type StreamCall = Pick<Call<unknown, unknown, unknown>, 'request' | 'response' | 'requestId'>;

/** All event streams that are open: they end when the server does, and not by themselves. */
export class Streams {
  readonly #clock: Clock;
  readonly #authenticate: (request: IncomingMessage) => unknown;
  readonly #open = new Set<EventStream>();

  /** `authenticate` throws where the sender of a request is not, or no longer, let in. */
  constructor(clock: Clock, authenticate: (request: IncomingMessage) => unknown) {
    this.#clock = clock;
    this.#authenticate = authenticate;
  }

  open({ request, response, requestId }: StreamCall): EventStream {
    const stream = new EventStream(response, this.#clock, { requestId, isWelcome: () => this.#isWelcome(request) });
    this.#open.add(stream);
    stream.onEnd(() => this.#open.delete(stream));
    return stream;
  }

  #isWelcome(request: IncomingMessage): boolean {
    try {
      this.#authenticate(request);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    for (const stream of this.#open) stream.end();
  }
}
