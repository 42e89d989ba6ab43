/** The last days of counts, as square roots. The noise of a count grows with its square root, so on roots it is constant. */
import { packCounts, unpackCounts, unpackInteger, unpackObject } from './packing.ts';

/** Maximum age in slots of a count that replaces a missing one. */
const standInSlots = 5;
/** A longer gap makes recent counts unusable for forecasts. */
const longGapSlots = 10;
/** Number of observations after such a gap until they are usable again. */
const freshAfter = 3;

/** A ring buffer. Gaps are NaN, so that nothing is computed from them by mistake. */
export class History {
  readonly #roots: Float64Array;
  #firstSlot = -1;
  #slot = -1;
  #lastObservedSlot = -1;
  #lastRoot = Number.NaN;
  #observedSinceGap = freshAfter;

  /** `capacity`: number of stored slots. */
  constructor(capacity: number) {
    this.#roots = new Float64Array(capacity).fill(Number.NaN);
  }

  /** Number of the latest slot; -1 before the first. */
  get slot(): number {
    return this.#slot;
  }

  /** Slots from the first observed slot to this one; 0 for the first. */
  age(slot: number): number {
    return slot - this.#firstSlot;
  }

  /** √count of the last known count, however old; NaN before the first. */
  get lastRoot(): number {
    return this.#lastRoot;
  }

  /** True if recent counts do not predict the next: during a gap of more than 10 slots, and until 3 observations after it. */
  get isStale(): boolean {
    return this.#slot - this.#lastObservedSlot > longGapSlots || this.#observedSinceGap < freshAfter;
  }

  /** √count of a slot; NaN if it is unknown or no longer stored. */
  rootAt(slot: number): number {
    if (slot > this.#slot || slot < this.#firstSlot || slot <= this.#slot - this.#roots.length) return Number.NaN;
    return this.#roots[slot % this.#roots.length] as number;
  }

  /** √count of a slot, or of the latest known slot of the five before it. */
  recentRootAt(slot: number): number {
    for (let age = 0; age <= standInSlots; age++) {
      const root = this.rootAt(slot - age);
      if (!Number.isNaN(root)) return root;
    }
    return Number.NaN;
  }

  /** Advances to a later slot with √count `root`. Skipped slots are missing; so is this slot if `root` is NaN. */
  add(slot: number, root: number): void {
    if (this.#firstSlot < 0) this.#firstSlot = slot;
    const { length } = this.#roots;
    for (let missing = Math.max(this.#slot + 1, slot - length + 1); missing < slot; missing++) this.#roots[missing % length] = Number.NaN;
    this.#roots[slot % length] = root;
    this.#slot = slot;
    if (Number.isNaN(root)) return;
    const isAfterLongGap = this.#lastObservedSlot >= 0 && slot - this.#lastObservedSlot - 1 > longGapSlots;
    this.#observedSinceGap = isAfterLongGap ? 1 : Math.min(this.#observedSinceGap + 1, freshAfter);
    this.#lastObservedSlot = slot;
    this.#lastRoot = root;
  }

  snapshot(): Readonly<Record<string, unknown>> {
    const retained = this.#slot < 0 ? 0 : Math.min(this.#slot - this.#firstSlot + 1, this.#roots.length);
    const counts = new Float64Array(retained);
    for (let i = 0; i < retained; i++) counts[i] = countOf(this.rootAt(this.#slot - retained + 1 + i));
    const [firstSlot, slot, lastSeenSlot, seenSinceGap] = [this.#firstSlot, this.#slot, this.#lastObservedSlot, this.#observedSinceGap];
    return { firstSlot, slot, lastSeenSlot, seenSinceGap, lastCount: countOf(this.#lastRoot) || 0, counts: packCounts(counts) };
  }

  /** Restores the history from a snapshot. Throws `invalid_request`. */
  static restored(capacity: number, provided: unknown): History {
    const state = unpackObject(provided);
    const history = new History(capacity);
    history.#firstSlot = unpackInteger(state['firstSlot'], -1);
    history.#slot = unpackInteger(state['slot'], history.#firstSlot);
    history.#lastObservedSlot = unpackInteger(state['lastSeenSlot'], -1);
    history.#observedSinceGap = unpackInteger(state['seenSinceGap'], 0);
    if (history.#lastObservedSlot >= 0) history.#lastRoot = Math.sqrt(unpackInteger(state['lastCount'], 0));
    const retained = history.#firstSlot < 0 ? 0 : Math.min(history.#slot - history.#firstSlot + 1, capacity);
    for (const [i, count] of unpackCounts(state['counts'], retained).entries()) {
      history.#roots[(history.#slot - retained + 1 + i) % capacity] = Math.sqrt(count);
    }
    return history;
  }
}

/** Exact for all allowed counts: squaring the nearest double of √n errs by at most 1 part in 10^15, so rounding gives n. */
function countOf(root: number): number {
  return Math.round(root * root);
}
