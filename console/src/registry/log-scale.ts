/** Axes of small charts: logarithmic and linear, with ticks one would say. Pure. */

export interface Axis {
  /** From the place of the least to that of the most. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** From a place to a place; 1 and 3 of each decade are its ticks, or 1, 2 and 5 where these are too few. */
export function logAxis(values: readonly number[], from: number, to: number): Axis {
  const known = values.filter((value) => value > 0);
  const least = Math.min(...known, Number.POSITIVE_INFINITY);
  const most = Math.max(...known, Number.NEGATIVE_INFINITY);
  if (known.length === 0) return { at: () => from, ticks: [] };
  const [low, high] = least === most ? [least / 1.5, most * 1.5] : [least / 1.15, most * 1.1];
  const span = Math.log(high / low);
  const few = ticksBetween(low, high, [1, 3]);
  const ticks = few.length > 2 ? few : ticksBetween(low, high, [1, 2, 5]);
  return { at: (value) => from + (Math.log(value / low) / span) * (to - from), ticks };
}

/** So many of each decade as there are digits. */
function ticksBetween(low: number, high: number, digits: readonly number[]): number[] {
  const ticks: number[] = [];
  for (let decade = 10 ** Math.floor(Math.log10(low)); decade <= high; decade *= 10) {
    for (const digit of digits) {
      const value = Number((decade * digit).toPrecision(1));
      if (value >= low && value <= high) ticks.push(value);
    }
  }
  return ticks;
}

/** With room at both ends, and about three ticks. */
export function linearAxis(values: readonly number[], from: number, to: number): Axis {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (values.length === 0) return { at: () => from, ticks: [] };
  const spread = most - least || Math.abs(most) * 0.1 || 1;
  const [low, high] = [least - spread * 0.25, most + spread * 0.25];
  const rough = (high - low) / 3;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * ([1, 2, 5, 10].find((digit) => decade * digit >= rough) ?? 10);
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step); tick * step <= high; tick++) ticks.push(Number((tick * step).toPrecision(10)));
  return { at: (value) => from + ((value - low) / (high - low)) * (to - from), ticks };
}
