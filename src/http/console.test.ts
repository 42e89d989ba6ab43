import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { SystemClock } from '../clock.ts';
import { openLogs } from '../logs/index.ts';
import { serveConsole } from './console.ts';
import { Listener } from './listener/listener.ts';

const page = '<!doctype html><meta property="csp-nonce" nonce="__CSP_NONCE__"><script src="/assets/main-4f2a.js"></script>';
const script = 'console.log("penstock");\n'.repeat(200);
const directory = mkdtempSync(join(tmpdir(), 'penstock-console-'));
let url = '';
let listener: Listener;

before(async () => {
  const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' as const }) };
  listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    tls: null,
    access,
    log: openLogs(null, 'silent').platform,
    clock: new SystemClock(),
  });
  listener.scope('/api', (scope) => {
    scope.get('/v1/known', () => ({}));
    scope.post('/v1/changed', () => ({}));
  });
  listener.scope('', (scope) => serveConsole(scope, join(directory, 'dist')));
  url = await listener.listen();
});
after(async () => {
  await listener.close();
  rmSync(directory, { recursive: true });
});

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(url + path, { headers });

describe('without a build', () => {
  test('the page explains how to build the console, and serves it as soon as it is built', async () => {
    const response = await get('/', html);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /npm run build:console/);
    mkdirSync(join(directory, 'dist/assets'), { recursive: true });
    writeFileSync(join(directory, 'dist/index.html'), page);
    writeFileSync(join(directory, 'dist/icon.svg'), '<svg/>');
    writeFileSync(join(directory, 'dist/assets/main-4f2a.js'), script);
    writeFileSync(join(directory, 'dist/assets/main-4f2a.js.br'), brotliCompressSync(script));
    writeFileSync(join(directory, 'dist/.secret'), 'no');
    writeFileSync(join(directory, 'outside.txt'), 'no');
    assert.match(await (await get('/', html)).text(), /main-4f2a\.js/);
  });
});

describe('the page', () => {
  test('is served at every path outside the APIs, with a fresh style nonce and no inline scripts', async () => {
    const nonces = new Set<string>();
    for (const path of ['/', '/endpoints/digits?range=1h', '/models/digits/3', '/monitoring', '/apiary', '/v2x']) {
      const response = await get(path, html);
      assert.equal(response.status, 200, path);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      const nonce = /nonce="([^"]+)"/.exec(await response.text())?.[1] ?? '';
      assert.match(nonce, /^[A-Za-z0-9+/]{22}==$/);
      nonces.add(nonce);
      assert.equal(
        response.headers.get('content-security-policy'),
        `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; connect-src 'self'; img-src 'self' data: blob:; ` +
          "font-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
      );
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    }
    assert.equal(nonces.size, 6);
  });

  test('is not served to programs or below API paths', async () => {
    for (const [path, accept] of [
      ['/endpoints/digits', 'application/json'],
      ['/endpoints/digits', '*/*'],
      ['/api', html.accept],
      ['/api/v1/unknown', html.accept],
      ['/v2/unknown', html.accept],
      ['/aws/unknown', html.accept],
      ['/metrics/unknown', html.accept],
    ] as const) {
      const response = await get(path, { accept });
      assert.equal(response.status, 404, `${path} ${accept}`);
      assert.equal(((await response.json()) as { code: string }).code, 'not_found');
    }
    assert.equal((await get('/api/v1/changed', html)).headers.get('allow'), 'POST');
    assert.equal((await fetch(`${url}/endpoints/digits`, { method: 'POST' })).status, 404);
  });
});

describe('a file of the build', () => {
  test('is immutable if its name has a hash, is revalidated by ETag otherwise, and is compressed', async () => {
    const packed = await get('/assets/main-4f2a.js', { 'accept-encoding': 'gzip, br' });
    assert.equal(packed.headers.get('content-encoding'), 'br');
    assert.equal(packed.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.match(packed.headers.get('content-type') ?? '', /javascript/);
    assert.equal(await packed.text(), script);
    const plain = await get('/assets/main-4f2a.js', { 'accept-encoding': 'identity' });
    assert.equal(plain.headers.get('content-encoding'), null);
    assert.equal(await plain.text(), script);

    const icon = await get('/icon.svg');
    assert.equal(icon.headers.get('cache-control'), 'no-cache');
    assert.match(icon.headers.get('content-type') ?? '', /svg/);
    const again = await get('/icon.svg', { 'if-none-match': icon.headers.get('etag') ?? '', 'cache-control': 'max-age=0' });
    assert.equal(again.status, 304);
  });

  test('that does not exist or is outside the build is not found', async () => {
    for (const path of [
      '/assets/gone-1.js',
      '/.secret',
      '/assets/../outside.txt',
      '/%2e%2e/outside.txt',
      '/..%2foutside.txt',
      '/assets/..%5coutside.txt',
    ]) {
      const response = await get(path, html);
      assert(response.status === 404 || response.status === 403, `${path}: ${response.status}`);
      assert.doesNotMatch(await response.text(), /^no$/);
    }
    assert.equal((await fetch(`${url}/index.html`, { redirect: 'manual' })).headers.get('location'), '/');
  });
});
