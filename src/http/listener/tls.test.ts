import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { selfSignedCertificate } from './self-signed.ts';
import { certificateNames, loadCertificate } from './tls.ts';

const directory = mkdtempSync(join(tmpdir(), 'penstock-tls-'));
after(() => rmSync(directory, { recursive: true }));

const wallMs = Date.UTC(2026, 5, 1);
const off = { tls: 'off', tlsCert: null, tlsKey: null, host: '127.0.0.1' } as const;

test('creates a self-signed certificate once and stores it, with a key readable only by its owner', () => {
  const first = loadCertificate({ ...off, tls: 'self-signed' }, directory, wallMs);
  const again = loadCertificate({ ...off, tls: 'self-signed' }, directory, wallMs + 1);
  assert.deepEqual(again, first);
  assert.equal(statSync(join(directory, 'tls-key.pem')).mode & 0o777, 0o600);
});

test('a certificate has its names, its validity and is its own authority', () => {
  const { cert } = selfSignedCertificate({ hosts: ['box.example', '10.0.0.7', 'fe80::1:2'], wallMs, days: 400 });
  const read = new X509Certificate(cert);
  assert.equal(read.subject, 'CN=box.example');
  assert.equal(read.subjectAltName, 'DNS:box.example, IP Address:10.0.0.7, IP Address:FE80:0:0:0:0:0:1:2');
  assert.equal(read.ca, true);
  assert.equal(read.verify(read.publicKey), true);
  assert.equal(Date.parse(read.validTo), wallMs + 400 * 86_400_000);
  assert(Date.parse(read.validFrom) < wallMs);
  const late = new X509Certificate(selfSignedCertificate({ hosts: ['a'], wallMs: Date.UTC(2049, 0, 1), days: 800 }).cert);
  assert.equal(new Date(late.validTo).getUTCFullYear(), 2051);
});

test('reads certificate names in lower case, without addresses and wildcards', () => {
  const hosts = ['Box.example', '*.box.example', '10.0.0.7', 'box'];
  assert.deepEqual(certificateNames(selfSignedCertificate({ hosts, wallMs, days: 1 })), ['box.example', 'box']);
});

test('reads files, and rejects missing, non-PEM or mismatching ones', () => {
  const [one, other] = [1, 2].map(() => selfSignedCertificate({ hosts: ['localhost'], wallMs, days: 1 }));
  const write = (name: string, text = ''): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const files = { ...off, tls: 'files', tlsCert: write('c.pem', one?.cert), tlsKey: write('k.pem', one?.key) } as const;
  assert.deepEqual(loadCertificate(files, directory, wallMs), one);
  assert.throws(() => loadCertificate({ ...files, tlsKey: write('o.pem', other?.key) }, directory, wallMs), {
    message: /expected a matching certificate/,
  });
  assert.throws(() => loadCertificate({ ...files, tlsCert: write('n.pem', 'nonsense') }, directory, wallMs), { code: 'invalid_request' });
  assert.throws(() => loadCertificate({ ...files, tlsCert: '/nowhere.pem' }, directory, wallMs), { message: /cannot read the TLS file/ });
  assert.throws(() => loadCertificate({ ...files, tlsKey: null }, directory, wallMs), { message: /needs both/ });
  assert.equal(loadCertificate(off, directory, wallMs), null);
});
