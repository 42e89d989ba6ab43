import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { runLoad } from './load.ts';

test('a closed loop counts only responses within its window, not those of the warm-up', async () => {
  let served = 0;
  const server = createServer((request, response) => {
    request.resume();
    served++;
    response.end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const requests = [postRequest(new URL(`http://127.0.0.1:${port}/`), '{}')];
    const shape = { kind: 'closed', concurrency: 2, warmUpMs: 300, measureMs: 200 } as const;
    const { answers, ratePerSecond, failures } = await runLoad({ host: '127.0.0.1', port, requests, shape });
    assert(answers > 0 && answers < served, `${answers} of ${served}`);
    assert.deepEqual([ratePerSecond, failures], [answers / 0.2, {}]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
