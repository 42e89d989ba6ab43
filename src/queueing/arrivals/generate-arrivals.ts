/** Random arrivals for simulation, independent of the formulas. */
import { type ArrivalProcess, embeddedPhase } from './arrival-process.ts';

/** A source of randomness; satisfied by `Random` of `random.ts`. */
export interface UniformSource {
  /** Uniform in [0, 1). */
  next(): number;
}

/**
 * The first `count` arrival times after 0, in milliseconds, ascending. The process starts as if a request had just arrived at 0,
 * with φ as the distribution of the phase, so all gaps have the same distribution.
 */
export function arrivalTimesMs(process: ArrivalProcess, random: UniformSource, count: number): Float64Array {
  const { phaseCount, d0, d1 } = process;
  const times = new Float64Array(count);
  let phase = pick(embeddedPhase(process), random.next());
  let ms = 0;
  for (let n = 0; n < count; ) {
    const leaveRate = -(d0[phase * phaseCount + phase] as number);
    ms += (-Math.log(1 - random.next()) / leaveRate) * 1000;
    // A single random number selects the transition.
    let left = random.next() * leaveRate;
    let to = 0;
    while (to < 2 * phaseCount - 1) {
      left -= transitionRate(d0, d1, phaseCount, phase, to);
      if (left < 0) break;
      to++;
    }
    if (to < phaseCount) times[n++] = ms;
    phase = to % phaseCount;
  }
  return times;
}

function transitionRate(d0: Float64Array, d1: Float64Array, size: number, from: number, to: number): number {
  if (to < size) return d1[from * size + to] as number;
  return to - size === from ? 0 : (d0[from * size + to - size] as number);
}

/** The index whose share of the weights contains the uniform number. */
function pick(weights: Float64Array, uniform: number): number {
  let left = uniform;
  for (let i = 0; i < weights.length - 1; i++) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  return weights.length - 1;
}
