/**
 * Open calls of a link by their numbers. Not a `Map`: with thousands of insertions and removals a second it is rebuilt all the time, and V8
 * links each old table to the next one. Once one of them is in the old generation, it keeps all later ones alive, with every call that they
 * held, until the next full collection.
 */

const capacityMin = 16;

/**
 * A hash table with linear probing; numbers of calls are consecutive, so they are their own hash. It grows with the calls that are open at
 * the same time, and does not shrink.
 */
export class CallTable<Value extends object> {
  #numbers = new Uint32Array(capacityMin);
  #values = emptySlots<Value>(capacityMin);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Replaces the value of the number, if it has one. `number` is a u32. */
  set(number: number, value: Value): void {
    // At most half full, so that a search ends soon.
    if (this.#size * 2 >= this.#values.length) this.#grow();
    const slot = this.#slotOf(number);
    if (this.#values[slot] === undefined) this.#size++;
    this.#numbers[slot] = number;
    this.#values[slot] = value;
  }

  get(number: number): Value | undefined {
    return this.#values[this.#slotOf(number)];
  }

  /** Removes the number. Returns its value; undefined if it had none. */
  take(number: number): Value | undefined {
    let hole = this.#slotOf(number);
    const value = this.#values[hole];
    if (value === undefined) return undefined;
    this.#size--;
    // Values behind the hole move into it if their search would end there.
    const mask = this.#values.length - 1;
    for (let slot = (hole + 1) & mask; this.#values[slot] !== undefined; slot = (slot + 1) & mask) {
      const fromHome = (slot - (this.#numbers[slot] as number)) & mask;
      if (fromHome < ((slot - hole) & mask)) continue;
      this.#numbers[hole] = this.#numbers[slot] as number;
      this.#values[hole] = this.#values[slot];
      hole = slot;
    }
    this.#values[hole] = undefined;
    return value;
  }

  /** Removes all values and returns them, in the order of `set` if `next` is the number after the last one. */
  takeAll(next = 0): Value[] {
    const [numbers, values] = [this.#numbers, this.#values];
    this.#numbers = new Uint32Array(capacityMin);
    this.#values = emptySlots(capacityMin);
    this.#size = 0;
    return openIn(numbers, values, next).map((slot) => values[slot] as Value);
  }

  /** The number that is farthest before `next`, hence was set first; undefined if there is none. */
  oldest(next: number): number | undefined {
    const [slot] = openIn(this.#numbers, this.#values, next);
    return slot === undefined ? undefined : this.#numbers[slot];
  }

  /** The slot of the number, or the one where it would be. */
  #slotOf(number: number): number {
    const mask = this.#values.length - 1;
    let slot = number & mask;
    while (this.#values[slot] !== undefined && this.#numbers[slot] !== number) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [numbers, values] = [this.#numbers, this.#values];
    this.#numbers = new Uint32Array(numbers.length * 2);
    this.#values = emptySlots(values.length * 2);
    this.#size = 0;
    for (const [slot, value] of values.entries()) if (value !== undefined) this.set(numbers[slot] as number, value);
  }
}

function emptySlots<Value>(count: number): (Value | undefined)[] {
  return new Array<Value | undefined>(count).fill(undefined);
}

/** Slots in use; numbers wrap around, so their order is that of the distance to `next`. */
function openIn(numbers: Uint32Array, values: readonly unknown[], next: number): number[] {
  const slots: number[] = [];
  for (const [slot, value] of values.entries()) if (value !== undefined) slots.push(slot);
  const age = (slot: number): number => (next - (numbers[slot] as number)) >>> 0;
  return slots.sort((one, other) => age(other) - age(one));
}
