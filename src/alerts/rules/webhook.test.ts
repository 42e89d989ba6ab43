import assert from 'node:assert/strict';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { type AddressInfo, isIP } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { sendWebhook as send, signatureOf, type WebhookRequest } from './webhook.ts';
import { WebhookPolicy, type WebhookPolicyOptions } from './webhook-policy.ts';
import { webhookUrl } from './webhook-url.ts';

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

const onLoopback = { allowsPrivate: false, listensOnLoopback: true, configuredUrls: [] };
const policyWith = (options: Partial<WebhookPolicyOptions> = {}): WebhookPolicy => new WebhookPolicy({ ...onLoopback, ...options });
const sendWebhook = (request: WebhookRequest): Promise<void> => send(request, policyWith());

const order = { body: '{"a":1}', id: 'd1', atMs: 1_700_000_000_123, secret: 's3cret' };

test('signs a webhook so that the receiver can verify it', async (t) => {
  let got: unknown[] = [];
  const url = await receiver(t, ({ method, headers }, body, response) => {
    got = [method, headers['content-type'], headers['penstock-delivery'], headers['penstock-signature'], body];
    response.end('ok');
  });
  await sendWebhook({ ...order, url });
  assert.deepEqual(got, ['POST', 'application/json', 'd1', signatureOf('s3cret', order.atMs, '{"a":1}'), '{"a":1}']);
  assert.match(String(got[3]), /^t=1700000000,v1=[0-9a-f]{64}$/);
});

test('sends configured headers and parameters', async (t) => {
  let got: unknown[] = [];
  const url = await receiver(t, ({ url: path, headers }, _body, response) => {
    got = [path, headers['content-type'], headers['authorization']];
    response.end('ok');
  });
  const http = { headers: { Authorization: 'Bearer a', 'Content-Type': 'application/cloudevents+json' }, query: { b: 'c d' } };
  await sendWebhook({ ...order, url: `${url}?a=1`, http });
  assert.deepEqual(got, ['/hook?a=1&b=c+d', 'application/cloudevents+json', 'Bearer a']);
});

test('reports a rejection, a redirect and an unreachable receiver', async (t) => {
  const refusing = await receiver(t, (_request, _body, response) => response.writeHead(503).end());
  await assert.rejects(sendWebhook({ ...order, url: refusing }), /answered 503/);
  const redirecting = await receiver(t, (_request, _body, response) =>
    response.writeHead(302, { Location: 'http://169.254.169.254/' }).end(),
  );
  await assert.rejects(sendWebhook({ ...order, url: redirecting }), /answered 302, and redirects are not followed/);
  const resetting = await receiver(t, (request) => request.socket.destroy());
  await assert.rejects(sendWebhook({ ...order, url: resetting }), /could not be reached/);
});

test('cuts off an endless response', async (t) => {
  const url = await receiver(t, (_request, _body, response) => {
    response.writeHead(200);
    response.write('x'.repeat(1_000_000));
  });
  await sendWebhook({ ...order, url });
});

test('rejects addresses that serve cloud credentials or are not a single machine', async () => {
  for (const url of [
    'http://169.254.169.254/latest/meta-data',
    'http://[fe80::1]/',
    'http://0.0.0.0/',
    'http://224.0.0.1/',
    'http://[::ffff:169.254.1.1]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://100.100.100.200/',
  ]) {
    assert.throws(() => webhookUrl(url), /is not called/, url);
    await assert.rejects(sendWebhook({ ...order, url }), /is not called/, url);
  }
  for (const url of ['ftp://example.org/', 'file:///etc/passwd', 'x', 'http://user:password@example.org/'])
    assert.throws(() => webhookUrl(url), /./, url);
  assert.equal(webhookUrl('http://127.0.0.1:9/hook').port, '9');
});

/** Each lookup returns the next of these. */
function resolveTo(t: TestContext, ...answers: readonly (readonly string[])[]): void {
  let requested = 0;
  const answer = (_host: string, _options: unknown, done: (error: null, addresses: LookupAddress[]) => void): void => {
    const addresses = answers[Math.min(requested++, answers.length - 1)] ?? [];
    done(
      null,
      addresses.map((address) => ({ address, family: isIP(address) })),
    );
  };
  t.mock.method(dns, 'lookup', answer as unknown as typeof dns.lookup);
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
}

test('rejects a name that resolves to such an address, with the reason', async (t) => {
  resolveTo(t, ['169.254.169.254']);
  await assert.rejects(sendWebhook({ ...order, url: 'http://inner.example/' }), {
    code: 'invalid_request',
    message: /^the webhook http:\/\/inner\.example is not called: inner\.example resolves to 169\.254\.169\.254, /,
  });
});

describe('the server itself', () => {
  const own = policyWith({ machineAddresses: () => ['127.0.0.1', '198.51.100.7', 'fe80::7', '2001:db8::7'] });
  own.addOwnPort(8080);
  own.addOwnPort(443);

  for (const url of [
    'http://127.0.0.1:8080/api/v1/status',
    'http://127.1:8080/',
    'http://2130706433:8080/',
    'http://0x7f.1:8080/',
    'http://127.200.3.4:8080/',
    'http://localhost:8080/',
    'http://LOCALHOST.:8080/',
    'http://penstock.localhost:8080/',
    'http://[::1]:8080/',
    'http://[0:0:0:0:0:0:0:1]:8080/',
    'http://[::ffff:127.0.0.1]:8080/',
    'http://[::ffff:7f00:1]:8080/',
    'http://[::127.0.0.1]:8080/',
    'http://198.51.100.7:8080/',
    'http://[2001:db8:0::7]:8080/',
    'http://[::ffff:198.51.100.7]:8080/',
    'https://198.51.100.7/',
  ]) {
    test(`is not called as ${url}`, async () => {
      assert.throws(() => own.checkUrl(url), { code: 'invalid_request', message: /is not called/ });
      await assert.rejects(send({ ...order, url }, own), { code: 'invalid_request' });
    });
  }

  test('is not called by a name that resolves to it, also if the name resolved to another address before', async (t) => {
    const { port } = new URL(await receiver(t, () => assert.fail('the server was called')));
    const rebound = policyWith();
    rebound.addOwnPort(Number(port));
    resolveTo(t, ['127.0.0.1'], ['203.0.113.1', '127.0.0.1'], ['::ffff:127.0.0.1']);
    const url = `http://rebound.example:${port}/`;
    assert.equal(rebound.checkUrl(url).port, port);
    for (let i = 0; i < 3; i++) await assert.rejects(send({ ...order, url }, rebound), { message: /where this server itself listens/ });
  });

  test('is not called although the operator allows private addresses or configured the URL', () => {
    const url = 'http://127.0.0.1:8080/hook';
    const generous = policyWith({ allowsPrivate: true, configuredUrls: [url] });
    generous.addOwnPort(8080);
    assert.throws(() => generous.checkUrl(url), /where this server itself listens/);
  });
});

describe('a private address', () => {
  const privateUrls = ['http://10.0.0.5/hook', 'http://192.168.1.1:8080/', 'http://[fd00::1]/', 'http://[::ffff:172.16.0.1]/'];

  test('is called only if the operator allows it, or wrote the URL into the configuration', async (t) => {
    const configured = policyWith({ configuredUrls: privateUrls });
    for (const url of privateUrls) {
      assert.throws(() => policyWith().checkUrl(url), /private network\. Set `"webhookPrivate": "allow"`/, url);
      policyWith({ allowsPrivate: true }).checkUrl(url);
      configured.checkUrl(url);
    }
    assert.throws(() => configured.checkUrl('http://10.0.0.5/other'), /private network/);
    resolveTo(t, ['10.0.0.5']);
    await assert.rejects(
      sendWebhook({ ...order, url: 'http://inner.example/' }),
      /inner\.example resolves to 10\.0\.0\.5, which is in a private/,
    );
  });

  test('of this machine is called as loopback is: if the server listens there alone', () => {
    const machineAddresses = () => ['192.168.7.7'];
    for (const url of ['http://127.0.0.1:9/', 'http://localhost:9/', 'http://[::1]:9/', 'http://192.168.7.7:9/']) {
      assert.equal(policyWith({ machineAddresses }).checkUrl(url).port, '9');
      assert.throws(() => policyWith({ machineAddresses, listensOnLoopback: false }).checkUrl(url), /which is this machine/, url);
    }
  });
});
