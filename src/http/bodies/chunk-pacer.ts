/**
 * Bounds how many chunks of one body the event loop reads at a time. Node reads up to 32 times 64 KiB from a connection in one turn and calls
 * back for each chunk: of a byte each, that is 350,000 calls and half a second.
 */
import type { IncomingMessage } from 'node:http';

/** What was read already, at most 64 KiB, still arrives after the pause. */
const chunksPerTurn = 256;

/** One per body. It pauses the connection until the next turn of the event loop. */
export class ChunkPacer {
  readonly #request: IncomingMessage;
  #chunks = 0;
  #isPaused = false;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  /** Call for each chunk. */
  add(): void {
    if (++this.#chunks % chunksPerTurn !== 0 || this.#isPaused) return;
    const { socket } = this.#request;
    this.#isPaused = true;
    socket.pause();
    setImmediate(() => {
      this.#isPaused = false;
      socket.resume();
    });
  }
}
