/** Which variant a request goes to: by weight, or by the version it names. */
import type { Random } from '../random.ts';

export interface Weighted {
  readonly weight: number;
}

/** One of the choices, each with the probability of its share of the weights; undefined where all weights are 0. */
export function pickByWeight<Choice extends Weighted>(choices: readonly Choice[], random: Random): Choice | undefined {
  if (choices.length === 1) return choices[0];
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return undefined;
  let left = random.next() * total;
  for (const choice of choices) {
    left -= choice.weight;
    if (left < 0) return choice;
  }
  // Rounding may leave a trace of the total: it belongs to the last that has any weight.
  return choices.findLast(({ weight }) => weight > 0);
}
