import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { EventStream } from './event-stream.ts';

/** All event streams that are open: they end when the server does, and not by themselves. */
export class Streams {
  readonly #clock: Clock;
  readonly #open = new Set<EventStream>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(response: ServerResponse, requestId: string): EventStream {
    const stream = new EventStream(response, this.#clock, requestId);
    this.#open.add(stream);
    stream.onEnd(() => this.#open.delete(stream));
    return stream;
  }

  close(): void {
    for (const stream of this.#open) stream.end();
  }
}
