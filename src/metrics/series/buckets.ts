/**
 * Counts by bucket for values of one sign, as two parallel ascending lists. Millions of them are merged and read, so there are no pairs or
 * maps: merging is one pass over both.
 */
import assert from 'node:assert/strict';

/** Limit against adversarial values: beyond it, the smallest values are counted together. */
const bucketsMax = 2048;

/** Both lists have one entry per used bucket, so an unused one costs nothing. */
export class Buckets {
  #numbers: number[];
  #times: number[];

  /** Takes ownership of the lists. `numbers` are ascending; `times` are their counts. */
  constructor(numbers: number[] = [], times: number[] = []) {
    assert(numbers.length === times.length);
    this.#numbers = numbers;
    this.#times = times;
  }

  get numbers(): readonly number[] {
    return this.#numbers;
  }

  get times(): readonly number[] {
    return this.#times;
  }

  get total(): number {
    let total = 0;
    for (const times of this.#times) total += times;
    return total;
  }

  /** Adds `times` observations to a bucket; buckets stay sorted by number. */
  add(number: number, times: number): void {
    const [numbers, counts] = [this.#numbers, this.#times];
    const at = insertionIndex(numbers, number);
    if (numbers[at] === number) {
      counts[at] = (counts[at] as number) + times;
      return;
    }
    numbers.splice(at, 0, number);
    counts.splice(at, 0, times);
    this.#bound();
  }

  /** Merges two sorted lists of buckets in linear time. */
  addAll(other: Buckets): void {
    if (other.#numbers.length === 0) return;
    if (this.#numbers.length === 0) {
      this.#numbers = other.#numbers.slice();
      this.#times = other.#times.slice();
      return;
    }
    const [ones, oneTimes, others, otherTimes] = [this.#numbers, this.#times, other.#numbers, other.#times];
    const numbers: number[] = [];
    const times: number[] = [];
    let [i, j] = [0, 0];
    while (i < ones.length || j < others.length) {
      const one = i < ones.length ? (ones[i] as number) : Number.POSITIVE_INFINITY;
      const another = j < others.length ? (others[j] as number) : Number.POSITIVE_INFINITY;
      numbers.push(Math.min(one, another));
      times.push((one <= another ? (oneTimes[i++] as number) : 0) + (another <= one ? (otherTimes[j++] as number) : 0));
    }
    this.#numbers = numbers;
    this.#times = times;
    this.#bound();
  }

  #bound(): void {
    const beyond = this.#numbers.length - bucketsMax;
    if (beyond <= 0) return;
    let first = 0;
    for (const times of this.#times.splice(0, beyond)) first += times;
    this.#numbers.splice(0, beyond);
    this.#times[0] = (this.#times[0] as number) + first;
  }
}

/** Index of a number in an ascending list, or where to insert it. */
function insertionIndex(ascending: readonly number[], number: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
