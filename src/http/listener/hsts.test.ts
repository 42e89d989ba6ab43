import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as send } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { Listener } from './listener.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';
import { isSelfSigned } from './tls.ts';

const clock = new SystemClock();

/** A certificate signed by a separate authority; null without openssl. */
function signedCertificate(): Certificate | null {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-hsts-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  try {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority', '-days', '2');
    openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=box.example');
    writeFileSync(join(directory, 'names'), 'subjectAltName=DNS:box.example,DNS:localhost');
    const authority = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    openssl('x509', '-req', '-in', 'server.csr', ...authority, '-out', 'server.pem');
    return { cert: readFileSync(join(directory, 'server.pem'), 'utf8'), key: readFileSync(join(directory, 'server.key'), 'utf8') };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function hstsOf(tls: Certificate, hosts: readonly string[]): Promise<(string | undefined)[]> {
  const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' }) as const };
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls, access, log: openLogs(null, 'silent').platform, clock });
  listener.scope('', (scope) => void scope.get('/page', () => 'page'));
  const { port } = new URL(await listener.listen());
  try {
    const found: (string | undefined)[] = [];
    for (const host of hosts) {
      const sent = send({ host: '127.0.0.1', port, path: '/page', headers: { host }, rejectUnauthorized: false, agent: false });
      sent.end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      response.resume();
      found.push(response.headers['strict-transport-security']);
    }
    return found;
  } finally {
    await listener.close();
  }
}

const localNames = ['localhost', 'localhost:8080', 'app.localhost', '127.0.0.1:8080', '[::1]:8080', '10.0.0.7', 'box'];

test('sends HSTS with a CA-signed certificate, but not for localhost, addresses and bare names', async (t) => {
  const tls = signedCertificate();
  if (tls === null) {
    t.skip('openssl is missing');
    return;
  }
  assert.equal(isSelfSigned(tls), false);
  assert.deepEqual(await hstsOf(tls, ['box.example', 'box.example:8443']), ['max-age=31536000', 'max-age=31536000']);
  assert.deepEqual(await hstsOf(tls, localNames), Array(localNames.length).fill(undefined));
});

test('sends no HSTS with a self-signed certificate', async () => {
  const tls = selfSignedCertificate({ hosts: ['box.example'], wallMs: clock.wallMs(), days: 2 });
  assert.equal(isSelfSigned(tls), true);
  assert.deepEqual(await hstsOf(tls, ['box.example']), [undefined]);
});
