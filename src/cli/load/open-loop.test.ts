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

test('a load ends within its bounds however slow the server is: each that was due is counted, by what befell it', async () => {
  const server = createServer((request) => void request.resume()); // and never answers
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const load = {
      clock: new SystemClock(),
      host: '127.0.0.1',
      port,
      requestOf: () => postRequest(new URL(`http://127.0.0.1:${port}/`), '{}'),
    };
    const bounds = { sendUntilMs: 40, answerUntilMs: 80 };
    const { failures, sending, interrupted } = await runOpenLoop({ ...load, arrivalsMs: [0, 1, 2, 3, 4], connections: 2, bounds });
    assert.deepEqual([Object.fromEntries(failures), sending.waitsMs.length, interrupted], [{ not_sent: 3, unanswered: 2 }, 2, false]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('the wait for a free connection is told apart from the wait for the answer', async () => {
  const held: (() => void)[] = [];
  const server = createServer((request, response) => {
    request.resume();
    held.push(() => response.end('{}'));
    if (held.length === 1) setTimeout(() => held[0]?.(), 50);
    else held.at(-1)?.();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const load = {
      clock: new SystemClock(),
      host: '127.0.0.1',
      port,
      requestOf: () => postRequest(new URL(`http://127.0.0.1:${port}/`), '{}'),
    };
    const { latenciesMs, serviceMs, sending } = await runOpenLoop({ ...load, arrivalsMs: [0, 0], connections: 1 });
    assert((sending.waitsMs[1] as number) >= 45 && (serviceMs[1] as number) < (sending.waitsMs[1] as number));
    for (const i of [0, 1])
      assert(Math.abs((sending.waitsMs[i] as number) + (serviceMs[i] as number) - (latenciesMs[i] as number)) < 0.001);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
