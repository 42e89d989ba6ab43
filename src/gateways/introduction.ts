/** The first message on a connection of a gateway process to the server: it proves that the server started the process. */
import type { Socket } from 'node:net';
import { readIntroduction } from '../links/index.ts';
import { isSameToken } from '../runtime/index.ts';

/** The other end of a client's connection, as the gateway process sees it. */
export interface PeerFacts {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** What a gateway process says first on a connection. */
export interface Introduction {
  readonly token: string;
  /** The facts of the client's connection that continues here; null for the link of the process. */
  readonly connection: PeerFacts | null;
  /** Whether it is one to the gRPC port. */
  readonly isGrpc: boolean;
}

/** Calls `accept` once the introduction is read; what follows it stays unread. Closes any other connection. */
export function readIntroduced(socket: Socket, token: string, accept: (introduction: Introduction) => void): void {
  readIntroduction(socket, (message) => {
    const introduction = message as Introduction | null;
    if (typeof introduction?.token === 'string' && isSameToken(introduction.token, token)) accept(introduction);
    else socket.on('error', () => undefined).destroy();
  });
}

/** Both ends of a connection, as the system names them. */
export function factsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): PeerFacts {
  return { remoteAddress, remotePort, localAddress, localPort };
}
