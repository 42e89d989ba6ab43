/** Randomness is injected, so that a run can be repeated. */

/** A source of random numbers. Two implementations: of the system, and from a seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** Not for secrets: those come from `node:crypto`. */
export class SystemRandom implements Random {
  next(): number {
    return Math.random();
  }
}

/** The same numbers for the same seed (mulberry32). Its 32 bits of state suffice for load generation and tests, not for secrets. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** A random interval of a Poisson process with the given rate, in milliseconds. */
export function exponentialMs(random: Random, ratePerSecond: number): number {
  return (-Math.log(1 - random.next()) / ratePerSecond) * 1000;
}

/** An item that is drawn with a probability proportional to its weight. */
export interface Weighted {
  readonly weight: number;
}

/**
 * Picks a choice with a probability proportional to its weight. A single choice is always picked. undefined if all weights of
 * several are 0.
 */
export function pickByWeight<Choice extends Weighted>(choices: readonly Choice[], random: Random): Choice | undefined {
  if (choices.length === 1) return choices[0];
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return undefined;
  let left = random.next() * total;
  for (const choice of choices) {
    left -= choice.weight;
    if (left < 0) return choice;
  }
  // Rounding may leave a remainder: pick the last choice with a weight.
  return choices.findLast(({ weight }) => weight > 0);
}
