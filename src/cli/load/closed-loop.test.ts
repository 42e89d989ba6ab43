import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { runClosedLoop } from './closed-loop.ts';
import { postRequest } from './http-connection.ts';

test('ends at the maximum number of requests, even if time remains', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const request = postRequest(new URL(`http://127.0.0.1:${port}/`), '{}');
    const load = { clock: new SystemClock(), host: '127.0.0.1', port, requestOf: () => request };
    const { latenciesMs, failures } = await runClosedLoop({ ...load, concurrency: 2, forMs: 600_000, requestsMax: 5 });
    assert.deepEqual([latenciesMs.length, [...failures]], [5, []]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
