/**
 * The TCP connections of a TLS server. The server itself emits them only after their handshakes, and would wait for clients that never
 * begin one when it closes.
 */
import type { Server, Socket } from 'node:net';

/** Construct it before the server listens. */
export class TcpConnections {
  readonly #open = new Set<Socket>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  /** Closes those that have sent nothing, not even the beginning of a handshake. */
  closeSilent(): void {
    for (const socket of this.#open) if (socket.bytesRead === 0) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
