import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { postRequest } from './http-connection.ts';
import { runOpenLoop } from './open-loop.ts';

test('connections that the server closed while nobody used them are replaced, and nothing counts as failed', async () => {
  const idle = new Set<Socket>();
  let isFirst = true;
  const server = createServer((request, response) => {
    isFirst = false;
    request.resume();
    response.end('{}');
    idle.delete(request.socket);
    for (const socket of idle) socket.destroy();
    idle.clear();
  });
  server.on('connection', (socket) => isFirst && idle.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const request = postRequest(new URL(`http://127.0.0.1:${port}/`), '{}');
    const load = { clock: new SystemClock(), host: '127.0.0.1', port, requestOf: () => request };
    const { latenciesMs, failures } = await runOpenLoop({ ...load, arrivalsMs: [0, 1000, 1000, 1000], connections: 3 });
    assert.deepEqual([latenciesMs.length, [...failures]], [4, []]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('while a server is gone what is due has failed, and is sent to it again once it is back', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.end('{}', () => isFirst && stop());
  });
  let isFirst = true;
  const stop = (): void => {
    isFirst = false;
    server.close();
    server.closeAllConnections();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const request = postRequest(new URL(`http://127.0.0.1:${port}/`), '{}');
    const load = { clock: new SystemClock(), host: '127.0.0.1', port, requestOf: () => request };
    const onFailure = (): void => void server.listen(port, '127.0.0.1');
    const { latenciesMs, failures } = await runOpenLoop({ ...load, arrivalsMs: [0, 200, 900], connections: 2, onFailure });
    assert.deepEqual([latenciesMs.length, [...failures]], [2, [['broken', 1]]]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
