import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { Access, type AccessConnection, type AccessHeaders } from './access.ts';
import { readKeysFile } from './keys-file.ts';
import { type Permission, parseRole, type Role, roles } from './roles.ts';

const clock = new VirtualClock();
let directory = '';
let count = 0;
const freshFile = (): string => join(directory, `keys-${count++}.json`);
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-access-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

const local: AccessConnection = { remoteAddress: '127.0.0.1', listenerIsLoopback: true };
const remote: AccessConnection = { remoteAddress: '192.0.2.7', listenerIsLoopback: false };
const bearer = ({ id, secret }: { id: string; secret: string }): AccessHeaders => ({ authorization: `Bearer ${id}:${secret}` });

/** The error code, or the key id of the caller. */
function outcome(access: Access, headers: AccessHeaders, connection: AccessConnection): string {
  try {
    return access.authenticate(headers, connection).keyId;
  } catch (error) {
    assert(error instanceof PlatformError);
    return error.code;
  }
}

describe('keys', () => {
  test('the first start creates one admin key in AWS format, in a file readable only by its owner', async () => {
    const file = freshFile();
    const access = Access.open(file, clock);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const [key] = readKeysFile(file) ?? [];
    assert.match(key?.id ?? '', /^AKIA[A-Z2-7]{16}$/);
    assert.match(key?.secret ?? '', /^[A-Za-z0-9+/]{40}$/);
    assert.equal(key?.role, 'admin');
    assert.deepEqual(access.signerFor(key.id, undefined), { secret: key.secret, caller: { keyId: key.id, role: 'admin' } });
    assert.deepEqual(access.callerFor(key.id), { keyId: key.id, role: 'admin' });
    assert.equal(outcome(access, bearer(key), remote), key.id);
  });

  test('a new key works at once and after a restart; a revoked key is rejected', () => {
    const file = freshFile();
    const access = Access.open(file, clock);
    const key = access.create('invoker', 'shop');
    assert.deepEqual(access.authenticate(bearer(key), remote), { keyId: key.id, role: 'invoker' });
    assert.deepEqual(Access.open(file, clock).authenticate(bearer(key), remote), { keyId: key.id, role: 'invoker' });
    access.revoke(key.id);
    assert.equal(outcome(access, bearer(key), remote), 'unauthenticated');
    assert.equal(outcome(Access.open(file, clock), bearer(key), remote), 'unauthenticated');
    assert.equal(access.signerFor(key.id, undefined), undefined);
    assert.throws(() => access.revoke(key.id), { code: 'not_found' });
  });

  test('the list contains no secrets', () => {
    const access = Access.open(freshFile(), clock);
    const key = access.create('viewer', 'wall display');
    assert.deepEqual(access.list()[1], { id: key.id, role: 'viewer', description: 'wall display', createdAtMs: clock.wallMs() });
    assert(!JSON.stringify(access.list()).includes(key.secret));
  });

  test('the last admin key cannot be revoked', () => {
    const access = Access.open(freshFile(), clock);
    const [first] = access.list();
    access.create('approver');
    assert.throws(() => access.revoke(first?.id ?? ''), { code: 'wrong_state', message: /the last admin key: create another/ });
    access.create('admin');
    access.revoke(first?.id ?? '');
    assert.equal(access.list().length, 2);
  });

  test('a change that cannot be written does not take effect', async () => {
    const file = join(directory, 'vanishing', 'keys.json');
    await mkdir(join(directory, 'vanishing'));
    const access = Access.open(file, clock);
    await rm(join(directory, 'vanishing'), { recursive: true });
    assert.throws(() => access.create('admin'));
    assert.equal(access.list().length, 1);
  });

  test('a broken file stops the start with a reason, without secrets, and is not modified', async () => {
    const good = {
      id: 'AKIAAAAAAAAAAAAAAAAA',
      secret: 'topsecret/topsecret+topsecret/topsecret+',
      role: 'admin',
      description: '',
      createdAtMs: 1,
    };
    for (const [content, why] of [
      ['{"keys": [{"id": "AKIA", "secret": "topsecret', /is not JSON/],
      ['', /is not JSON/],
      ['[]', /a list of `keys`/],
      ['{"keys": {}}', /a list of `keys`/],
      ['{"keys": []}', /no admin key/],
      [JSON.stringify({ keys: [{ ...good, role: 'root' }] }), /entry 0 of `keys`.*viewer, invoker/],
      [JSON.stringify({ keys: [{ ...good, secret: '' }] }), /entry 0/],
      [JSON.stringify({ keys: [{ ...good, id: 'with:colon' }] }), /entry 0/],
      [JSON.stringify({ keys: [good, null] }), /entry 1/],
      [JSON.stringify({ keys: [good, good] }), /same id/],
    ] as const) {
      const file = freshFile();
      await writeFile(file, content);
      assert.throws(
        () => Access.open(file, clock),
        (error: PlatformError) => {
          assert.equal(error.code, 'wrong_state');
          assert.match(error.message, why);
          assert.doesNotMatch(error.message, /topsecret/);
          return true;
        },
      );
      assert.equal(await readFile(file, 'utf8'), content);
    }
  });

  test('removes read permission of other users from the file', async () => {
    const file = freshFile();
    Access.open(file, clock);
    await chmod(file, 0o644);
    Access.open(file, clock);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  test('writing leaves no temporary files', async () => {
    Access.open(freshFile(), clock).create('viewer');
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.includes('tmp')),
      [],
    );
  });
});

describe('a call without a key', () => {
  let access: Access;
  before(() => {
    access = Access.open(freshFile(), clock);
  });

  for (const host of [
    'localhost',
    'LocalHost:8080',
    '127.0.0.1',
    '127.0.0.1:8080',
    '127.9.9.9:1',
    '[::1]',
    '[::1]:8080',
    '[::ffff:127.0.0.1]:80',
  ]) {
    test(`is accepted on loopback with Host ${host}`, () => {
      assert.deepEqual(access.authenticate({ host }, local), { keyId: 'anonymous', role: 'admin' });
      assert.equal(outcome(access, { host, origin: `http://${host}` }, local), 'anonymous');
    });
  }

  for (const address of ['::1', '::ffff:127.0.0.1', '127.0.0.53']) {
    test(`is accepted from ${address}`, () => {
      assert.equal(outcome(access, { host: 'localhost' }, { remoteAddress: address, listenerIsLoopback: true }), 'anonymous');
    });
  }

  for (const host of [
    undefined,
    '',
    'evil.com',
    'evil.com:8080',
    '127.0.0.1.evil.com',
    'localhost.evil.com',
    'evil-localhost',
    'localhost.',
    'foo.localhost',
    '127.1',
    '2130706433',
    '0.0.0.0:8080',
    '127.0.0.1:8080@evil.com',
    'evil.com@127.0.0.1',
    '127.0.0.1, evil.com',
    ' localhost',
    'localhost:',
    'localhost:port',
    '[::1',
    '::1',
    '[::2]',
    '[evil.com]',
    '[localhost]:80',
    'localhost:80:80',
  ]) {
    test(`is rejected on loopback with Host ${JSON.stringify(host)}: possible DNS rebinding`, () => {
      assert.equal(outcome(access, { host }, local), 'forbidden');
    });
  }

  for (const origin of [
    'null',
    '',
    'http://evil.com',
    'https://127.0.0.1.evil.com',
    'http://localhost@evil.com',
    'file://',
    'http://localhost/',
    'chrome-extension://abc',
    'localhost',
  ]) {
    test(`is rejected from a page of ${JSON.stringify(origin)}, regardless of Host`, () => {
      assert.equal(outcome(access, { host: 'localhost:8080', origin }, local), 'forbidden');
    });
  }

  test('is rejected from a proxy, which makes every client look local', () => {
    const own = [
      'forwarded',
      'via',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-anything',
      'x-real-ip',
      'x-scheme',
      'proxy-connection',
    ];
    const ofClouds = ['cdn-loop', 'cf-ray', 'x-amzn-trace-id', 'x-azure-clientip', 'x-cloud-trace-context', 'x-appengine-user-ip'];
    for (const name of [...own, ...ofClouds]) {
      assert.equal(outcome(access, { host: 'localhost', [name]: '192.0.2.7' }, local), 'forbidden', name);
    }
  });

  test('is rejected if it is a webhook, which any user of that server could trigger', () => {
    for (const name of ['penstock-delivery', 'webhook-id', 'x-hub-signature-256', 'x-amz-sns-message-type'])
      assert.equal(outcome(access, { host: 'localhost', [name]: 'x' }, local), 'forbidden', name);
  });

  for (const [page, headers] of Object.entries<AccessHeaders>({
    'of another port': { origin: 'http://localhost:3000' },
    'of another name of this machine': { origin: 'http://127.0.0.1:8080' },
    'of another scheme and port': { origin: 'https://localhost:8443' },
    'of another scheme': { origin: 'https://localhost:8080' },
    'that sends no Origin': { 'sec-fetch-site': 'same-site' },
    'of another site that sends no Origin': { 'sec-fetch-site': 'cross-site' },
    'whose Origin is borrowed': { origin: 'http://localhost:8080', 'sec-fetch-site': 'cross-site' },
  })) {
    test(`is rejected from a page ${page}, although it is on this machine`, () => {
      for (const method of ['GET', 'POST'])
        assert.equal(outcome(access, { host: 'localhost:8080', ...headers }, { ...local, method }), 'forbidden');
    });
  }

  test('is accepted from a page of this server and from the address bar', () => {
    for (const headers of [{ origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }])
      assert.equal(outcome(access, { host: 'localhost:8080', ...headers }, local), 'anonymous');
  });

  test('is rejected from other machines and on a public listener, regardless of headers', () => {
    for (const connection of [
      remote,
      { remoteAddress: '192.0.2.7', listenerIsLoopback: true },
      { remoteAddress: '127.0.0.1', listenerIsLoopback: false },
      { remoteAddress: undefined, listenerIsLoopback: true },
    ]) {
      assert.equal(outcome(access, { host: 'localhost', origin: 'http://localhost' }, connection), 'unauthenticated');
    }
  });
});

describe('a call without a key while model code runs', () => {
  const socket = { remoteAddress: '127.0.0.1', remotePort: 1, localAddress: '127.0.0.1', localPort: 2 };
  const headers = { host: 'localhost' };
  const nothing = { hasForeignUsers: () => false, isForeignUid: () => false, isForeignCodeUnconfined: () => false };

  test('is rejected if its connection may belong to model code; a key still works', () => {
    const access = Access.open(freshFile(), clock, { ...nothing, hasForeignUsers: () => true });
    const key = access.create('viewer');
    for (const connection of [local, { ...local, socket }]) {
      assert.equal(outcome(access, headers, connection), 'unauthenticated');
      assert.equal(outcome(access, { ...headers, ...bearer(key) }, connection), key.id);
    }
  });

  test('may only read and invoke if model code has network access without its own user; the error names the remedy', () => {
    let isUnconfined = true;
    const access = Access.open(freshFile(), clock, { ...nothing, isForeignCodeUnconfined: () => isUnconfined });
    const caller = access.authenticate(headers, local);
    assert.deepEqual(caller, { keyId: 'anonymous', role: 'invoker' });
    access.require(caller, 'invoke');
    assert.throws(() => access.require(caller, 'deploy'), { code: 'forbidden', message: /sign in to the console with a key, or send/ });
    isUnconfined = false;
    assert.equal(access.authenticate(headers, local).role, 'admin');
  });
});

test('a request counts as local if a call without a key would be trusted, whatever its key', () => {
  const headers = { host: 'localhost', authorization: 'Bearer any' };
  const access = Access.open(freshFile(), clock);
  assert.equal(access.isLocal(headers, local), true);
  assert.equal(access.isLocal({ ...headers, via: 'proxy' }, local), false);
  assert.equal(access.isLocal({ ...headers, host: 'evil.example' }, local), false);
  assert.equal(access.isLocal({ ...headers, origin: 'http://evil.example' }, local), false);
  assert.equal(access.isLocal(headers, { remoteAddress: '192.0.2.7', listenerIsLoopback: false }), false);
  const capped = { hasForeignUsers: () => false, isForeignUid: () => false, isForeignCodeUnconfined: () => true };
  assert.equal(Access.open(freshFile(), clock, capped).isLocal(headers, local), false);
});

describe('a call with a key', () => {
  test('is accepted from anywhere, with any Host, page or proxy', () => {
    const access = Access.open(freshFile(), clock);
    const key = access.create('viewer');
    const headers = { ...bearer(key), host: 'penstock.example.com', origin: 'https://app.example.com', via: '1.1 proxy' };
    for (const connection of [local, remote]) assert.equal(outcome(access, headers, connection), key.id);
    assert.equal(outcome(access, { authorization: `bearer  ${key.id}:${key.secret}` }, remote), key.id);
  });

  test('that is wrong is rejected also on loopback', () => {
    const access = Access.open(freshFile(), clock);
    const { id, secret } = access.create('admin');
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${id}`,
      `Bearer ${id}:`,
      `Bearer ${id}:${secret.slice(0, -1)}`,
      `Bearer ${id}:${secret} `,
      `Bearer ${id}:${secret}x`,
      `Bearer ${id}:${secret.toLowerCase()}`,
      `Bearer ${id.toLowerCase()}:${secret}`,
      `Bearer :${secret}`,
      `Bearer __proto__:${secret}`,
      `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      `${id}:${secret}`,
      `Bearer${id}:${secret}`,
      `AWS4-HMAC-SHA256 Credential=${id}:${secret}`,
    ]) {
      assert.equal(outcome(access, { authorization, host: 'localhost' }, local), 'unauthenticated', authorization);
    }
  });

  test('no combination of headers grants access by accident', () => {
    const access = Access.open(freshFile(), clock);
    const key = access.create('invoker');
    const fragments = [
      'localhost',
      '127.0.0.1',
      '[::1]',
      'evil.com',
      'null',
      '',
      '@',
      ':',
      '.',
      '/',
      'http://',
      'Bearer ',
      ' ',
      key.id,
      ':8080',
      ',',
    ];
    const text = fc.option(
      fc.oneof(
        fc.array(fc.constantFrom(...fragments), { maxLength: 5 }).map((parts) => parts.join('')),
        fc.string(),
      ),
      { nil: undefined },
    );
    const headers = fc.record({ authorization: text, host: text, origin: text, via: text, forwarded: text, 'x-forwarded-for': text });
    const connection = fc.record({
      remoteAddress: fc.constantFrom(
        undefined,
        '',
        '127.0.0.1',
        '::1',
        '::ffff:127.0.0.1',
        '192.0.2.7',
        '::ffff:192.0.2.7',
        '2001:db8::1',
        '127.evil',
      ),
      listenerIsLoopback: fc.boolean(),
    });
    const isLocalName = (name: string): boolean =>
      /^(localhost|127(\.\d{1,3}){3}|\[(::1|::ffff:127(\.\d{1,3}){3})\])(:\d{1,5})?$/i.test(name);
    fc.assert(
      fc.property(headers, connection, (sent, from) => {
        const who = outcome(access, sent, from);
        if (who === 'unauthenticated' || who === 'forbidden') return;
        // No test input has a valid secret, so an accepted call must be direct, on loopback, without a key, with a loopback Host.
        assert.equal(who, 'anonymous');
        assert.equal(sent.authorization, undefined);
        assert.equal(from.listenerIsLoopback, true);
        assert.match(from.remoteAddress ?? '', /^(::1|(::ffff:)?127\.0\.0\.1)$/);
        assert(isLocalName(sent.host ?? ''), sent.host);
        assert(sent.origin === undefined || sent.origin.replace(/^https?:\/\//, '') === sent.host, sent.origin);
        assert.deepEqual([sent.via, sent.forwarded, sent['x-forwarded-for']], [undefined, undefined, undefined]);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('roles', () => {
  const allowed: Record<Role, readonly Permission[]> = {
    viewer: ['read'],
    invoker: ['read', 'invoke'],
    deployer: ['read', 'invoke', 'register', 'deploy'],
    approver: ['read', 'invoke', 'register', 'deploy', 'approve'],
    admin: ['read', 'invoke', 'register', 'deploy', 'approve', 'administer'],
  };
  for (const role of roles) {
    test(`${role} has exactly the permissions ${allowed[role].join(', ')}`, () => {
      const access = Access.open(freshFile(), clock);
      for (const permission of allowed.admin) {
        const call = (): void => access.require({ keyId: 'k', role }, permission);
        if (allowed[role].includes(permission)) call();
        else assert.throws(call, { code: 'forbidden' });
      }
    });
  }

  test('the error names the missing permission and the required role', () => {
    const access = Access.open(freshFile(), clock);
    assert.throws(() => access.require({ keyId: 'AKIA1', role: 'viewer' }, 'approve'), {
      message: 'AKIA1 has the role viewer and lacks the permission approve: use a key of role approver or above',
    });
  });

  test('rejects an unknown role and names the known ones', () => {
    assert.equal(parseRole('deployer'), 'deployer');
    for (const word of ['root', 'toString', '', null])
      assert.throws(() => parseRole(word), { code: 'invalid_request', message: /viewer, invoker/ });
  });
});
