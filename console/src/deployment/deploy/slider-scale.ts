/** Logarithmic scales of sliders, with steps of two significant digits. Pure functions. */

export interface SliderScale {
  /** Ascending; milliseconds for latencies. */
  readonly steps: readonly number[];
}

const perDecade = 40;

/** Rounds to two significant digits: 1, 1.1, … 9.9, 10, 11, … */
export function niceMs(ms: number): number {
  return Number(ms.toPrecision(2));
}

/** Rounds up to two significant digits. */
export function niceUpMs(ms: number): number {
  const unit = 10 ** (Math.floor(Math.log10(ms)) - 1);
  return Number((Math.ceil(ms / unit - 1e-9) * unit).toPrecision(2));
}

export function sliderScale(fromMs: number, toMs: number): SliderScale {
  const count = Math.max(1, Math.round(Math.log10(toMs / fromMs) * perDecade));
  const steps = Array.from({ length: count + 1 }, (_, i) => niceMs(fromMs * (toMs / fromMs) ** (i / count)));
  return { steps: [...new Set(steps)] };
}

/** The index of the step closest to a value, by ratio. */
export function scaleStepOf({ steps }: SliderScale, ms: number): number {
  let best = 0;
  for (const [i, step] of steps.entries()) {
    if (Math.abs(Math.log(step / ms)) < Math.abs(Math.log((steps[best] as number) / ms))) best = i;
  }
  return best;
}

/** Requests per second, over six decades: from 0.01 to 10,000. */
export const rateScale: SliderScale = sliderScale(0.01, 10_000);

/** Peak minute as a multiple of the average. */
export const peakScale: SliderScale = { steps: [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10] };
