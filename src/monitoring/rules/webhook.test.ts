import assert from 'node:assert/strict';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { checkWebhookUrl, sendWebhook, signatureOf } from './webhook.ts';

async function receiver(t: TestContext, answer: (request: IncomingMessage, body: string, response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => answer(request, body, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

const order = { body: '{"a":1}', id: 'd1', atMs: 1_700_000_000_123, secret: 's3cret' };

test('a webhook is signed, and the receiver can check that', async (t) => {
  let got: unknown[] = [];
  const url = await receiver(t, ({ method, headers }, body, response) => {
    got = [method, headers['content-type'], headers['penstock-delivery'], headers['penstock-signature'], body];
    response.end('ok');
  });
  await sendWebhook({ ...order, url });
  assert.deepEqual(got, ['POST', 'application/json', 'd1', signatureOf('s3cret', order.atMs, '{"a":1}'), '{"a":1}']);
  assert.match(String(got[3]), /^t=1700000000,v1=[0-9a-f]{64}$/);
});

test('a webhook may want headers and parameters of its own', async (t) => {
  let got: unknown[] = [];
  const url = await receiver(t, ({ url: path, headers }, _body, response) => {
    got = [path, headers['content-type'], headers['authorization']];
    response.end('ok');
  });
  const http = { headers: { Authorization: 'Bearer a', 'Content-Type': 'application/cloudevents+json' }, query: { b: 'c d' } };
  await sendWebhook({ ...order, url: `${url}?a=1`, http });
  assert.deepEqual(got, ['/hook?a=1&b=c+d', 'application/cloudevents+json', 'Bearer a']);
});

test('who does not take it is told of: a refusal, a redirect, a receiver that is gone', async (t) => {
  const refusing = await receiver(t, (_request, _body, response) => response.writeHead(503).end());
  await assert.rejects(sendWebhook({ ...order, url: refusing }), /answered 503/);
  const redirecting = await receiver(t, (_request, _body, response) =>
    response.writeHead(302, { Location: 'http://169.254.169.254/' }).end(),
  );
  await assert.rejects(sendWebhook({ ...order, url: redirecting }), /answered 302, and redirects are not followed/);
  const gone = await receiver(t, (request) => request.socket.destroy());
  await assert.rejects(sendWebhook({ ...order, url: gone }), /could not be reached/);
});

test('an answer without an end holds nobody up', async (t) => {
  const url = await receiver(t, (_request, _body, response) => {
    response.writeHead(200);
    response.write('x'.repeat(1_000_000));
  });
  await sendWebhook({ ...order, url });
});

test('addresses where clouds keep their credentials, and those of no single machine, are refused', async () => {
  for (const url of [
    'http://169.254.169.254/latest/meta-data',
    'http://[fe80::1]/',
    'http://0.0.0.0/',
    'http://224.0.0.1/',
    'http://[::ffff:169.254.1.1]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://100.100.100.200/',
  ]) {
    assert.throws(() => checkWebhookUrl(url), /it is not called/, url);
    await assert.rejects(sendWebhook({ ...order, url }), /it is not called/, url);
  }
  for (const url of ['ftp://example.org/', 'file:///etc/passwd', 'x', 'http://user:password@example.org/'])
    assert.throws(() => checkWebhookUrl(url), /./, url);
  assert.equal(checkWebhookUrl('http://127.0.0.1:9/hook').port, '9');
});

test('a name that stands for such an address can never work, and says so', async (t) => {
  const answer = (_host: string, _options: unknown, done: (error: null, addresses: LookupAddress[]) => void): void =>
    done(null, [{ address: '169.254.169.254', family: 4 }]);
  t.mock.method(dns, 'lookup', answer as unknown as typeof dns.lookup);
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await assert.rejects(sendWebhook({ ...order, url: 'http://inner.example/' }), {
    code: 'invalid_request',
    message: /^inner\.example stands for 169\.254\.169\.254, .*it is not called$/,
  });
});
