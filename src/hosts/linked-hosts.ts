/** The hosts of a home: takes the links of their agents, and knows which of them an earlier home had. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PlatformError } from '../errors.ts';
import { readAbilities, readAccelerators } from './link/abilities.ts';
import { cutText, numberOf } from './link/reports.ts';
import { ObjectPeers } from './object-peers.ts';
import { type DescribedHost, RemoteHost, type RemoteHostDeps } from './remote-host.ts';

/** What an agent says of itself when it opens its link. */
export interface HostIntroduction extends DescribedHost {
  /** Random, of the data directory of the agent: two machines of one name differ in it. */
  readonly instance: string;
}

export interface LinkedHostsDeps extends Omit<RemoteHostDeps, 'onLinked' | 'peers'> {
  /** A host has sent bytes to another one that are not those of the object. */
  readonly onWrongBytes: (host: string, sha256: string, toHost: string) => void;
  readonly onLinked: (host: RemoteHost) => void;
  /** Names of the hosts that were linked to the home before this one. */
  readonly expected: readonly string[];
  /** How long workers wait for these hosts before they are placed without them. */
  readonly expectedMs: number;
}

/** No more hosts are linked at a time. */
const hostsMax = 2000;

export class LinkedHosts {
  readonly #deps: LinkedHostsDeps;
  readonly #hosts = new Map<string, RemoteHost>();
  readonly #instances = new Map<string, string>();
  readonly #expected: Set<string>;
  #isSettled = false;
  readonly #peers: ObjectPeers;
  /** Resolves with the next link, or when the time of the expected hosts is over. */
  #next = Promise.withResolvers<void>();
  readonly #cancelExpected: () => void;

  constructor(deps: LinkedHostsDeps) {
    this.#deps = deps;
    const { clock, onWrongBytes } = deps;
    this.#peers = new ObjectPeers({ clock, hosts: () => this.hosts.map((host) => host.asPeer), onWrongBytes });
    this.#expected = new Set(deps.expected);
    this.#cancelExpected = deps.clock.after(this.#expected.size === 0 ? 0 : deps.expectedMs, () => this.#settle());
    if (this.#expected.size === 0) this.#settle();
  }

  /** Whether the hosts of the earlier home are linked, or their time is over: until then their workers may be adopted. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Resolves when another host is linked, or when `isSettled` becomes true. */
  get next(): Promise<void> {
    return this.#next.promise;
  }

  get hosts(): readonly RemoteHost[] {
    return [...this.#hosts.values()];
  }

  host(name: string): RemoteHost | undefined {
    return this.#hosts.get(name);
  }

  /** Whether the link may be opened. Throws `already_exists` if another machine has the name, and `invalid_request`, `overloaded`. */
  admit(name: string, introduction: Readonly<Record<string, unknown>>): void {
    const { instance } = introductionOf(introduction);
    const host = this.#hosts.get(name);
    if (host?.hasLink === true && this.#instances.get(name) !== instance) {
      throw new PlatformError('already_exists', `another machine is linked as host ${name}: start this one with another --name`);
    }
    if (host === undefined && this.#hosts.size >= hostsMax) throw new PlatformError('overloaded', `${hostsMax} hosts are linked already`);
  }

  /** Takes an admitted link. */
  serve(socket: Duplex | Socket, name: string, introduction: Readonly<Record<string, unknown>>): void {
    const { instance, ...described } = introductionOf(introduction);
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new RemoteHost(name, described, {
        ...this.#deps,
        peers: this.#peers,
        onLinked: (linked) => {
          this.#deps.onLinked(linked);
          this.#expected.delete(linked.name);
          if (this.#expected.size === 0) this.#settle();
          this.#wake();
        },
      });
      this.#hosts.set(name, host);
    }
    this.#instances.set(name, instance);
    host.attach(socket, described);
  }

  /** Nothing is placed on it, and it is not expected back. */
  remove(name: string): void {
    this.#hosts.get(name)?.close('the host was removed');
    this.#hosts.delete(name);
    this.#instances.delete(name);
  }

  /** Ends the links. The agents keep their workers for the next home. */
  close(): void {
    this.#cancelExpected();
    this.#settle();
    for (const host of this.#hosts.values()) host.close('the home stops');
  }

  #wake(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  #settle(): void {
    this.#cancelExpected?.();
    if (this.#expected.size > 0) this.#deps.log.warn({ hosts: [...this.#expected] }, 'hosts of the earlier home are not linked');
    this.#expected.clear();
    this.#isSettled = true;
    this.#wake();
  }
}

/** Throws `invalid_request`, as `fieldsOf` would end a link. */
function introductionOf(introduction: Readonly<Record<string, unknown>>): HostIntroduction {
  const { zone, cpuMilli, memoryMiB, instance, version, abilities, accelerators, servePort } = introduction;
  try {
    return {
      capacity: {
        zone: cutText(zone, 64),
        cpuMilli: numberOf(cpuMilli, 1e9),
        memoryMiB: numberOf(memoryMiB, 1e9),
        version: cutText(version, 64),
        accelerators: readAccelerators(accelerators),
      },
      abilities: readAbilities(abilities),
      servePort: servePort === undefined ? null : numberOf(servePort, 65_535),
      instance: cutText(instance, 64),
    };
  } catch (cause) {
    throw new PlatformError(
      'invalid_request',
      'the introduction of a host needs its zone, cpuMilli, memoryMiB, instance, version and abilities, and accelerators as numbers by type',
      {
        cause,
      },
    );
  }
}
