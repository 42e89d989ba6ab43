/** Access control of a running server: DNS rebinding by web pages, keys of each role, revoked keys. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { sample } from '../models/index.ts';
import { infer } from './oip-client.ts';
import { dial, restOf, statusesOf } from './raw-client.ts';
import { type Refusal, Server } from './server.ts';

let server: Server;
before(async () => {
  server = await Server.start();
  await server.deploy('digits', 'digits_mlp');
});
after(() => server?.end());

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function createKey(role: string): Promise<string> {
  const { id, secret } = await server.callWell<{ id: string; secret: string }>('POST', '/keys', { role });
  return `${id}:${secret}`;
}

describe('a web page that resolves its own name to this machine', () => {
  const body = '{"inputs":[]}';
  for (const call of ['GET /api/v1/status', 'GET /api/v1/keys', 'GET /metrics', 'POST /v2/models/digits/infer', 'POST /api/v1/keys']) {
    test(`is rejected by ${call} for any Host`, async () => {
      for (const host of [
        'evil.example',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        '10.0.0.1:8080',
        'localhost:80@evil.example',
      ]) {
        const socket = await dial(server.url);
        socket.write(
          `${call} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        const text = await restOf(socket);
        assert.deepEqual(statusesOf(text), [403], `${host}: ${text}`);
      }
    });
  }

  test('is rejected for its Origin too, and through a proxy', async () => {
    for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'x-forwarded-for': '127.0.0.1' }]) {
      assert.equal((await server.call('GET', '/status', undefined, headers)).status, 403);
      assert.equal((await infer(server.url, 'digits', sample('digits_mlp').inputs, { headers })).status, 403);
    }
  });

  test('is accepted with a key, which a web page does not have', async () => {
    const socket = await dial(server.url);
    socket.write(
      `GET /api/v1/status HTTP/1.1\r\nHost: ml.example\r\nAuthorization: Bearer ${server.adminKey}\r\nConnection: close\r\n\r\n`,
    );
    assert.deepEqual(statusesOf(await restOf(socket)), [200]);
  });
});

describe('a key', () => {
  const { inputs } = sample('digits_mlp');

  test('of a viewer can read, but not deploy, approve, call models or create keys', async () => {
    const headers = bearer(await createKey('viewer'));
    assert.equal((await server.call('GET', '/endpoints', undefined, headers)).status, 200);
    const attempts: readonly (readonly [string, string, unknown?])[] = [
      ['POST', '/endpoints', { name: 'mine', variants: [{ model: 'digits/1' }] }],
      ['PATCH', '/endpoints/digits', { objective: null }],
      ['DELETE', '/endpoints/digits'],
      ['POST', '/groups', { name: 'mine' }],
      ['POST', '/groups/digits/versions', new Uint8Array(100)],
      ['POST', '/groups/digits/versions/1/approval', { approval: 'Rejected' }],
      ['POST', '/endpoints/digits/invoke', { instances: [] }],
      ['POST', '/keys', { role: 'admin' }],
      ['GET', '/keys'],
    ];
    for (const [method, path, body] of attempts) {
      const { status, body: refusal } = await server.call<Refusal>(method, path, body, headers);
      assert.equal(status, 403, `${method} ${path}: ${JSON.stringify(refusal)}`);
      assert.match(refusal.error, /has the role viewer and lacks the permission/);
    }
    assert.equal((await infer(server.url, 'digits', inputs, { headers })).status, 403);
    assert.equal((await server.endpoint('digits')).status, 'InService');
  });

  test('of an invoker can call models, but not change anything', async () => {
    const headers = bearer(await createKey('invoker'));
    assert.equal((await infer(server.url, 'digits', inputs, { headers })).status, 200);
    assert.equal((await server.call('DELETE', '/endpoints/digits', undefined, headers)).status, 403);
  });

  test('that was revoked is rejected immediately, also on its open connections', async () => {
    const key = await createKey('invoker');
    const headers = bearer(key);
    assert.equal((await infer(server.url, 'digits', inputs, { headers })).status, 200);
    await server.callWell('DELETE', `/keys/${key.split(':')[0]}`);
    const { status, error } = await infer(server.url, 'digits', inputs, { headers });
    assert.deepEqual([status, error?.code], [401, 'unauthenticated']);
    assert.equal((await server.call('GET', '/status', undefined, headers)).status, 401);
  });

  test('that is wrong is rejected, even from loopback, where no key is required', async () => {
    for (const key of ['', 'x', 'AKIAAAAAAAAAAAAAAAAA:nonsense', `${server.adminKey}x`, server.adminKey.slice(0, -1)]) {
      assert.equal((await server.call('GET', '/status', undefined, bearer(key))).status, 401, key);
    }
  });

  test('never exposes its secret in lists, logs or the audit log', async () => {
    const key = await createKey('viewer');
    const [id = '', secret = ''] = key.split(':');
    const list = JSON.stringify((await server.call('GET', '/keys')).body);
    const audit = JSON.stringify((await server.call('GET', '/audit')).body);
    assert(list.includes(id) && audit.includes(id));
    await server.call('GET', '/logs');
    const logs = readFileSync(`${server.dataDir}/logs/platform.log`, 'utf8');
    for (const text of [list, audit, logs, server.stderr]) assert(!text.includes(secret));
  });
});

test('a server that listens beyond loopback requires TLS', async () => {
  await assert.rejects(Server.start({ flags: ['--host', '0.0.0.0'] }), /requires TLS/);
});
