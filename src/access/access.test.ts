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

/** The code of the refusal, or who was let in. */
function outcome(access: Access, headers: AccessHeaders, connection: AccessConnection): string {
  try {
    return access.authenticate(headers, connection).keyId;
  } catch (error) {
    assert(error instanceof PlatformError);
    return error.code;
  }
}

describe('keys', () => {
  test('the first start makes one admin key in the form of AWS, in a file for its owner only', async () => {
    const file = freshFile();
    const access = Access.open(file, clock);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const [key] = readKeysFile(file) ?? [];
    assert.match(key?.id ?? '', /^AKIA[A-Z2-7]{16}$/);
    assert.match(key?.secret ?? '', /^[A-Za-z0-9+/]{40}$/);
    assert.equal(key?.role, 'admin');
    assert.equal(access.secretFor(key.id), key.secret);
    assert.deepEqual(access.callerFor(key.id), { keyId: key.id, role: 'admin' });
    assert.equal(outcome(access, bearer(key), remote), key.id);
  });

  test('a new key works at once and after a restart, a revoked one no longer', () => {
    const file = freshFile();
    const access = Access.open(file, clock);
    const key = access.create('invoker', 'the shop');
    assert.deepEqual(access.authenticate(bearer(key), remote), { keyId: key.id, role: 'invoker' });
    assert.deepEqual(Access.open(file, clock).authenticate(bearer(key), remote), { keyId: key.id, role: 'invoker' });
    access.revoke(key.id);
    assert.equal(outcome(access, bearer(key), remote), 'unauthenticated');
    assert.equal(outcome(Access.open(file, clock), bearer(key), remote), 'unauthenticated');
    assert.equal(access.secretFor(key.id), undefined);
    assert.throws(() => access.revoke(key.id), { code: 'not_found' });
  });

  test('a list shows no secret', () => {
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

  test('a change that cannot be written does not count', async () => {
    const file = join(directory, 'vanishing', 'keys.json');
    await mkdir(join(directory, 'vanishing'));
    const access = Access.open(file, clock);
    await rm(join(directory, 'vanishing'), { recursive: true });
    assert.throws(() => access.create('admin'));
    assert.equal(access.list().length, 1);
  });

  test('a broken file stops the start, says why, shows no secret, and is left as it is', async () => {
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

  test('a file that others could read is closed to them', async () => {
    const file = freshFile();
    Access.open(file, clock);
    await chmod(file, 0o644);
    Access.open(file, clock);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  test('writing leaves nothing beside the file', async () => {
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
    test(`is let in on loopback by Host ${host}`, () => {
      assert.deepEqual(access.authenticate({ host }, local), { keyId: 'anonymous', role: 'admin' });
      assert.equal(outcome(access, { host, origin: `http://${host}` }, local), 'anonymous');
    });
  }

  for (const address of ['::1', '::ffff:127.0.0.1', '127.0.0.53']) {
    test(`is let in from ${address}`, () => {
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
    test(`is refused on loopback by Host ${JSON.stringify(host)}: it could be DNS rebinding`, () => {
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
    test(`is refused from a page of ${JSON.stringify(origin)}, whatever its Host`, () => {
      assert.equal(outcome(access, { host: 'localhost:8080', origin }, local), 'forbidden');
    });
  }

  test('is refused where a proxy brings it, which makes everybody look local', () => {
    for (const name of ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']) {
      assert.equal(outcome(access, { host: 'localhost', [name]: '192.0.2.7' }, local), 'forbidden', name);
    }
  });

  test('is refused from elsewhere and on a listener that others reach, whatever its headers', () => {
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

describe('a call with a key', () => {
  test('is let in from anywhere, by any Host, page or proxy: the key is enough', () => {
    const access = Access.open(freshFile(), clock);
    const key = access.create('viewer');
    const headers = { ...bearer(key), host: 'penstock.example.com', origin: 'https://app.example.com', via: '1.1 proxy' };
    for (const connection of [local, remote]) assert.equal(outcome(access, headers, connection), key.id);
    assert.equal(outcome(access, { authorization: `bearer  ${key.id}:${key.secret}` }, remote), key.id);
  });

  test('that is wrong is refused also on loopback, where none would have been needed', () => {
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

  test('no combination of headers lets anybody in by accident', () => {
    const access = Access.open(freshFile(), clock);
    const key = access.create('invoker');
    const words = [
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
        fc.array(fc.constantFrom(...words), { maxLength: 5 }).map((parts) => parts.join('')),
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
        // Nobody knows a secret here, so whoever was let in came without a key, straight, on loopback, by its names.
        assert.equal(who, 'anonymous');
        assert.equal(sent.authorization, undefined);
        assert.equal(from.listenerIsLoopback, true);
        assert.match(from.remoteAddress ?? '', /^(::1|(::ffff:)?127\.0\.0\.1)$/);
        assert(isLocalName(sent.host ?? ''), sent.host);
        assert(sent.origin === undefined || isLocalName(sent.origin.replace(/^https?:\/\//, '')), sent.origin);
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
    test(`${role} may ${allowed[role].join(', ')} and nothing else`, () => {
      const access = Access.open(freshFile(), clock);
      for (const permission of allowed.admin) {
        const ask = (): void => access.require({ keyId: 'k', role }, permission);
        if (allowed[role].includes(permission)) ask();
        else assert.throws(ask, { code: 'forbidden' });
      }
    });
  }

  test('a refusal says what was missing and which role has it', () => {
    const access = Access.open(freshFile(), clock);
    assert.throws(() => access.require({ keyId: 'AKIA1', role: 'viewer' }, 'approve'), {
      message: 'AKIA1 is viewer and may not approve: it takes a key of role approver or above',
    });
  });

  test('an unknown role is refused with the known ones', () => {
    assert.equal(parseRole('deployer'), 'deployer');
    for (const word of ['root', 'toString', '', null])
      assert.throws(() => parseRole(word), { code: 'invalid_request', message: /viewer, invoker/ });
  });
});
