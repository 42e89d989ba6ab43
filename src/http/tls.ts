/** Where the listener's certificate comes from: files, or one that we sign ourselves once and keep. */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { messageOf, PlatformError } from '../errors.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';

export interface TlsSettings {
  readonly tls: 'off' | 'files' | 'self-signed';
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly host: string;
}

const validDays = 3650;

/**
 * The certificate that the settings ask for; null where TLS is off. A self-signed one is kept in `directory`
 * (`tls-cert.pem`, `tls-key.pem`), so that clients that trust it still do after a restart.
 * Throws `invalid_request` where a file cannot be read or does not fit.
 */
export function loadCertificate(settings: TlsSettings, directory: string, wallMs: number): Certificate | null {
  if (settings.tls === 'off') return null;
  if (settings.tls === 'files') {
    if (settings.tlsCert === null || settings.tlsKey === null) {
      throw new PlatformError('invalid_request', 'TLS by files needs both: --tls-cert FILE and --tls-key FILE (PEM)');
    }
    return checked({ cert: read(settings.tlsCert), key: read(settings.tlsKey) }, `${settings.tlsCert} and ${settings.tlsKey}`);
  }
  const files = { cert: join(directory, 'tls-cert.pem'), key: join(directory, 'tls-key.pem') };
  const kept = readKept(files);
  if (kept !== null) return checked(kept, `${files.cert} and ${files.key}`);
  const made = selfSignedCertificate({ hosts: hostsOf(settings.host), wallMs, days: validDays });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(files.key, made.key, { mode: 0o600 });
  writeFileSync(files.cert, made.cert, { mode: 0o644 });
  return made;
}

/** The names that a certificate gives the server, without addresses and wildcards. */
export function namesOf({ cert }: Pick<Certificate, 'cert'>): string[] {
  const { subjectAltName = '' } = new X509Certificate(cert);
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([a-z0-9.-]+)/gi)].map(([, name]) => (name as string).toLowerCase());
}

function readKept(files: Certificate): Certificate | null {
  try {
    return { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') };
  } catch {
    return null;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PlatformError('invalid_request', `cannot read the TLS file ${file}: ${messageOf(cause)}`, { cause });
  }
}

function checked(certificate: Certificate, where: string): Certificate {
  try {
    createSecureContext(certificate);
    return certificate;
  } catch (cause) {
    throw new PlatformError('invalid_request', `${where} are no certificate and key in PEM that fit together: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Every name and address under which clients may reach the host; all of the machine's where it listens on any. */
function hostsOf(host: string): string[] {
  const local = ['localhost', '127.0.0.1', '::1'];
  if (host !== '0.0.0.0' && host !== '::') return [...new Set([host, ...local])];
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address));
  return [...new Set([...local, ...addresses.filter((address) => !address.includes('%'))])];
}
