/** What home and agents say to each other about objects that hosts read from one another. Checked like any input from outside. Pure. */
import { addressParts, peerName } from '../../links/index.ts';
import { type Frame, malformedFrame } from '../../runtime/index.ts';
import { cutText, fieldsOf, listOf, numberOf } from './reports.ts';

/** Of an object, in one answer: of 64 MiB. */
export const digestsMax = 64;
/** Hosts in one answer. */
export const peersMax = 4;
/** Hosts that an agent does not want to be named again for an object. */
const withoutMax = 64;
/** Objects that an agent says it can send. */
export const copiesMax = 1000;
/** The longest grant: 10 minutes. */
const grantMsMax = 600_000;

/** A host that has an object, and where it serves other hosts. */
export interface ObjectPeer {
  readonly host: string;
  /** `HOST:PORT` */
  readonly address: string;
}

/** The host may read the object for this time. */
export interface PeerGrant {
  readonly host: string;
  readonly sha256: string;
  readonly forMs: number;
}

/** What the home does for hosts that read from one another. Rejects as requests of an agent do. */
export interface HomePeers {
  /** Hosts that have the object, or are ahead in fetching it, and have been told that this one may read it. */
  find(sha256: string, without: readonly string[]): Promise<readonly ObjectPeer[]>;
  /** SHA-256 of the ranges from `start` on, a limited number of them. */
  digests(sha256: string, start: number): Promise<readonly string[]>;
  /** The host has sent bytes that are not those of the object. */
  sentWrongBytes(host: string, sha256: string): void;
  /** The objects that this host can send. */
  hasCopies(copies: readonly string[]): void;
}

/** A request about an object. */
export type ObjectQuery =
  | { readonly method: 'peers'; readonly sha256: string; readonly without: readonly string[] }
  | { readonly method: 'digests'; readonly sha256: string; readonly start: number };

/** Throws if it is not the SHA-256 of an object. */
export function readObjectSha256(value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) throw malformedFrame('an object has no SHA-256');
  return value;
}

function hostOf(value: unknown): string {
  if (typeof value !== 'string' || !peerName.test(value)) throw malformedFrame('a host has no name');
  return value;
}

/** Throws if it is malformed, as all of these. */
export function readObjectQuery(message: unknown): ObjectQuery {
  const { method, sha256, without, start } = fieldsOf(message);
  if (method === 'peers') return { method, sha256: readObjectSha256(sha256), without: listOf(without, withoutMax).map(hostOf) };
  if (method === 'digests') return { method, sha256: readObjectSha256(sha256), start: numberOf(start) };
  throw malformedFrame('a request about an object has an unknown method');
}

export function readPeers({ message }: Frame): readonly ObjectPeer[] {
  return listOf(fieldsOf(message)['peers'], peersMax).map((each) => {
    const { host, address } = fieldsOf(each);
    const text = cutText(address, 300);
    if (addressParts(text) === null) throw malformedFrame('the address of a host is not HOST:PORT');
    return { host: hostOf(host), address: text };
  });
}

export function readDigests({ message }: Frame): readonly string[] {
  return listOf(fieldsOf(message)['digests'], digestsMax).map(readObjectSha256);
}

export function readGrant({ host, sha256, forMs }: Readonly<Record<string, unknown>>): PeerGrant {
  return { host: hostOf(host), sha256: readObjectSha256(sha256), forMs: numberOf(forMs, grantMsMax) };
}

export function readCopies(message: unknown): ReadonlySet<string> {
  return new Set(listOf(fieldsOf(message)['copies'], copiesMax).map(readObjectSha256));
}

export function readWrongBytes(message: unknown): { readonly host: string; readonly sha256: string } {
  const { host, sha256 } = fieldsOf(message);
  return { host: hostOf(host), sha256: readObjectSha256(sha256) };
}
