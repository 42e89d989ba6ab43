/** Connections of a gateway process to the home if that is another node. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { HomeDialer } from '../links/index.ts';
import { SystemRandom } from '../random.ts';
import type { HomeDial, OtherHome } from './home-target.ts';

/** Clients wait for the answer of a node that is about to be the home. */
const pauseMsMax = 100;

export class OtherHomes {
  readonly #dialer: HomeDialer;
  /** Those of the dialer that are known. */
  #delays = 0;

  constructor(clock: Clock) {
    this.#dialer = new HomeDialer({ clock, random: new SystemRandom(), pauseMsMax });
  }

  /** Resolves with a paused connection. Rejects when aborted. */
  dial({ address, detours, identity }: OtherHome, { kind, ...fields }: HomeDial, signal: AbortSignal): Promise<Socket> {
    this.#dialer.setAddresses([address]);
    this.#dialer.setDetours(detours);
    this.#dialer.setIdentity(identity);
    return this.#dialer.dial(kind, fields, signal);
  }

  /** Whether a node has answered that it is about to serve, since this was last asked. */
  isAboutToServe(): boolean {
    const { delays } = this.#dialer;
    const isNew = delays !== this.#delays;
    this.#delays = delays;
    return isNew;
  }

  /** Whether the last connection goes over a node that passes it on. */
  get isDetour(): boolean {
    return this.#dialer.detour !== null;
  }

  /** Resolves with whether the home answers without a detour. If so, later connections need none. */
  triesDirect(signal: AbortSignal): Promise<boolean> {
    return this.#dialer.triesDirect(signal);
  }
}
