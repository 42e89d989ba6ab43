/**
 * Sends objects to other hosts: what the home has granted them, and nothing else. It is bounded, so that the workers of this host stay as fast
 * as they are: a few ranges at once for all hosts together.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { addressParts, defaultLinkLimits, type LinkIdentity, LinkPort } from '../../links/index.ts';
import type { Log } from '../../logs/index.ts';
import { ConcurrencyLimiter } from '../../providers/index.ts';
import { malformedFrame } from '../../runtime/index.ts';
import { HostChannel } from '../link/host-channel.ts';
import { hostKinds } from '../link/host-frames.ts';
import { type ObjectRange, RangeAnswers, type ReadRange, readFileRange } from '../link/object-ranges.ts';
import type { ObjectFile } from './partial-objects.ts';
import type { PeerGrants } from './peer-grants.ts';

/** Ranges that are read and sent at once, to all hosts together: of 1 MiB each. */
const sendingMax = 8;
/** Ranges that wait for that. A host whose range does not get a place reads it elsewhere. */
const queuedMax = 64;
/** Ranges that one host may have requested at once: twice what it does. */
const openMax = 32;
/** A requested range has some bytes; nothing else arrives in parts. */
const partialBytesMax = 64 * 1024;
/** A link without a request for this long ends; so does one that does not take a range for that long. */
const idleMs = 60_000;
const sendMsMax = 10_000;

const limits = { ...defaultLinkLimits, pendingMax: 64, pendingOfAddressMax: 16, linksMax: 128 };

export interface PeerServerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where it listens. Port 0: any free one. */
  readonly address: { readonly host: string; readonly port: number };
  readonly identity: LinkIdentity;
  readonly grants: PeerGrants;
  /** Resolves with a file that has the range at `start`. Rejects with `not_found` or `unavailable`. */
  readonly locate: (sha256: string, start: number) => Promise<ObjectFile>;
}

export class PeerServer {
  readonly #options: PeerServerOptions;
  readonly #port: LinkPort;
  readonly #sending = new ConcurrencyLimiter(sendingMax);
  /** One for each host: an agent opens the next when it has lost the one before. */
  readonly #channels = new Map<string, HostChannel>();
  #queued = 0;
  #sentBytes = 0;

  private constructor(options: PeerServerOptions) {
    const { clock, address, identity } = options;
    this.#options = options;
    this.#port = new LinkPort({ clock, ...address, identity, limits, option: '--serve', homeAddress: () => null });
    this.#port.serve('peer', ['host'], (socket, { name }) => this.#serve(socket, name));
    this.#port.becomeHome(); // of this kind of link: any other is refused
  }

  /** Resolves with the server and the port on which it listens. Rejects with `unavailable` if that cannot be bound. */
  static async open(options: PeerServerOptions): Promise<{ readonly server: PeerServer; readonly port: number }> {
    const server = new PeerServer(options);
    const bound = addressParts(await server.#port.listen());
    if (bound === null) throw new PlatformError('unavailable', '--serve: the machine has a name that is no address');
    return { server, port: bound.port };
  }

  /** For other hosts, since the start. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  setIdentity(identity: LinkIdentity): void {
    this.#port.setIdentity(identity);
  }

  async close(): Promise<void> {
    for (const channel of this.#channels.values()) channel.end('the agent stops');
    await this.#port.close();
  }

  #serve(socket: Duplex, host: string): void {
    const { clock, log } = this.#options;
    this.#channels.get(host)?.end('the host has opened another link');
    let cancelIdle = (): void => undefined;
    const used = (): void => {
      cancelIdle();
      cancelIdle = clock.after(idleMs, () => channel.end('it requested nothing for a while'));
    };
    const channel: HostChannel = new HostChannel(socket, {
      clock,
      partialBytesMax,
      onFrame: (frame) => {
        if (frame.kind !== hostKinds.fetch) throw malformedFrame(`a host expects no frame of kind ${frame.kind} from another one`);
        used();
        ranges.take(frame);
      },
      onEnd: (why) => {
        cancelIdle();
        ranges.end();
        if (this.#channels.get(host) === channel) this.#channels.delete(host);
        log.debug({ host, reason: why }, 'the link of another host has ended');
      },
    });
    const ranges = new RangeAnswers({ channel, openMax, read: (sha256, start) => this.#read(host, sha256, start, channel) });
    this.#channels.set(host, channel);
    used();
  }

  async #read(host: string, sha256: string, start: number, channel: HostChannel): Promise<ReadRange> {
    const { clock, grants, locate } = this.#options;
    if (!grants.allows(host, sha256)) throw new PlatformError('forbidden', `the home has not granted host ${host} the object ${sha256}`);
    const before = await locate(sha256, start); // takes no place: the range may have to arrive here first
    const leave = await this.#place();
    try {
      // Complete meanwhile: the file has another name.
      const read = (file: ObjectFile): Promise<ObjectRange> => readObjectRange(file, start);
      const range = await read(before).catch(async () => read(await locate(sha256, start)));
      this.#sentBytes += range.bytes.length;
      const cancel = clock.after(sendMsMax, () => channel.end(`it did not take a range for ${sendMsMax / 1000} s`));
      return { ...range, release: () => (cancel(), leave()) };
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #place(): Promise<() => void> {
    if (this.#queued >= queuedMax)
      throw new PlatformError('overloaded', `${queuedMax} ranges wait to be sent to other hosts`, { retryAfterMs: 1000 });
    this.#queued++;
    try {
      return await this.#sending.enter();
    } finally {
      this.#queued--;
    }
  }
}

async function readObjectRange({ path, size }: ObjectFile, start: number): Promise<ObjectRange> {
  const range = await readFileRange(path, start);
  return { ...range, size: size ?? range.size };
}
