/**
 * Creates a self-signed certificate (X.509 v3, ECDSA P-256), so that `--tls self-signed` needs no other program. Clients
 * must add it as a trusted authority.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import {
  derBits,
  derBoolean,
  derImplicit,
  derInteger,
  derObjectId,
  derOctets,
  derSequence,
  derSet,
  derTagged,
  derText,
  derTime,
} from './der.ts';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

const oid = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  subjectAltName: '2.5.29.17',
} as const;

const dayMs = 86_400_000;

/** `hosts` are the names and addresses that clients use; the first is the common name. */
export function selfSignedCertificate(options: {
  readonly hosts: readonly string[];
  readonly wallMs: number;
  readonly days: number;
}): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = derSequence(derObjectId(oid.ecdsaWithSha256));
  const name = derSequence(derSet(derSequence(derObjectId(oid.commonName), derText(options.hosts[0] ?? 'penstock'))));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = derSequence(
    derTagged(0, derInteger(Buffer.from([2]))),
    derInteger(serial),
    algorithm,
    name,
    // Valid from one hour ago, for clients with a slow clock.
    derSequence(derTime(options.wallMs - dayMs / 24), derTime(options.wallMs + options.days * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    derTagged(3, derSequence(...extensions(options.hosts))),
  );
  const certificate = derSequence(body, algorithm, derBits(sign('sha256', body, privateKey)));
  return { cert: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

function extensions(hosts: readonly string[]): Buffer[] {
  const isAuthority = derSequence(derBoolean(true));
  // digitalSignature and keyCertSign: the certificate is its own authority.
  const usage = derBits(Buffer.from([0b1000_0100]), 2);
  return [
    derSequence(derObjectId(oid.basicConstraints), derBoolean(true), derOctets(isAuthority)),
    derSequence(derObjectId(oid.keyUsage), derBoolean(true), derOctets(usage)),
    derSequence(derObjectId(oid.extendedKeyUsage), derOctets(derSequence(derObjectId(oid.serverAuth)))),
    derSequence(derObjectId(oid.subjectAltName), derOctets(derSequence(...hosts.map(alternativeName)))),
  ];
}

function alternativeName(host: string): Buffer {
  return isIP(host) === 0 ? derImplicit(2, Buffer.from(host, 'ascii')) : derImplicit(7, addressBytes(host));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const middle = new Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return Buffer.from([...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
