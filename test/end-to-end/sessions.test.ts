/** Browser sessions on a server that listens beyond loopback: the sign-in link, cookies and their permissions. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { after, before, test } from 'node:test';
import type { CreatedKeyBody, SessionBody } from '../../src/api/index.ts';
import { Server } from './server.ts';

let server: Server;
let origin = '';
let link = '';

before(async () => {
  server = await Server.start({ flags: ['--host', '0.0.0.0', '--tls', 'self-signed', '--log-level', 'debug'] });
  const [, address = '', secret = ''] =
    /sign in to the console, once, within 15 minutes: (https:\/\/\S+)\/sign-in#(\S+)\n/.exec(server.stderr) ?? [];
  assert.equal(new URL(address).port, new URL(server.url).port);
  origin = `https://localhost:${new URL(server.url).port}`;
  link = secret;
});
after(() => server.end());

interface BrowserResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Calls with the Origin of the server's own pages, unless `headers` override it. */
function call(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<BrowserResponse> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const type = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
  return new Promise((resolve, reject) => {
    const sent = request(
      `${origin}${path}`,
      { method, rejectUnauthorized: false, headers: { origin, ...type, ...headers } },
      (response) => {
        let received = '';
        response.on('data', (chunk) => (received += String(chunk)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text: received }));
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

async function signIn(body: object): Promise<{ cookie: string; 'x-penstock-csrf': string; session: SessionBody }> {
  const { status, headers, text } = await call('POST', '/api/v1/session', body);
  assert.equal(status, 201, text);
  const session = JSON.parse(text) as SessionBody;
  return { cookie: headers['set-cookie']?.[0]?.split(';', 1)[0] ?? '', 'x-penstock-csrf': session.csrf ?? '', session };
}

test('the link printed at startup opens one session, once, and its secret is in no log', async () => {
  assert.equal((await call('GET', '/', undefined, { accept: 'text/html' })).status, 200);
  assert.equal((await call('GET', '/api/v1/session')).status, 401);
  assert.equal((await call('POST', '/api/v1/session', { link }, { origin: 'https://evil.example' })).status, 403);
  const { session, ...headers } = await signIn({ link });
  assert.equal(session.role, 'admin');
  assert.equal(session.kind, 'session');
  assert.deepEqual(JSON.parse((await call('GET', '/api/v1/session', undefined, headers)).text), session);
  const again = await call('POST', '/api/v1/session', { link });
  assert.equal(again.status, 401);
  assert.match(again.text, /already used/);
  const logs = (await call('GET', '/api/v1/logs?limit=500', undefined, headers)).text;
  assert.match(logs, /penstock serves/);
  for (const secret of [link, headers['x-penstock-csrf'], headers.cookie.split('=')[1] ?? 'none']) assert(!logs.includes(secret));
  assert.equal((await call('GET', '/api/v1/session', undefined, { cookie: headers.cookie, 'sec-fetch-site': 'cross-site' })).status, 403);
});

test('a cookie alone can read, changes need its CSRF token, and signing out ends the session', async () => {
  const { session: _, ...headers } = await signIn({ key: server.adminKey });
  const { cookie } = headers;
  const group = { name: 'cookies' };
  assert.equal((await call('GET', '/api/v1/groups', undefined, { cookie })).status, 200);
  assert.equal((await call('POST', '/api/v1/groups', group, { cookie })).status, 403);
  assert.equal((await call('POST', '/api/v1/groups', group, { cookie, 'x-penstock-csrf': 'x' })).status, 403);
  assert.equal((await call('POST', '/api/v1/groups', group, { ...headers, origin: 'https://evil.example' })).status, 403);
  assert.equal((await call('POST', '/api/v1/groups', group, headers)).status, 201);
  assert.equal((await call('POST', '/v2/models/none/infer', { inputs: [] }, { cookie })).status, 403);
  assert.equal((await call('POST', '/v2/models/none/infer', { inputs: [] }, headers)).status, 404);
  assert.equal((await call('GET', '/metrics', undefined, { cookie })).status, 200);
  const out = await call('DELETE', '/api/v1/session', undefined, headers);
  assert.equal(out.status, 204);
  assert.match(out.headers['set-cookie']?.[0] ?? '', /Max-Age=0/);
  assert.equal((await call('GET', '/api/v1/groups', undefined, { cookie })).status, 401);
});

test("a viewer's session can only read, and ends when the key is revoked", async () => {
  const admin = { authorization: `Bearer ${server.adminKey}` };
  const created = await call('POST', '/api/v1/keys', { role: 'viewer' }, admin);
  const { id, secret } = JSON.parse(created.text) as CreatedKeyBody;
  const { session, ...headers } = await signIn({ key: `${id}:${secret}` });
  assert.deepEqual(session.permissions, ['read']);
  assert.equal((await call('GET', '/api/v1/endpoints', undefined, headers)).status, 200);
  assert.equal((await call('POST', '/api/v1/groups', { name: 'no' }, headers)).status, 403);
  assert.equal((await call('GET', '/api/v1/keys', undefined, headers)).status, 403);
  assert.equal((await call('DELETE', `/api/v1/keys/${id}`, undefined, admin)).status, 204);
  assert.equal((await call('GET', '/api/v1/endpoints', undefined, headers)).status, 401);
  const audit = JSON.parse((await call('GET', '/api/v1/audit', undefined, admin)).text) as { items: { action: string; who: string }[] };
  assert(audit.items.some(({ action, who }) => action === 'SignIn' && who === id));
});
