/** Logarithmic and linear axes of small charts, with round ticks. Pure functions. */

export interface Axis {
  /** Maps a value to a position in pixels. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** `from` and `to` are pixels. Ticks are 1 and 3 of each decade, or 1, 2 and 5 if there are fewer than three. */
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

/** The given digits of each decade between `low` and `high`. */
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

/** Adds 25 % of the spread at both ends; about three ticks. */
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
