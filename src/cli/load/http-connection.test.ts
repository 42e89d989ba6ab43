import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { HttpConnection, postRequest } from './http-connection.ts';

test('reads a chunked response to its last chunk, and the next response after it', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.write('{"label":');
    setImmediate(() => response.end('3}'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = await HttpConnection.open('127.0.0.1', port);
  try {
    for (let i = 0; i < 3; i++) {
      const { status, body } = await connection.send(postRequest(new URL(`http://127.0.0.1:${port}/`), '{}'));
      assert.deepEqual([status, body.toString()], [200, '{"label":3}']);
    }
  } finally {
    connection.close();
    server.close();
  }
});
