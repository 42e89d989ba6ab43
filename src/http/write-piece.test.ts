import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { writePiece } from './write-piece.ts';

/** A response whose client does not read at first. */
async function slowClient(context: TestContext): Promise<{ readonly response: ServerResponse; readonly client: IncomingMessage }> {
  const server = createServer().listen(0, '127.0.0.1');
  context.after(() => (server.closeAllConnections(), server.close()));
  await once(server, 'listening');
  const arrived = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  const request = get(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  request.on('error', () => undefined);
  const [, response] = await arrived;
  response.flushHeaders();
  const [client] = (await once(request, 'response')) as [IncomingMessage];
  return { response, client };
}

test('waits for a client that reads slowly, and leaves no listeners', async (context) => {
  const { response, client } = await slowClient(context);
  const piece = Buffer.alloc(4_000_000);
  await Promise.all([writePiece(response, piece), once(client, 'readable')]); // node adds its own listeners once
  const listeners = (): number[] => ['close', 'error', 'drain'].map((name) => response.listenerCount(name));
  const before = listeners();
  client.resume();
  for (let each = 0; each < 20; each++) await writePiece(response, piece);
  assert.deepEqual(listeners(), before);
});

test('ends with a client that leaves while it waits, and rejects the next piece', async (context) => {
  const { response, client } = await slowClient(context);
  const waiting = writePiece(response, Buffer.alloc(16_000_000));
  client.destroy();
  await waiting;
  await assert.rejects(writePiece(response, 'more'), { code: 'invalid_request', message: /the client disconnected/ });
});
