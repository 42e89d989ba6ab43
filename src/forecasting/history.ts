/** The last days of counts, as their square roots: what the forecasters of this room work with, for a count's noise grows as its root. */
import { packCounts, unpackCounts, unpackInteger, unpackObject } from './packing.ts';

/** A value so many slots old still stands in for one that is missing. */
const standInSlots = 5;
/** A longer gap makes what was learnt about the last hour worthless. */
const longGapSlots = 10;
/** After so many observations it is of worth again. */
const freshAfter = 3;

export class History {
  readonly #roots: Float64Array;
  #firstSlot = -1;
  #slot = -1;
  #lastSeenSlot = -1;
  #lastRoot = Number.NaN;
  #seenSinceGap = freshAfter;

  /** Remembers so many slots. */
  constructor(capacity: number) {
    this.#roots = new Float64Array(capacity).fill(Number.NaN);
  }

  /** The latest slot; -1 before the first. */
  get slot(): number {
    return this.#slot;
  }

  /** Slots from the first to the given one: 0 at the first. */
  age(slot: number): number {
    return slot - this.#firstSlot;
  }

  /** The root of the last count there was, however old; NaN before the first. */
  get lastRoot(): number {
    return this.#lastRoot;
  }

  /** Whether the last counts say nothing about the next: within a gap of more than 10 slots, and until 3 observations after it. */
  get isStale(): boolean {
    return this.#slot - this.#lastSeenSlot > longGapSlots || this.#seenSinceGap < freshAfter;
  }

  /** √count of a slot; NaN where nobody counted, or where it is not remembered. */
  rootAt(slot: number): number {
    if (slot > this.#slot || slot < this.#firstSlot || slot <= this.#slot - this.#roots.length) return Number.NaN;
    return this.#roots[slot % this.#roots.length] as number;
  }

  /** √count of a slot, or of the latest of the five before it where that is missing. */
  recentRootAt(slot: number): number {
    for (let age = 0; age <= standInSlots; age++) {
      const root = this.rootAt(slot - age);
      if (!Number.isNaN(root)) return root;
    }
    return Number.NaN;
  }

  /** Goes on to a later slot. What lies between is missing, and so is the slot itself if `root` is NaN. */
  add(slot: number, root: number): void {
    if (this.#firstSlot < 0) this.#firstSlot = slot;
    const { length } = this.#roots;
    for (let missing = Math.max(this.#slot + 1, slot - length + 1); missing < slot; missing++) this.#roots[missing % length] = Number.NaN;
    this.#roots[slot % length] = root;
    this.#slot = slot;
    if (Number.isNaN(root)) return;
    const isAfterLongGap = this.#lastSeenSlot >= 0 && slot - this.#lastSeenSlot - 1 > longGapSlots;
    this.#seenSinceGap = isAfterLongGap ? 1 : Math.min(this.#seenSinceGap + 1, freshAfter);
    this.#lastSeenSlot = slot;
    this.#lastRoot = root;
  }

  snapshot(): Readonly<Record<string, unknown>> {
    const kept = this.#slot < 0 ? 0 : Math.min(this.#slot - this.#firstSlot + 1, this.#roots.length);
    const counts = new Float64Array(kept);
    for (let i = 0; i < kept; i++) counts[i] = countOf(this.rootAt(this.#slot - kept + 1 + i));
    const [firstSlot, slot, lastSeenSlot, seenSinceGap] = [this.#firstSlot, this.#slot, this.#lastSeenSlot, this.#seenSinceGap];
    return { firstSlot, slot, lastSeenSlot, seenSinceGap, lastCount: countOf(this.#lastRoot) || 0, counts: packCounts(counts) };
  }

  /** The history of a snapshot. Throws `invalid_request`. */
  static restored(capacity: number, given: unknown): History {
    const state = unpackObject(given);
    const history = new History(capacity);
    history.#firstSlot = unpackInteger(state['firstSlot'], -1);
    history.#slot = unpackInteger(state['slot'], history.#firstSlot);
    history.#lastSeenSlot = unpackInteger(state['lastSeenSlot'], -1);
    history.#seenSinceGap = unpackInteger(state['seenSinceGap'], 0);
    if (history.#lastSeenSlot >= 0) history.#lastRoot = Math.sqrt(unpackInteger(state['lastCount'], 0));
    const kept = history.#firstSlot < 0 ? 0 : Math.min(history.#slot - history.#firstSlot + 1, capacity);
    for (const [i, count] of unpackCounts(state['counts'], kept).entries()) {
      history.#roots[(history.#slot - kept + 1 + i) % capacity] = Math.sqrt(count);
    }
    return history;
  }
}

/** Exact for the counts that are allowed: the square of the nearest double of √n is n up to 1 part in 10^15. */
function countOf(root: number): number {
  return Math.round(root * root);
}
