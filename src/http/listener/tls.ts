/** Loads the certificate of the listener: from files, or self-signed and stored for later starts. */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { messageOf, PlatformError } from '../../errors.ts';
import { type Certificate, selfSignedCertificate } from './self-signed.ts';

/** The part of the config that decides which certificate is used. */
export interface TlsSettings {
  readonly tls: 'off' | 'files' | 'self-signed';
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly host: string;
}

const validDays = 3650;

/**
 * The configured certificate; null if TLS is off. A self-signed one is stored in `directory` (`tls-cert.pem`,
 * `tls-key.pem`), so that clients that trust it still do after a restart.
 * Throws `invalid_request` if a file cannot be read or certificate and key do not match.
 */
export function loadCertificate(settings: TlsSettings, directory: string, wallMs: number): Certificate | null {
  if (settings.tls === 'off') return null;
  if (settings.tls === 'files') {
    if (settings.tlsCert === null || settings.tlsKey === null) {
      throw new PlatformError('invalid_request', 'TLS needs both --tls-cert FILE and --tls-key FILE (PEM)');
    }
    return checked({ cert: read(settings.tlsCert), key: read(settings.tlsKey) }, `${settings.tlsCert} and ${settings.tlsKey}`);
  }
  const files = { cert: join(directory, 'tls-cert.pem'), key: join(directory, 'tls-key.pem') };
  const retained = readStored(files);
  if (retained !== null) return checked(retained, `${files.cert} and ${files.key}`);
  const made = selfSignedCertificate({ hosts: hostsOf(settings.host), wallMs, days: validDays });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(files.key, made.key, { mode: 0o600 });
  writeFileSync(files.cert, made.cert, { mode: 0o644 });
  return made;
}

/** DNS names of a certificate, without addresses and wildcards. */
export function certificateNames({ cert }: Pick<Certificate, 'cert'>): string[] {
  const { subjectAltName = '' } = new X509Certificate(cert);
  return [...subjectAltName.matchAll(/(?:^|, )DNS:([a-z0-9.-]+)/gi)].map(([, name]) => (name as string).toLowerCase());
}

/** Whether the certificate is its own issuer. */
export function isSelfSigned({ cert }: Pick<Certificate, 'cert'>): boolean {
  const { issuer, subject } = new X509Certificate(cert);
  return issuer === subject;
}

function readStored(files: Certificate): Certificate | null {
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
    throw new PlatformError('invalid_request', `expected a matching certificate and key in PEM, got ${where}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** All names and addresses of the host; those of all interfaces if it listens on any address. */
function hostsOf(host: string): string[] {
  const local = ['localhost', '127.0.0.1', '::1'];
  if (host !== '0.0.0.0' && host !== '::') return [...new Set([host, ...local])];
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address));
  return [...new Set([...local, ...addresses.filter((address) => !address.includes('%'))])];
}
