/** The first bytes of a connection of a gateway process to the server, `u16 bytes | JSON`: they prove that the server started it. */
import type { Socket } from 'node:net';
import { isSameToken } from '../runtime/index.ts';
import type { PeerFacts } from './front-link.ts';

/** What a gateway process says first on a connection. */
export interface Introduction {
  readonly token: string;
  /** The facts of the client's connection that continues here; null for the link of the process. */
  readonly connection: PeerFacts | null;
}

/** The text must be shorter than 64 KiB: its length has two bytes. */
export function introductionBytes(introduction: Introduction): Buffer {
  const text = Buffer.from(JSON.stringify(introduction));
  const bytes = Buffer.alloc(2 + text.length);
  bytes.writeUInt16LE(text.length);
  bytes.set(text, 2);
  return bytes;
}

/** Calls `accept` once the introduction is read; what follows it stays unread. Closes any other connection. */
export function readIntroduction(socket: Socket, token: string, accept: (introduction: Introduction) => void): void {
  let read: Buffer = Buffer.alloc(0);
  const onError = (): void => void socket.destroy();
  const onData = (chunk: Buffer): void => {
    read = Buffer.concat([read, chunk]);
    const end = read.length < 2 ? Number.POSITIVE_INFINITY : 2 + read.readUInt16LE(0);
    if (read.length < end) return;
    socket.off('data', onData).off('error', onError).off('end', onError).pause();
    const introduction = parsed(read.toString('utf8', 2, end));
    if (introduction === null || !isSameToken(introduction.token, token)) {
      socket.on('error', onError).destroy();
      return;
    }
    if (read.length > end) socket.unshift(read.subarray(end));
    accept(introduction);
  };
  // The server's connections may be half open, so the end of the other side does not close them.
  socket.on('data', onData).on('error', onError).on('end', onError);
}

function parsed(text: string): Introduction | null {
  try {
    const value = JSON.parse(text) as Introduction;
    return typeof value.token === 'string' ? value : null;
  } catch {
    return null;
  }
}

/** Both ends of a connection, as the system names them. */
export function factsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): PeerFacts {
  return { remoteAddress, remotePort, localAddress, localPort };
}
