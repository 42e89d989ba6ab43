/** Ends connections whose clients do not take their answers: else these, and what their requests hold, would be there for ever. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';

/** Beneath a socket: the only place where Node says how much of what it is writing is out. Its own timeouts look there, too. */
interface Writing {
  readonly _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null;
}

/** Looked at from time to time, all connections at once: a timer for each answer would cost most of them more than they take. */
export class UntakenAnswers {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #sockets = new Set<Socket>();
  /** Those that had something to write when they were last looked at, and how much was out by then. */
  #writing = new Map<Socket, number>();
  #cancel = (): void => {};

  /** Of an answer some must be taken within `timeoutMs`; twice that, where it began to lie there just after a look. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  watch(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  start(): void {
    this.#cancel = this.#clock.after(this.#timeoutMs, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  #look(): void {
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
