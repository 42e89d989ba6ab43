/**
 * Closes connections whose clients do not read their responses: otherwise they and the memory of their requests would be held
 * forever.
 */
import type { Socket } from 'node:net';
import { type Clock, every } from '../clock.ts';

/** Internal handle of a socket: the only place where Node exposes the number of written bytes. Node's own timeouts use it, too. */
interface Writing {
  readonly _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null;
}

/** Polls all connections periodically: a timer per response would cost more than most responses. */
export class StalledResponses {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #sockets = new Set<Socket>();
  /** Connections with pending writes at the last poll, and the bytes written by then. */
  #writing = new Map<Socket, number>();
  #cancel = (): void => {};
  #onChange: (() => void) | null = null;

  /** A client must read some bytes of a pending response within `timeoutMs`, or twice that if it stalls just after a poll. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  watch(socket: Socket): void {
    this.#sockets.add(socket);
    this.#onChange?.();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#onChange?.();
    });
  }

  /** All open connections. */
  get sockets(): ReadonlySet<Socket> {
    return this.#sockets;
  }

  /** Resolves at once if no connection is open, else once none has been open for `quietMs`, or after `timeoutMs`. */
  async settled({ quietMs, timeoutMs }: { readonly quietMs: number; readonly timeoutMs: number }): Promise<void> {
    if (this.#sockets.size === 0) return;
    let cancelQuiet = (): void => {};
    await new Promise<void>((resolve) => {
      const cancelTimeout = this.#clock.after(timeoutMs, resolve);
      this.#onChange = () => {
        cancelQuiet();
        if (this.#sockets.size > 0) return;
        cancelQuiet = this.#clock.after(quietMs, () => {
          cancelTimeout();
          resolve();
        });
      };
    });
    cancelQuiet();
    this.#onChange = null;
  }

  start(): void {
    this.#cancel = every(this.#clock, this.#timeoutMs, () => this.#poll());
  }

  stop(): void {
    this.#cancel();
  }

  #poll(): void {
    const writing = new Map<Socket, number>();
    for (const socket of this.#sockets) {
      if (socket.writableLength === 0) continue;
      const out = bytesOut(socket);
      if (this.#writing.get(socket) === out) socket.destroy();
      else writing.set(socket, out);
    }
    this.#writing = writing;
  }
}

function bytesOut(socket: Socket): number {
  const { _handle: handle } = socket as unknown as Writing;
  return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize;
}
