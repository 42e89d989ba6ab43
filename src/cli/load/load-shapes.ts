/** The send times of a load's requests. Pure. */
import type { Random } from '../../random.ts';
import { type Phase, poissonArrivals } from './open-loop.ts';

export const loadShapes = ['poisson', 'even', 'ramp'] as const;
export type LoadShape = (typeof loadShapes)[number];

const rampSteps = 20;

/** Milliseconds from the start, ascending. `poisson`: independent clients; `even`: constant intervals; `ramp`: Poisson at a rising rate. */
export function shapedArrivals(shape: LoadShape, { ratePerSecond, forMs }: Phase, random: Random): number[] {
  if (shape === 'even') {
    return Array.from({ length: Math.round((ratePerSecond * forMs) / 1000) }, (_, i) => (i * 1000) / ratePerSecond);
  }
  if (shape === 'poisson') return poissonArrivals([{ ratePerSecond, forMs }], random);
  const steps = Array.from({ length: rampSteps }, (_, i) => ({
    ratePerSecond: (ratePerSecond * (i + 1)) / rampSteps,
    forMs: forMs / rampSteps,
  }));
  return poissonArrivals(steps, random);
}
