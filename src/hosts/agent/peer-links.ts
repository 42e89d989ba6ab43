/** Links to hosts that this one reads objects from: opened when needed, ended when idle. */
import type { Clock } from '../../clock.ts';
import { dialHost, type LinkIdentity } from '../../links/index.ts';
import { malformedFrame, WorkerLost } from '../../runtime/index.ts';
import { HostChannel } from '../link/host-channel.ts';
import { hostKinds } from '../link/host-frames.ts';
import type { ObjectRange } from '../link/object-ranges.ts';
import { OpenRequests } from '../link/open-requests.ts';
import type { ObjectPeer } from '../link/peer-messages.ts';

const dialMsMax = 2000;
const idleMs = 30_000;
/** Ranges have 1 MiB: those that are open at once fit. */
const partialBytesMax = 64 * 1024 * 1024;
/** Ranges that are requested from one host at once. Fewer than it accepts. */
const openMax = 16;

export interface PeerLinksDeps {
  readonly clock: Clock;
  readonly identity: () => LinkIdentity;
}

export class PeerLinks {
  readonly #deps: PeerLinksDeps;
  readonly #links = new Map<string, Promise<PeerLink>>();
  readonly #closing = new AbortController();

  constructor(deps: PeerLinksDeps) {
    this.#deps = deps;
  }

  /** Rejects with the reason of the host, with `unavailable` if it cannot be reached, and with `WorkerLost` if the link ends. */
  async range({ host, address }: ObjectPeer, sha256: string, start: number): Promise<ObjectRange> {
    const key = `${host} ${address}`;
    let opening = this.#links.get(key);
    if (opening === undefined) {
      const opened = this.#open(key, host, address);
      opened.catch(() => this.#forget(key, opened));
      this.#links.set(key, opened);
      opening = opened;
    }
    return (await opening).range(sha256, start);
  }

  close(): void {
    this.#closing.abort();
    for (const link of this.#links.values()) void link.then((open) => open.close('the agent stops')).catch(() => undefined);
  }

  #forget(key: string, link: Promise<PeerLink>): void {
    if (this.#links.get(key) === link) this.#links.delete(key);
  }

  async #open(key: string, host: string, address: string): Promise<PeerLink> {
    const { clock, identity } = this.#deps;
    const socket = await dialHost({ clock, host, address, identity: identity(), limitMs: dialMsMax, signal: this.#closing.signal });
    return new PeerLink(clock, socket, () => this.#links.delete(key));
  }
}

class PeerLink {
  readonly #clock: Clock;
  readonly #channel: HostChannel;
  readonly #requests: OpenRequests;
  #cancelIdle: () => void = () => undefined;

  constructor(clock: Clock, socket: ConstructorParameters<typeof HostChannel>[0], onEnd: () => void) {
    this.#clock = clock;
    this.#channel = new HostChannel(socket, {
      clock,
      partialBytesMax,
      onFrame: (frame) => {
        if (frame.kind !== hostKinds.fetched && frame.kind !== hostKinds.notFetched)
          throw malformedFrame(`a host sends no frame of kind ${frame.kind} to another one`);
        this.#requests.take(frame);
      },
      onEnd: (why) => {
        this.#cancelIdle();
        this.#requests.end(why);
        onEnd();
      },
    });
    this.#requests = new OpenRequests((call, frame) => this.#channel.send(call, frame));
  }

  async range(sha256: string, start: number): Promise<ObjectRange> {
    if (this.#requests.size >= openMax) throw new WorkerLost(`${openMax} ranges are requested from it already`);
    this.#cancelIdle();
    try {
      return await this.#requests.range(sha256, start);
    } finally {
      this.#cancelIdle();
      if (this.#requests.size === 0) this.#cancelIdle = this.#clock.after(idleMs, () => this.close('it is not needed'));
    }
  }

  close(why: string): void {
    this.#channel.end(why);
  }
}
