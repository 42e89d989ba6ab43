/**
 * Which hosts fetch which objects from which others. The home names hosts that have an object, and hosts that are ahead in fetching it, and tells
 * each of these that the one who asked may read it. So of hosts that start one model at once, the first reads it from the home, and the others
 * from one another, as a tree that fills from its root.
 */
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { addressParts } from '../links/index.ts';
import { choosePeers } from './choose-peers.ts';
import type { ObjectPeer } from './link/peer-messages.ts';
import { RangeDigests } from './range-digests.ts';

/** Agents ask again every 15 s while they fetch, which renews this. */
export const grantMs = 120_000;
/** A host that has not asked for this long fetches no more. */
const fetchMsMax = 60_000;
/** Objects and hosts that fetch them: more are not followed, and those are fetched from the home. */
const fetchesMax = 20_000;
/** A host is reported once for each object, until the home changes. */
const reportsMax = 1000;

/** A host as it is seen by others. */
export interface AskingHost {
  readonly name: string;
  readonly zone: string;
  /** Where its agent connects from, `HOST:PORT`. */
  readonly address: string | null;
  /** Null: it serves no other hosts now. */
  readonly servePort: number | null;
  /** Whether it has reported all of the object. */
  readonly has: (sha256: string) => boolean;
  /** Rejects if it cannot be told. */
  readonly grant: (host: string, sha256: string, forMs: number) => Promise<void>;
}

export interface ObjectPeersDeps {
  readonly clock: Clock;
  readonly hosts: () => readonly AskingHost[];
  readonly onWrongBytes: (host: string, sha256: string, toHost: string) => void;
}

interface ObjectFetch {
  readonly host: string;
  readonly sha256: string;
  /** Hosts read only from those that began before: never in a circle. */
  readonly order: number;
  askedAtMs: number;
  /** As in `PeerCandidate`. */
  depth: number;
  /** The hosts that it was named in the last answer. */
  from: readonly string[];
}

export class ObjectPeers {
  readonly #deps: ObjectPeersDeps;
  readonly #digests = new RangeDigests();
  /** By host and object. */
  readonly #fetches = new Map<string, ObjectFetch>();
  readonly #reported = new Set<string>();
  #order = 0;

  constructor(deps: ObjectPeersDeps) {
    this.#deps = deps;
  }

  /** SHA-256 of the ranges from `start` on, at most 64. */
  digests(sha256: string, path: string, start: number): Promise<readonly string[]> {
    return this.#digests.of(sha256, path, start);
  }

  /** Resolves with hosts that have been told to serve the object to `asker`, which is allowed to read it. None: from the home. */
  async find(asker: AskingHost, sha256: string, without: readonly string[]): Promise<readonly ObjectPeer[]> {
    const fetch = this.#asked(asker.name, sha256);
    if (fetch === null) return [];
    const chosen = choosePeers(asker.zone, this.#candidates(asker, fetch, new Set(without)));
    fetch.from = chosen.map(({ name }) => name);
    fetch.depth = 1 + Math.max(0, ...chosen.map(({ depth }) => depth));
    const granted = await Promise.allSettled(chosen.map(({ grant }) => grant(asker.name, sha256, grantMs)));
    return chosen.flatMap(({ name, peerAddress }, index) =>
      granted[index]?.status === 'fulfilled' ? [{ host: name, address: peerAddress }] : [],
    );
  }

  /** The host has these objects, so it fetches them no more. */
  fetched(host: string, copies: ReadonlySet<string>): void {
    for (const [key, fetch] of this.#fetches) if (fetch.host === host && copies.has(fetch.sha256)) this.#fetches.delete(key);
  }

  /** One host says so of another: it is reported, and believed by no one else. */
  sentWrongBytes(host: string, sha256: string, toHost: string): void {
    const key = `${host} ${sha256}`;
    const isSender = this.#fetches.get(keyOf(toHost, sha256))?.from.includes(host) === true;
    if (!isSender || this.#reported.has(key) || this.#reported.size >= reportsMax) return;
    this.#reported.add(key);
    this.#deps.onWrongBytes(host, sha256, toHost);
  }

  #asked(host: string, sha256: string): ObjectFetch | null {
    const nowMs = this.#deps.clock.nowMs();
    for (const [key, { askedAtMs }] of this.#fetches) if (nowMs - askedAtMs > fetchMsMax) this.#fetches.delete(key);
    const key = keyOf(host, sha256);
    const known = this.#fetches.get(key);
    if (known !== undefined) {
      known.askedAtMs = nowMs;
      return known;
    }
    if (this.#fetches.size >= fetchesMax) return null;
    const fetch: ObjectFetch = { host, sha256, order: this.#order++, askedAtMs: nowMs, depth: 1, from: [] };
    this.#fetches.set(key, fetch);
    return fetch;
  }

  #candidates(asker: AskingHost, { sha256, order }: ObjectFetch, without: ReadonlySet<string>): readonly ChosenHost[] {
    const readers = new Map<string, number>();
    for (const { host, sha256: object, from } of this.#fetches.values()) {
      const isOwn = host === asker.name && object === sha256;
      if (!isOwn) for (const name of from) readers.set(name, (readers.get(name) ?? 0) + 1);
    }
    return this.#deps.hosts().flatMap((host) => {
      if (host.name === asker.name || without.has(host.name)) return [];
      const ahead = this.#fetches.get(keyOf(host.name, sha256));
      const depth = host.has(sha256) ? 0 : ahead !== undefined && ahead.order < order ? ahead.depth : null;
      const peerAddress = depth === null ? null : addressFor(host, asker);
      return depth === null || peerAddress === null ? [] : [{ ...host, peerAddress, depth, readers: readers.get(host.name) ?? 0 }];
    });
  }
}

interface ChosenHost extends AskingHost {
  readonly peerAddress: string;
  readonly depth: number;
  readonly readers: number;
}

function keyOf(host: string, sha256: string): string {
  return `${host} ${sha256}`;
}

/** A host names only its port, so it cannot make others connect elsewhere. Null if the asker cannot reach it. */
function addressFor({ address, servePort }: AskingHost, asker: AskingHost): string | null {
  const at = address === null ? null : addressParts(address);
  if (at === null || servePort === null) return null;
  const from = asker.address === null ? null : addressParts(asker.address);
  const isReachable = !isLoopback(at.host) || (from !== null && isLoopback(from.host));
  return isReachable ? `${at.host.includes(':') ? `[${at.host}]` : at.host}:${servePort}` : null;
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 ? host.startsWith('127.') : host.startsWith('::ffff:127.'));
}

/** `HOST:PORT` of the other side; null unless it is a connection of the network. */
export function socketAddress(socket: Duplex): string | null {
  const { remoteAddress, remotePort } = socket as Partial<Socket>;
  return remoteAddress === undefined ? null : `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
}
