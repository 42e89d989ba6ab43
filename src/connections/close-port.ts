/**
 * Closes a listening port without resetting clients.
 *
 * On close, the kernel resets the connections that it has established and the server has not accepted. On a busy machine these are many,
 * because the event loop accepts one connection a turn. So the queue is first limited to a single place, and the port is closed while a
 * connection of the server itself (the plug) takes that place: the kernel then drops the SYN packets of all clients, which resend them
 * after a second and are refused.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';

/** Delay until the next attempt, if no connection is accepted. */
const attemptMs = 5;

/** How a port is closed: what closes it, and how long clients in the queue of the kernel may delay that. */
export interface ClosePortOptions<T> {
  readonly clock: Clock;
  /** After this time the port is closed in any case. */
  readonly timeoutMs: number;
  /** Closes the port before it returns. */
  readonly close: () => T;
}

/** Resolves with what `close` returned. */
export async function closePort<T>(server: Server, { clock, timeoutMs, close }: ClosePortOptions<T>): Promise<{ readonly closed: T }> {
  const address = server.address() as AddressInfo | null;
  const { _handle: handle } = server as unknown as { readonly _handle: { listen(backlog: number): number } | null };
  if (address === null || handle === null) return { closed: close() };
  handle.listen(0);
  const queue = new AcceptQueue(address);
  const endMs = clock.nowMs() + timeoutMs;
  for (;;) {
    await nextAccept(server, clock);
    const isLast = clock.nowMs() >= endMs;
    const plug = queue.length === 0 ? await plugQueue(address) : null;
    // The event loop has not turned since `plugQueue`, so no connection was accepted.
    const isPlugged = plug !== null && queue.holdsOnly(plug.localPort);
    const result = isPlugged || isLast ? { closed: close() } : null;
    plug?.destroy();
    if (result !== null) return result;
  }
}

/** Resolves right after a connection was accepted, when the queue is most likely empty, or after `attemptMs`. */
function nextAccept(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      server.off('connection', done);
      resolve();
    };
    const cancel = clock.after(attemptMs, done);
    server.on('connection', done);
  });
}

/** Connects to the port within this turn of the event loop. */
async function plugQueue({ address, port }: AddressInfo): Promise<Socket> {
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  const plug = connect({ host, port });
  plug.on('error', () => undefined);
  // Node connects to IP addresses in `process.nextTick`.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  return plug;
}

/** The connections that wait to be accepted at a port, as Linux's table of sockets shows them. Empty on other systems. */
class AcceptQueue {
  readonly #table: string;
  readonly #port: string;

  constructor({ family, port }: AddressInfo) {
    this.#table = family === 'IPv6' ? '/proc/self/net/tcp6' : '/proc/self/net/tcp';
    this.#port = hexOf(port);
  }

  /** Reads the beginning of the table only: it lists listening sockets first, and ends with thousands of closed connections. */
  get length(): number {
    const page = Buffer.alloc(4096);
    const listening = new RegExp(`^ *\\d+: [0-9A-F]+:${this.#port} [0-9A-F:]+ 0A [0-9A-F]+:([0-9A-F]+) `, 'gm');
    let file: number;
    try {
      file = openSync(this.#table, 'r');
    } catch {
      return 0;
    }
    try {
      let text = '';
      for (let bytes = -1; bytes !== 0 && !/ 0[1-9B] [0-9A-F]{8}:/.test(text); text += page.toString('latin1', 0, bytes)) {
        bytes = readSync(file, page);
      }
      return text.matchAll(listening).reduce((sum, [, queued]) => sum + Number.parseInt(queued as string, 16), 0);
    } finally {
      closeSync(file);
    }
  }

  /** Whether only the connection from this port is queued, and no other is about to be. */
  holdsOnly(plugPort: number | undefined): boolean {
    if (plugPort === undefined) return false;
    let table: string;
    try {
      table = readFileSync(this.#table, 'latin1');
    } catch {
      return true;
    }
    if (this.length !== 1) return false;
    // State 01: established, without an inode until it is accepted. State 03: its handshake is not complete.
    const queued = new RegExp(`^ *\\d+: [0-9A-F]+:${this.#port} [0-9A-F]+:([0-9A-F]{4}) (?:03|01 \\S+ \\S+ \\S+ +\\d+ +\\d+ 0) `, 'gm');
    return table.matchAll(queued).every(([, remotePort]) => remotePort === hexOf(plugPort));
  }
}

function hexOf(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
