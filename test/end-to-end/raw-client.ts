/** A client on the bare socket, for what no HTTP library would send. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export async function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined); // A server that hangs up is what these tests are about.
  await once(socket, 'connect');
  return socket;
}

/** Resolves when the connection is gone, in whatever way. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** Everything that comes until the connection ends. */
export async function restOf(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => (text += String(chunk)));
  await closed(socket);
  return text;
}

/** What comes until it matches. */
export function heard(socket: Socket, pattern: RegExp): Promise<string> {
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

/** The statuses of the answers in a text, in order. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}
