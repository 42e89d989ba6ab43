import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { postRequest } from './http-connection.ts';
import { runOpenLoop } from './open-loop.ts';

test('replaces idle connections that the server closed, without counting a failure', async () => {
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

test('fails due requests while the server is down, and resumes when it is back', async () => {
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

test('ends within its bounds even if the server never answers, and counts each due request by its outcome', async () => {
  const server = createServer((request) => void request.resume()); // never answers
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
    const sent = failures.get('unanswered') ?? 0; // on a busy machine, the first may also be too late to be sent
    assert(sent <= 2);
    assert.deepEqual([failures.get('not_sent'), sending.waitsMs.length, interrupted], [5 - sent, sent, false]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('separates waiting for a free connection from waiting for the response', async () => {
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
    assert((sending.waitsMs[1] as number) >= 45 && (serviceMs[0] as number) >= 45);
    for (const i of [0, 1])
      assert(Math.abs((sending.waitsMs[i] as number) + (serviceMs[i] as number) - (latenciesMs[i] as number)) < 0.001);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a patient load does not spin between arrivals, and sends none before it is due', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let looks = 0;
  class CountingClock extends SystemClock {
    override nowMs(): number {
      looks++;
      return super.nowMs();
    }
  }
  try {
    const arrivalsMs = Array.from({ length: 100 }, (_, i) => 1.4 * i);
    const request = postRequest(new URL(`http://127.0.0.1:${port}/`), '{}');
    const load = { clock: new CountingClock(), host: '127.0.0.1', port, requestOf: () => request, arrivalsMs, connections: 100 };
    const { latenciesMs, sending } = await runOpenLoop({ ...load, isPatient: true });
    assert.equal(latenciesMs.length, arrivalsMs.length);
    assert(sending.waitsMs.every((waitMs) => waitMs >= 0));
    assert(looks < 10 * arrivalsMs.length, `${looks} looks at the clock for ${arrivalsMs.length} arrivals`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
