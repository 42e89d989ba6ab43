/**
 * Creates a self-signed certificate (X.509 v3, ECDSA P-256), so that `--tls self-signed` needs no other program. Clients
 * must add it as a trusted authority.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate with its key. */
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

/** The subset of ASN.1 DER needed for a certificate. Each function returns one encoded value. */

/** A value with its tag and length. Several contents are concatenated. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

const derSequence = (...items: readonly Uint8Array[]): Buffer => der(0x30, ...items);
const derSet = (...items: readonly Uint8Array[]): Buffer => der(0x31, ...items);
const derOctets = (bytes: Uint8Array): Buffer => der(0x04, bytes);
const derBits = (bytes: Uint8Array, unused = 0): Buffer => der(0x03, Buffer.from([unused]), bytes);
const derBoolean = (value: boolean): Buffer => der(0x01, Buffer.from([value ? 0xff : 0]));
const derText = (value: string): Buffer => der(0x0c, Buffer.from(value, 'utf8'));
/** Explicit context tag, used for optional fields. */
const derTagged = (number: number, ...items: readonly Uint8Array[]): Buffer => der(0xa0 | number, ...items);
/** Implicit context tag, for primitive values. */
const derImplicit = (number: number, bytes: Uint8Array): Buffer => der(0x80 | number, bytes);

/** A non-negative integer from big-endian bytes. */
function derInteger(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  // A leading 1 bit would make it negative.
  return ((digits[0] ?? 0) & 0x80) === 0 ? der(0x02, digits) : der(0x02, Buffer.from([0]), digits);
}

/** `2.5.29.17` */
function derObjectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let remaining = part >>> 7; remaining > 0; remaining >>>= 7) groups.unshift((remaining & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

/** UTCTime, or GeneralizedTime from 2050 on, as required by RFC 5280. */
function derTime(epochMs: number): Buffer {
  const digits = new Date(epochMs).toISOString().replace(/\.\d+|[-:T]/g, '');
  const isShort = Number(digits.slice(0, 4)) < 2050;
  return isShort ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}
