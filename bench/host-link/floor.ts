/** What TLS between two processes costs by itself: bytes go to a process that sends them back, without frames, agents and workers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { LinkIdentity } from '../../src/links/index.ts';

export class TlsEcho {
  readonly #socket: TLSSocket;
  readonly #process: ChildProcess;

  private constructor(socket: TLSSocket, echo: ChildProcess) {
    this.#socket = socket;
    this.#process = echo;
  }

  /** Only a node may be the server of a link. */
  static async open(own: LinkIdentity, ofEcho: LinkIdentity): Promise<TlsEcho> {
    const program = fileURLToPath(new URL('./echo-process.ts', import.meta.url));
    const echo = spawn(process.execPath, [program, JSON.stringify(ofEcho)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [printed] = (await once(echo.stdout, 'data')) as [Buffer];
    const { cert, key, authorities: ca } = own;
    const to = { host: '127.0.0.1', port: Number(printed.toString()), checkServerIdentity: () => undefined };
    const socket = connect({ ...to, cert, key, ca, minVersion: 'TLSv1.3' });
    socket.setNoDelay(true);
    await once(socket, 'secureConnect');
    return new TlsEcho(socket, echo);
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Resolves when all bytes have come back. */
  run(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      let left = bytes.length;
      const onData = (chunk: Buffer): void => {
        left -= chunk.length;
        if (left > 0) return;
        this.#socket.off('data', onData);
        resolve();
      };
      this.#socket.on('data', onData);
      this.#socket.write(bytes);
    });
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }
}
