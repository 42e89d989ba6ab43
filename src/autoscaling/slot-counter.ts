/** Counts what arrives in each slot of the wall clock, from a counter that only rises. */

export interface CountedSlot {
  readonly slot: number;
  /** null where it was not seen from its beginning to its end. */
  readonly count: number | null;
}

/** A clock that is set back by less than this is waited for: the slots that were counted before are not counted again. */
const setBackMsMost = 300_000;

/** A slot that is looked at so much of its length too late, at its beginning or its end, is not counted. */
const lateShare = 0.25;

export class SlotCounter {
  readonly slotMs: number;
  #slot: number | null = null;
  /** The counter at the beginning of the slot; null where nobody looked. */
  #arrivedBefore: number | null = null;
  /** The last one that was told. */
  #toldSlot: number | null = null;

  constructor(slotMs: number) {
    this.slotMs = slotMs;
  }

  /** When the slot of now is over. */
  nextMs(wallMs: number): number {
    return (Math.floor(wallMs / this.slotMs) + 1) * this.slotMs;
  }

  /** The slot that is over by now and was not before; null while none is. Slots that nobody saw at all are left out. */
  look(wallMs: number, arrived: number): CountedSlot | null {
    const slot = Math.floor(wallMs / this.slotMs);
    const before = this.#slot;
    if (before !== null && slot === before) return null;
    const isSeen = before !== null && slot === before + 1;
    const isLate = wallMs - slot * this.slotMs > lateShare * this.slotMs;
    const rise = isSeen && !isLate && this.#arrivedBefore !== null ? arrived - this.#arrivedBefore : Number.NaN;
    this.#slot = slot;
    this.#arrivedBefore = isLate ? null : arrived;
    const again = this.#toldSlot === null ? -1 : this.#toldSlot - (slot - 1);
    if (before === null || slot < before || (again >= 0 && again * this.slotMs <= setBackMsMost)) return null;
    this.#toldSlot = slot - 1;
    return { slot: slot - 1, count: Number.isFinite(rise) ? Math.max(0, rise) : null };
  }
}
