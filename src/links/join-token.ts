/**
 * The text of a join token: the addresses of nodes, what their certificate must be, and a secret. A host that has it needs no other setting
 * to join, and gives the secret to no process but a node of the cluster.
 */
import type { X509Certificate } from 'node:crypto';
import { PlatformError } from '../errors.ts';

/** What a token says. */
export interface JoinToken {
  readonly id: string;
  readonly secret: string;
  /** SHA-256 of the certificates of the authorities that the cluster trusts, hexadecimal. */
  readonly authorities: readonly string[];
  /** `HOST:PORT` */
  readonly nodes: readonly string[];
}

const prefix = 'penstock-join-';
const textLengthMax = 16_384;
const entriesMax = 64;

export function joinTokenText(token: JoinToken): string {
  return prefix + Buffer.from(JSON.stringify(token)).toString('base64url');
}

/** Throws `invalid_request`, without quoting the text: it contains a secret. */
export function parseJoinToken(text: string): JoinToken {
  const isPart = text.startsWith(prefix) || text.length > textLengthMax;
  const got = isPart ? `a part of one, or a changed one (${text.length} characters)` : 'another text';
  const advice = 'Copy the whole of what `penstock cluster token create` printed, or create another one';
  const invalid = new PlatformError('invalid_request', `expected a join token (${prefix}…), got ${got}. ${advice}`);
  if (!text.startsWith(prefix) || text.length > textLengthMax) throw invalid;
  let token: Partial<Record<keyof JoinToken, unknown>> | null;
  try {
    token = JSON.parse(Buffer.from(text.slice(prefix.length), 'base64url').toString('utf8')) as typeof token;
  } catch {
    throw invalid;
  }
  const { id, secret, authorities, nodes } = token ?? {};
  if (typeof id !== 'string' || typeof secret !== 'string' || !isList(authorities) || !isList(nodes)) throw invalid;
  return { id, secret, authorities, nodes };
}

/** SHA-256, hexadecimal: by it a token names an authority. */
export function authorityHash({ fingerprint256 }: Pick<X509Certificate, 'fingerprint256'>): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

function isList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.length <= entriesMax && value.every((each) => typeof each === 'string');
}
