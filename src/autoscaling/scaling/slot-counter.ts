/** Counts arrivals per slot of the wall clock, from a counter that only increases. */

/** The arrivals of one slot. */
export interface CountedSlot {
  readonly slot: number;
  /** null if the slot was not observed from beginning to end. */
  readonly count: number | null;
}

/** If the clock is set back by less than this, counting pauses until it has caught up, so no slot is counted twice. */
const setBackMsMost = 300_000;

/** If the poll at the beginning or end of a slot is later than this share of its length, the slot gets no count. */
const lateShare = 0.25;

/** A slot in which the server was not polled at the boundary has no count: a gap is not a zero. */
export class SlotCounter {
  readonly slotMs: number;
  #slot: number | null = null;
  /** Value of the counter at the beginning of the slot; null if it was not polled then. */
  #arrivedBefore: number | null = null;
  /** The slot reported last. */
  #reportedSlot: number | null = null;

  constructor(slotMs: number) {
    this.slotMs = slotMs;
  }

  /** End of the current slot, in epoch milliseconds. */
  nextMs(wallMs: number): number {
    return (Math.floor(wallMs / this.slotMs) + 1) * this.slotMs;
  }

  /** The slot that ended since the last call; null if none did. Slots without any poll are skipped. */
  poll(wallMs: number, arrived: number): CountedSlot | null {
    const slot = Math.floor(wallMs / this.slotMs);
    const before = this.#slot;
    if (before !== null && slot === before) return null;
    const isSeen = before !== null && slot === before + 1;
    const isLate = wallMs - slot * this.slotMs > lateShare * this.slotMs;
    const rise = isSeen && !isLate && this.#arrivedBefore !== null ? arrived - this.#arrivedBefore : Number.NaN;
    this.#slot = slot;
    this.#arrivedBefore = isLate ? null : arrived;
    const again = this.#reportedSlot === null ? -1 : this.#reportedSlot - (slot - 1);
    if (before === null || slot < before || (again >= 0 && again * this.slotMs <= setBackMsMost)) return null;
    this.#reportedSlot = slot - 1;
    return { slot: slot - 1, count: Number.isFinite(rise) ? Math.max(0, rise) : null };
  }
}
