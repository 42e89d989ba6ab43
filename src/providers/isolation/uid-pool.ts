/** User ids for workers: each is used by one worker at a time. */
import { PlatformError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import type { UidRange } from './settings.ts';

/** Ids are given in turn, so one that was released is used again as late as possible. */
export class UidPool {
  /** The group of every worker: files that workers can read belong to it. */
  readonly groupId: number;
  readonly #range: UidRange;
  readonly #used = new Set<number>();
  /** Starts at random, so two servers on one machine rarely use the same id. */
  #next: number;

  constructor(range: UidRange, random: Random) {
    this.groupId = range.first;
    this.#range = range;
    this.#next = range.first + 1 + Math.floor(random.next() * (range.last - range.first));
  }

  has(uid: number): boolean {
    return uid >= this.#range.first && uid <= this.#range.last;
  }

  /** Throws `unavailable` if all are in use. */
  take(): number {
    const { first, last } = this.#range;
    for (let tries = first; tries < last; tries++) {
      const uid = this.#next;
      this.#next = uid === last ? first + 1 : uid + 1;
      if (this.#used.has(uid)) continue;
      this.#used.add(uid);
      return uid;
    }
    throw new PlatformError('unavailable', `all ${last - first} user ids of isolation.uids are in use. Widen the range in config.json`);
  }

  /** Marks an id as used: a task that an earlier server started runs under it. */
  reserve(uid: number): void {
    if (this.has(uid)) this.#used.add(uid);
  }

  /** Call it only once no process runs under the id. */
  release(uid: number): void {
    this.#used.delete(uid);
  }
}
