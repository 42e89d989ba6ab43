import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Client } from './client.ts';

async function clientOf(t: TestContext, answer: RequestListener, signal = AbortSignal.timeout(30_000)): Promise<Client> {
  const server = createServer(answer);
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined, signal);
}

describe('a request of the command line', () => {
  test('sends a stream as the server takes it, whole', async (t) => {
    const client = await clientOf(t, (request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => response.end(JSON.stringify({ bytes, type: request.headers['content-type'] })));
    });
    const body = (async function* () {
      for (let i = 0; i < 40; i++) yield Buffer.alloc(65_536, i);
    })();
    assert.deepEqual(await client.post('/x', { body }), { bytes: 40 * 65_536, type: 'application/octet-stream' });
  });

  test('shows the answer of a server that does not take the whole body', async (t) => {
    const client = await clientOf(t, (request, response) => {
      request.once('data', () => {
        response.writeHead(413, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: 'the body is too large', code: 'too_large' }));
      });
    });
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(65_536);
    })();
    await assert.rejects(client.post('/x', { body: endless }), { message: 'the body is too large' });
  });

  test('fails with the reason why its body could not be read', async (t) => {
    const client = await clientOf(t, (request) => void request.resume());
    const broken = (async function* () {
      yield Buffer.alloc(10);
      await Promise.resolve();
      throw new Error('EIO: the disk is broken');
    })();
    await assert.rejects(client.post('/x', { body: broken }), { message: /\(EIO: the disk is broken\)/ });
  });

  test('says that the connection was lost if the response is not complete, and nothing else if the verb was interrupted', async (t) => {
    const interruption = new AbortController();
    const client = await clientOf(
      t,
      (request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"a":', () => {
          if (request.url === '/api/v1/lost') response.destroy();
          else interruption.abort();
        });
      },
      interruption.signal,
    );
    await assert.rejects(client.get('/lost'), { message: /^lost the connection to http.*penstock status/ });
    await assert.rejects(client.get('/interrupted'), { message: 'interrupted' });
    await assert.rejects(client.get('/late'), { message: 'interrupted' });
  });

  test('is sent again if the server closed the kept connection just then', async (t) => {
    const seen: (string | undefined)[] = [];
    const client = await clientOf(t, (request, response) => {
      seen.push(request.url);
      if (seen.length === 2) return void request.socket.resetAndDestroy();
      response.end('{}');
    });
    await client.get('/first');
    await client.get('/second');
    assert.deepEqual(seen, ['/api/v1/first', '/api/v1/second', '/api/v1/second']);
  });

  test('does not follow a redirection, and says where it leads', async (t) => {
    const client = await clientOf(t, (_, response) => {
      response.writeHead(301, { location: 'https://penstock.example/' });
      response.end();
    });
    await assert.rejects(client.get('/x'), { message: /it answered 301 \(moved to https:\/\/penstock\.example\/\)/ });
  });
});
