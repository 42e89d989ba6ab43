/** Temporary credentials never allow more, or for longer, than the key that requested them. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Clock, SystemClock } from '../clock.ts';
import { Access, type Signer } from './access.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-temporary-'));
after(() => rmSync(folder, { recursive: true }));
let count = 0;
const freshFile = () => join(folder, `keys-${count++}.json`);

class SettableClock extends SystemClock {
  atMs = 1_800_000_000_000;
  override wallMs(): number {
    return this.atMs;
  }
}

const request = { role: 'any', session: 'notebook', seconds: 3600 };

function opened(clock: Clock = new SettableClock(), file = freshFile()) {
  const access = Access.open(file, clock);
  const key = access.create('deployer', '', { ratePerSecond: 5 });
  const caller = access.callerFor(key.id);
  assert(caller !== undefined);
  return { access, key, caller, file };
}

function issued(access: Access, caller: Signer['caller'], seconds = 3600) {
  const credentials = access.assumeRole(caller, { ...request, seconds });
  assert(credentials !== undefined);
  return credentials;
}

function signer(access: Access, id: string, token: string | undefined): Signer {
  const found = access.signerFor(id, token);
  assert(found !== undefined && found !== 'expired');
  return found;
}

describe('temporary credentials', () => {
  test('look as those of AWS, and act as their key: its id, role and limits', () => {
    const { access, key, caller } = opened();
    const { id, secret, token, expiresAtMs } = issued(access, caller);
    assert.match(id, /^ASIA[A-Z2-7]{16}$/);
    assert.match(secret, /^[A-Za-z0-9+/]{40}$/);
    const found = signer(access, id, token);
    assert.equal(found.secret, secret);
    assert.deepEqual([found.caller.keyId, found.caller.role], [key.id, 'deployer']);
    assert.equal(found.caller.limiter, caller.limiter, 'both share one limit');
    assert.deepEqual(found.caller.assumed, { role: 'any', session: 'notebook', expiresAtMs });
  });

  test('survive a restart, end at their time, and with their key', () => {
    const clock = new SettableClock();
    const { access, key, caller, file } = opened(clock);
    const { id, token, secret, expiresAtMs } = issued(access, caller, 900);
    const restarted = Access.open(file, clock);
    assert.equal(signer(restarted, id, token).secret, secret);
    assert.equal(expiresAtMs, clock.atMs + 900_000);
    clock.atMs = expiresAtMs - 1;
    signer(access, id, token);
    clock.atMs = expiresAtMs;
    assert.equal(access.signerFor(id, token), 'expired');
    const next = issued(access, caller);
    access.revoke(key.id);
    assert.equal(access.signerFor(next.id, next.token), undefined);
    assert.equal(access.assumeRole(caller, request), undefined);
  });

  test('cannot extend themselves', () => {
    const clock = new SettableClock();
    const { access, caller } = opened(clock);
    const first = issued(access, caller, 900);
    clock.atMs += 890_000;
    const second = issued(access, signer(access, first.id, first.token).caller, 43_200);
    assert.equal(second.expiresAtMs, first.expiresAtMs);
  });

  test('have the current role of their key, not the one at their issue', () => {
    const clock = new SettableClock();
    const { access, key, caller, file } = opened(clock);
    const { id, token } = issued(access, caller);
    const stored = JSON.parse(readFileSync(file, 'utf8')) as { keys: { id: string; role: string }[] };
    for (const each of stored.keys) if (each.id === key.id) each.role = 'viewer';
    writeFileSync(file, JSON.stringify(stored));
    assert.equal(signer(Access.open(file, clock), id, token).caller.role, 'viewer');
  });

  test('are unknown without their own token', () => {
    const { access, key, caller } = opened();
    const [one, other] = [issued(access, caller), issued(access, caller)];
    for (const token of [undefined, '', other.token, `${one.token}x`, one.token.slice(1), one.token.split('.')[0]]) {
      assert.equal(access.signerFor(one.id, token), undefined);
    }
    assert.equal(access.signerFor(key.id.replace('AKIA', 'ASIA'), one.token), undefined);
    // A key ignores a token: clients may have one left over.
    assert.equal(signer(access, key.id, one.token).secret, key.secret);
  });

  test('cannot be made from a token whose content was changed', () => {
    const { access, caller } = opened();
    const { access: foreign, caller: foreignCaller } = opened();
    const { id, token } = issued(access, caller);
    const [payload = '', mac = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const admin = access.list().find(({ role }) => role === 'admin')?.id;
    for (const change of [
      { keyId: admin },
      { expiresAtMs: Number.MAX_SAFE_INTEGER },
      { role: 'other' },
      { expiresAtMs: '9' },
      { id: 'ASIAX' },
    ]) {
      const forged = `${Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url')}.${mac}`;
      assert.equal(access.signerFor(id, forged), undefined, JSON.stringify(change));
    }
    const elsewhere = issued(foreign, foreignCaller);
    assert.equal(access.signerFor(elsewhere.id, elsewhere.token), undefined);
  });

  test('no other text is a token', () => {
    const { access, caller } = opened();
    const { id, token } = issued(access, caller);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => `${Buffer.from(text).toString('base64url')}.x`),
        ),
        (text) => {
          assert.equal(access.signerFor(id, text === token ? '' : text), undefined);
        },
      ),
    );
    assert.equal(access.signerFor(id, `${'a'.repeat(1_000_000)}.b`), undefined);
  });

  test('are no key of the native API', () => {
    const { access, caller } = opened();
    const { id, secret } = issued(access, caller);
    const connection = { remoteAddress: '127.0.0.1', listenerIsLoopback: true };
    assert.throws(() => access.authenticate({ authorization: `Bearer ${id}:${secret}` }, connection), { code: 'unauthenticated' });
  });
});
