/** Sends back what it reads: `node echo-process.ts IDENTITY`, over TLS, with the identity as JSON. Prints its port. */
import { createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { LinkIdentity } from '../../src/links/index.ts';

const { cert, key, authorities: ca } = JSON.parse(process.argv[2] as string) as LinkIdentity;

function serve(raw: Socket): void {
  const socket = new TLSSocket(raw, { isServer: true, requestCert: true, cert, key, ca });
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => socket.write(chunk));
}

const server = createServer({ noDelay: true }, serve);
server.listen(0, '127.0.0.1', () => console.log((server.address() as { readonly port: number }).port));
