/** Writes all frames of one turn of the event loop together: one system call per frame would cost more than most requests. */
import type { Socket } from 'node:net';

/** Larger frames are written as they are, because joining them would copy them. */
const joinedBytesMax = 128 * 1024;

/** Order is preserved: frames leave as they were written. */
export class BatchedWriter {
  readonly #socket: Socket;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #isScheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Frames of one turn of the event loop are written together. */
  write(frame: readonly Buffer[]): void {
    for (const part of frame) {
      this.#waiting.push(part);
      this.#bytes += part.length;
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.flush());
  }

  /** Few bytes are joined to one buffer; more would cost more to copy than a second write costs. */
  flush(): void {
    this.#isScheduled = false;
    const [waiting, bytes] = [this.#waiting, this.#bytes];
    this.#waiting = [];
    this.#bytes = 0;
    if (this.#socket.destroyed || waiting.length === 0) return;
    if (waiting.length === 1) this.#socket.write(waiting[0] as Buffer);
    else if (bytes <= joinedBytesMax) this.#socket.write(Buffer.concat(waiting, bytes));
    else {
      this.#socket.cork();
      for (const part of waiting) this.#socket.write(part);
      this.#socket.uncork();
    }
  }
}
