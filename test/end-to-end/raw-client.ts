/** A raw socket client, for requests that no HTTP library sends. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export async function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined); // these tests expect the server to close connections
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the connection is closed, with or without an error. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** All data received until the connection ends. */
export async function restOf(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => (text += String(chunk)));
  await closed(socket);
  return text;
}

/** Reads until the received data match. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString();
      if (!pattern.test(text)) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData);
    socket.resume();
    socket.once('close', () => reject(new Error(`the connection ended after ${JSON.stringify(text)}, without ${pattern}`)));
  });
}

/** The statuses of the responses in a text, in order. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}
