/**
 * Server-Sent Events to one client (https://html.spec.whatwg.org/multipage/server-sent-events.html). A client that
 * does not follow is let go when its buffer is full; it comes back with Last-Event-ID and misses nothing.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';

/** Keeps proxies and sleepy clients from taking a quiet stream for a dead one. */
const heartbeatMs = 15_000;
const bufferBytesMax = 1024 * 1024;

export interface StreamedEvent {
  /** What a client sends as Last-Event-ID when it comes back. */
  readonly id?: number;
  readonly kind?: string;
  /** One line or several. */
  readonly data: string;
}

export interface StreamOptions {
  readonly requestId: string;
  /** Asked at each heartbeat: whose key was revoked or whose session is over hears no more. */
  readonly isWelcome: () => boolean;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #isWelcome: () => boolean;
  readonly #onEnd: (() => void)[] = [];
  #cancelHeartbeat: () => void = () => {};
  #isOpen = true;

  /** Sends the head at once. */
  constructor(response: ServerResponse, clock: Clock, { requestId, isWelcome }: StreamOptions) {
    this.#response = response;
    this.#clock = clock;
    this.#isWelcome = isWelcome;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
    });
    response.on('error', () => this.end());
    response.on('close', () => this.end());
    this.#write('retry: 1000\n\n');
    this.#beat();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The client has not read yet what it was sent. */
  get isBehind(): boolean {
    return this.#response.writableNeedDrain;
  }

  send({ id, kind, data }: StreamedEvent): void {
    const head = `${id === undefined ? '' : `id: ${id}\n`}${kind === undefined ? '' : `event: ${kind.replaceAll(/\s+/g, ' ')}\n`}`;
    this.#write(
      `${head}${data
        .replaceAll('\r', '')
        .split('\n')
        .map((line) => `data: ${line}\n`)
        .join('')}\n`,
    );
  }

  /** Runs once the stream has ended, from either side; at once where it has. */
  onEnd(run: () => void): void {
    if (this.#isOpen) this.#onEnd.push(run);
    else run();
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cancelHeartbeat();
    this.#response.end();
    for (const run of this.#onEnd) run();
  }

  #write(text: string): void {
    if (!this.#isOpen) return;
    this.#response.write(text);
    if (this.#response.writableLength <= bufferBytesMax) return;
    this.end();
    this.#response.destroy(); // nobody reads it: waiting until it is flushed would be for ever
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(heartbeatMs, () => {
      if (this.#isWelcome()) this.#write(': still here\n\n');
      else this.end();
      if (this.#isOpen) this.#beat();
    });
  }
}
