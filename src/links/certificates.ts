/**
 * Makes the certificates of a cluster: X.509 v3, ECDSA P-256. The library is loaded with the first certificate, so a server without a
 * cluster never loads it.
 */
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { X509CertificateGenerator } from '@peculiar/x509';
import { messageOf, PlatformError } from '../errors.ts';
import { type LinkPeer, peerUri } from './link-peer.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** Clocks of two machines differ. */
const clockToleranceMs = 3_600_000;

/** A certificate with its private key, both PEM. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** By the global, so that it is the type of browsers where the console's types are checked. */
type ImportedKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;
type X509Library = typeof import('@peculiar/x509');
type CertificateExtensions = NonNullable<Parameters<typeof X509CertificateGenerator.createSelfSigned>[0]['extensions']>;

let library: Promise<X509Library> | undefined;

function loadLibrary(): Promise<X509Library> {
  library ??= (async () => {
    await import('reflect-metadata'); // the library's own loader requires it
    return import('@peculiar/x509');
  })();
  return library;
}

/** A private key that never leaves this machine, PEM. */
export function newPrivateKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SPKI, PEM. */
export function publicKeyOf(key: string): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

/** A new authority, which can issue certificates of peers and no other authorities. */
export async function createAuthority({ wallMs, validMs }: { readonly wallMs: number; readonly validMs: number }): Promise<CertifiedKey> {
  const x509 = await loadLibrary();
  const key = newPrivateKey();
  const keys = await keyPairOf(key);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    // Two authorities at a time have different names, by which TLS finds the issuer.
    name: `CN=Penstock cluster ${randomBytes(8).toString('hex')}`,
    serialNumber: newSerial(),
    ...validity(wallMs, validMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key };
}

/** What a certificate is issued for. */
export interface CertificateSubject {
  readonly peer: LinkPeer;
  /** SPKI, PEM. */
  readonly publicKey: string;
  readonly wallMs: number;
  readonly validMs: number;
}

/** A certificate of a peer, PEM. That of a host cannot serve links, also where only TLS looks at it. */
export async function issueCertificate(authority: CertifiedKey, { peer, publicKey, wallMs, validMs }: CertificateSubject): Promise<string> {
  const x509 = await loadLibrary();
  const issuer = new x509.X509Certificate(authority.cert);
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const extensions: CertificateExtensions = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(peer.role === 'node' ? [serverAuth, clientAuth] : [clientAuth]),
    new x509.SubjectAlternativeNameExtension([{ type: 'url', value: peerUri(peer) }]),
    await x509.AuthorityKeyIdentifierExtension.create(issuer),
  ];
  const cert = await x509.X509CertificateGenerator.create({
    subject: `CN=${peer.role} ${peer.name}`,
    issuer: issuer.subject,
    serialNumber: newSerial(),
    ...validity(wallMs, validMs),
    publicKey: new x509.PublicKey(createPublicKey(publicKey).export({ type: 'spki', format: 'der' })),
    signingKey: (await keyPairOf(authority.key)).privateKey,
    signingAlgorithm: algorithm,
    extensions,
  });
  return `${cert.toString('pem')}\n`;
}

/** A request for a certificate, PEM: it proves that its sender has the private key. */
export async function certificateRequest(key: string): Promise<string> {
  const x509 = await loadLibrary();
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ signingAlgorithm: algorithm, keys: await keyPairOf(key) });
  return `${request.toString('pem')}\n`;
}

/** The public key of a request, PEM. Throws `invalid_request` unless it is a key on P-256 whose private key signed the request. */
export async function requestedKey(request: string): Promise<string> {
  const x509 = await loadLibrary();
  try {
    const parsed = new x509.Pkcs10CertificateRequest(request);
    const key = createPublicKey({ key: Buffer.from(parsed.publicKey.rawData), type: 'spki', format: 'der' });
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('its key is not on P-256');
    if (!(await parsed.verify())) throw new Error('it is not signed with its own key');
    return key.export({ type: 'spki', format: 'pem' }).toString();
  } catch (cause) {
    throw new PlatformError('invalid_request', `expected a certificate request (PKCS #10, P-256): ${messageOf(cause)}`, { cause });
  }
}

/** Positive, 16 bytes, hexadecimal in capitals, as `X509Certificate.serialNumber` shows it. */
function newSerial(): string {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial.toString('hex').toUpperCase();
}

function validity(wallMs: number, validMs: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(wallMs - clockToleranceMs), notAfter: new Date(wallMs + validMs) };
}

async function keyPairOf(pem: string): Promise<{ privateKey: ImportedKey; publicKey: ImportedKey }> {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const { subtle } = crypto;
  const privateKey = await subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  return { privateKey, publicKey: await subtle.importKey('spki', spki, algorithm, true, ['verify']) };
}
