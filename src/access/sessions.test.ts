import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { Access, type AccessConnection, type AccessHeaders, type AuthenticatedSession } from './access.ts';
import type { Key } from './keys-file.ts';
import { SessionCookie } from './session-cookie.ts';
import { sessionLimits } from './sessions.ts';

const remote: AccessConnection = { remoteAddress: '192.0.2.7', listenerIsLoopback: false, isSecure: true, method: 'GET' };
const local: AccessConnection = { remoteAddress: '127.0.0.1', listenerIsLoopback: true, isSecure: false, method: 'GET' };
const host = 'penstock.example.com:8443';
const own: AccessHeaders = { host, origin: `https://${host}`, 'sec-fetch-site': 'same-origin' };

let directory = '';
let count = 0;
let clock = new VirtualClock();
let access: Access;
let viewer: Key;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'penstock-sessions-'));
});
after(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  clock = new VirtualClock();
  access = Access.open(join(directory, `keys-${count++}.json`), clock);
  viewer = access.create('viewer', 'wall display');
});

const pair = ({ cookie }: AuthenticatedSession): string => cookie.split(';', 1)[0] as string;
const byKey = (key: Key, from = remote, headers = own): AuthenticatedSession =>
  access.signIn({ key: `${key.id}:${key.secret}` }, headers, from);

function outcome(headers: AccessHeaders, connection: AccessConnection): string {
  try {
    return access.authenticate(headers, connection).keyId;
  } catch (error) {
    assert(error instanceof PlatformError);
    return error.code;
  }
}

describe('a session', () => {
  test('acts as its key; its cookie is inaccessible to scripts, other sites and plaintext connections', () => {
    const signedIn = byKey(viewer);
    assert.match(signedIn.cookie, /^__Host-penstock-[0-9a-f]{8}=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict; Secure$/);
    const caller = access.authenticate({ ...own, cookie: `other=1; ${pair(signedIn)}; more=2` }, remote);
    assert.equal(caller.keyId, viewer.id);
    assert.equal(caller.role, 'viewer');
    assert.throws(() => access.require(caller, 'deploy'), { code: 'forbidden' });
  });

  test('omits Secure on a plaintext loopback connection, where browsers may reject it', () => {
    assert.match(
      byKey(viewer, local, { host: 'localhost:8080' }).cookie,
      /^penstock-[0-9a-f]{8}=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/,
    );
  });

  test('takes precedence over loopback trust: a viewer session stays viewer', () => {
    const cookie = pair(byKey(viewer, local, { host: 'localhost:8080' }));
    assert.equal(access.authenticate({ host: 'localhost:8080' }, local).role, 'admin');
    assert.equal(access.authenticate({ host: 'localhost:8080', cookie }, local).role, 'viewer');
  });

  for (const key of ['', 'AKIA', ':', 'AKIAAAAAAAAAAAAAAAAA:wrong', 'x'.repeat(400)]) {
    test(`cannot be opened with the key ${JSON.stringify(key.slice(0, 30))}`, () => {
      assert.throws(() => access.signIn({ key }, own, remote), { code: 'unauthenticated' });
    });
  }

  test('with an unknown or truncated token is rejected, also on loopback', () => {
    const cookie = pair(byKey(viewer, local, { host: 'localhost' }));
    assert.equal(outcome({ host: 'localhost', cookie: cookie.slice(0, -1) }, local), 'unauthenticated');
    assert.equal(outcome({ host: 'localhost', cookie: `${cookie.split('=')[0]}=` }, local), 'unauthenticated');
  });

  test('rejects mutating calls without the CSRF token of this session', () => {
    const signedIn = byKey(viewer);
    const other = byKey(access.create('admin'));
    const headers = { ...own, cookie: pair(signedIn) };
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', undefined]) {
      const connection = { ...remote, method };
      assert.equal(outcome(headers, connection), 'forbidden');
      assert.equal(outcome({ ...headers, 'x-penstock-csrf': '' }, connection), 'forbidden');
      assert.equal(outcome({ ...headers, 'x-penstock-csrf': other.caller.session?.csrfToken }, connection), 'forbidden');
      assert.equal(outcome({ ...headers, 'x-penstock-csrf': signedIn.caller.session?.csrfToken }, connection), viewer.id);
    }
  });

  for (const [what, headers] of Object.entries<AccessHeaders>({
    'another site': { ...own, origin: 'https://evil.example' },
    'another port of the same host': { ...own, origin: 'https://penstock.example.com:9999' },
    'the same host without TLS': { ...own, origin: `http://${host}` },
    'a sandboxed page': { ...own, origin: 'null' },
    'a cross-site read': { host, 'sec-fetch-site': 'cross-site' },
    'a same-site read from another origin': { host, 'sec-fetch-site': 'same-site' },
    'a rebound DNS name': { host: 'evil.example', origin: `https://${host}` },
    'a page without a host': { origin: 'https://undefined' },
  })) {
    test(`rejects ${what}, even with its CSRF token`, () => {
      const signedIn = byKey(viewer);
      const shown = { ...headers, cookie: pair(signedIn), 'x-penstock-csrf': signedIn.caller.session?.csrfToken };
      for (const method of ['GET', 'POST']) assert.equal(outcome(shown, { ...remote, method }), 'forbidden');
      assert.throws(() => byKey(viewer, remote, headers), { code: 'forbidden' });
      assert.throws(() => access.signOut({ ...headers, cookie: pair(signedIn) }, remote), { code: 'forbidden' });
      assert.equal(outcome({ host, cookie: pair(signedIn) }, remote), viewer.id);
    });
  }

  test('a key in the header takes precedence over any cookie', () => {
    const admin = access.create('admin');
    const headers = { cookie: pair(byKey(viewer)), authorization: `Bearer ${admin.id}:${admin.secret}` };
    assert.equal(outcome(headers, { ...remote, method: 'POST' }), admin.id);
    assert.equal(outcome({ ...headers, authorization: 'Bearer x:y' }, remote), 'unauthenticated');
  });

  test('ends on sign-out, revocation, expiry and restart', () => {
    const [out, revoked, idle, old] = [byKey(viewer), byKey(access.create('invoker')), byKey(viewer), byKey(viewer)].map(pair) as [
      string,
      string,
      string,
      string,
    ];
    assert.match(
      access.signOut({ ...own, cookie: out }, remote),
      /^__Host-penstock-[0-9a-f]{8}=; Max-Age=0; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
    assert.equal(outcome({ ...own, cookie: out }, remote), 'unauthenticated');

    const invoker = access.list().find(({ role }) => role === 'invoker');
    assert.equal(outcome({ ...own, cookie: revoked }, remote), invoker?.id);
    access.revoke(invoker?.id ?? '');
    assert.equal(outcome({ ...own, cookie: revoked }, remote), 'unauthenticated');

    for (let ms = 0; ms < sessionLimits.lifeMs; ms += sessionLimits.idleMs / 2) {
      assert.equal(outcome({ ...own, cookie: old }, remote), viewer.id);
      clock.advance(sessionLimits.idleMs / 2);
    }
    assert.equal(outcome({ ...own, cookie: old }, remote), 'unauthenticated');
    assert.equal(outcome({ ...own, cookie: idle }, remote), 'unauthenticated');

    const fresh = pair(byKey(viewer));
    const restarted = Access.open(join(directory, `keys-${count - 1}.json`), clock);
    assert.throws(() => restarted.authenticate({ ...own, cookie: fresh }, remote), { code: 'unauthenticated' });
  });

  test('above the limit per key, the least recently used session of that key ends', () => {
    const other = pair(byKey(access.create('deployer')));
    const all = Array.from({ length: sessionLimits.perKeyMax }, () => {
      clock.advance(1000);
      return pair(byKey(viewer));
    });
    clock.advance(1000);
    assert.equal(outcome({ ...own, cookie: all[0] }, remote), viewer.id);
    byKey(viewer);
    assert.equal(outcome({ ...own, cookie: all[0] }, remote), viewer.id);
    assert.equal(outcome({ ...own, cookie: all[1] }, remote), 'unauthenticated');
    assert.notEqual(outcome({ ...own, cookie: other }, remote), 'unauthenticated');
  });

  test('has another cookie name per server on a host, because browsers share cookies between ports', () => {
    assert.notEqual(new SessionCookie('/a/keys.json', false).name, new SessionCookie('/b/keys.json', false).name);
  });
});

describe('the sign-in link', () => {
  test('signs in as the first admin key, once', () => {
    const link = access.signInLink();
    assert.match(link, /^[\w-]{43}$/);
    const { caller } = access.signIn({ link }, own, remote);
    assert.deepEqual([caller.keyId, caller.role], [access.list()[0]?.id, 'admin']);
    assert.throws(() => access.signIn({ link }, own, remote), { code: 'unauthenticated', message: /already used/ });
  });

  test('is rejected after 15 minutes, after a newer link, after revocation of its key, and from another site', () => {
    const [old] = [access.signInLink(), clock.advance(sessionLimits.linkLifeMs)];
    assert.throws(() => access.signIn({ link: old }, own, remote), { code: 'unauthenticated' });

    const first = access.signInLink();
    const second = access.signInLink();
    assert.throws(() => access.signIn({ link: first }, own, remote), { code: 'unauthenticated' });
    assert.throws(() => access.signIn({ link: second }, { host, origin: 'https://evil.example' }, remote), { code: 'forbidden' });
    assert.equal(access.signIn({ link: second }, own, remote).caller.role, 'admin');

    const last = access.signInLink();
    access.create('admin');
    access.revoke(access.list()[0]?.id ?? '');
    assert.throws(() => access.signIn({ link: last }, own, remote), { code: 'unauthenticated' });
    assert.throws(() => access.signIn({ link: '' }, own, remote), { code: 'unauthenticated' });
  });
});
