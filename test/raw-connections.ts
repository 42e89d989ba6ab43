/** Connections on which a test sends bytes of its own. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

/** Connected to a server of this machine, whatever its certificate. */
export async function dial(port: number, isTls = false): Promise<Socket> {
  const socket = isTls ? tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false }) : connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, isTls ? 'secureConnect' : 'connect');
  return socket.setNoDelay(true);
}

/** All bytes that the server sends until it closes the connection, without dates and generated ids. */
export async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // After an error, the server waits for a client that does not close the connection.
  socket.on('end', () => socket.destroy());
  await new Promise((resolve) => socket.on('close', resolve));
  const text = Buffer.concat(chunks).toString('latin1');
  return text.replaceAll(/Date: [^\r]*/g, 'Date').replaceAll(/[0-9a-f]{10}-[0-9a-z]+/g, 'id');
}
