/** Which hosts may read which objects of this one, and until when. The home grants it, for minutes; nothing else can be read. */
import type { Clock } from '../../clock.ts';
import type { PeerGrant } from '../link/peer-messages.ts';

/** More than a home gives. The one that ends first makes room. */
const grantsMax = 4096;

export class PeerGrants {
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** By host and object: the end of each, by the monotonic clock. In the order in which they were given. */
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#untilMs.size;
  }

  /** A repeated grant lasts from now on. */
  add({ host, sha256, forMs }: PeerGrant): void {
    const nowMs = this.#clock.nowMs();
    const key = `${host} ${sha256}`;
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + forMs);
    for (const [each, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size <= grantsMax) return;
      this.#untilMs.delete(each);
    }
  }

  allows(host: string, sha256: string): boolean {
    return (this.#untilMs.get(`${host} ${sha256}`) ?? 0) > this.#clock.nowMs();
  }
}
