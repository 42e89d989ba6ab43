/** A TCP proxy on loopback that a test can cut, close or hang. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class TcpProxy {
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #server: Server | null = null;
  #isHanging = false;
  port = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    await proxy.accept();
    return proxy;
  }

  /** The same URL, through the proxy. */
  urlOf(url: string): string {
    const through = new URL(url);
    through.port = String(this.port);
    return through.href;
  }

  /** Accepts connections again, on the same port. */
  async accept(): Promise<void> {
    this.#server = createServer((client) => this.#forward(client)).listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Cuts all connections and rejects new ones until `accept`. */
  refuse(): void {
    this.#server?.close();
    this.cut();
  }

  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  /** Connections stay open, and new ones are accepted, but nothing passes. */
  hang(): void {
    this.#isHanging = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Blocks data from the server; data from clients still passes. */
  hangAnswers(): void {
    for (const [, server] of this.#pairs) server.pause();
  }

  resume(): void {
    this.#isHanging = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  close(): void {
    this.refuse();
  }

  #forward(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.pipe(server).pipe(client);
    if (this.#isHanging) for (const socket of pair) socket.pause();
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
  }
}
