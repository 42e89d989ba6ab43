/**
 * Server-Sent Events to one client (https://html.spec.whatwg.org/multipage/server-sent-events.html). A client that is too
 * slow is disconnected when its buffer is full. It reconnects with Last-Event-ID and misses no event.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';

/** Prevents proxies and clients from closing an idle stream. */
const heartbeatMs = 15_000;
const bufferBytesMax = 1024 * 1024;

export interface StreamedEvent {
  /** The client sends it as Last-Event-ID when it reconnects. */
  readonly id?: number;
  readonly kind?: string;
  /** One line or several. */
  readonly data: string;
}

export interface StreamOptions {
  readonly requestId: string;
  /** Checked at each heartbeat: a revoked key or an expired session ends the stream. */
  readonly isAuthorized: () => boolean;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #isAuthorized: () => boolean;
  readonly #onEnd: (() => void)[] = [];
  #cancelHeartbeat: () => void = () => {};
  #isOpen = true;

  /** Sends the response headers at once. */
  constructor(response: ServerResponse, clock: Clock, { requestId, isAuthorized }: StreamOptions) {
    this.#response = response;
    this.#clock = clock;
    this.#isAuthorized = isAuthorized;
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

  /** True while the client has not read everything that was sent. */
  get isBehind(): boolean {
    return this.#response.writableNeedDrain;
  }

  /** Each line of the data becomes a field of its own, as the format requires; the client joins them again. */
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

  /** Runs when either side ends the stream, or at once if it has already ended. */
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
    this.#response.destroy(); // the client does not read, so the flush would never complete
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(heartbeatMs, () => {
      if (this.#isAuthorized()) this.#write(': still here\n\n');
      else this.end();
      if (this.#isOpen) this.#beat();
    });
  }
}
