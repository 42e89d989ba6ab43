import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { Client } from './client.ts';

describe('texts of a server', () => {
  const hostile = { description: 'cleared\u001b[2J', error: 'gone\r\u001b]52;c;x\u0007' };
  const server = createServer((request, response) => {
    const failed = { error: 'the model failed: KeyError; its log has the traceback', code: 'model_failed', request_id: '8c1d02aa51-4' };
    response.statusCode = request.url === '/api/v1/missing' ? 404 : request.url === '/api/v1/failed' ? 500 : 200;
    response.end(JSON.stringify(request.url === '/api/v1/failed' ? failed : hostile));
  });
  const listening = new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  const clientOf = async (isExact: boolean): Promise<Client> => {
    await listening;
    return new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined, AbortSignal.timeout(30_000), isExact);
  };

  test('cannot control the terminal, nor can those of errors', async () => {
    const client = await clientOf(false);
    assert.deepEqual(await client.get('/x'), { description: 'cleared\\x1b[2J', error: 'gone\\x0d\\x1b]52;c;x\\x07' });
    await assert.rejects(client.get('/missing'), { message: 'gone\\x0d\\x1b]52;c;x\\x07' });
  });

  test('name the request whose traceback is in the log', async () => {
    const message = 'the model failed: KeyError; its log has the traceback (request 8c1d02aa51-4)';
    await assert.rejects((await clientOf(false)).get('/failed'), { message });
  });

  test('are exact if they are printed as JSON', async () => {
    assert.deepEqual(await (await clientOf(true)).get('/x'), hostile);
  });
});
