/** The scale on which a promise is slid: steps of the same ratio, each a number that one would say. Pure. */

export interface PromiseScale {
  /** Milliseconds, rising. */
  readonly steps: readonly number[];
}

const perDecade = 40;

/** 1, 1.1, … 9.9, 10, 11, …: two digits, three from 10 % steps on would be noise. */
export function niceMs(ms: number): number {
  return Number(ms.toPrecision(2));
}

/** The next one that is not less. */
export function niceUpMs(ms: number): number {
  const unit = 10 ** (Math.floor(Math.log10(ms)) - 1);
  return Number((Math.ceil(ms / unit - 1e-9) * unit).toPrecision(2));
}

export function promiseScale(fromMs: number, toMs: number): PromiseScale {
  const count = Math.max(1, Math.round(Math.log10(toMs / fromMs) * perDecade));
  const steps = Array.from({ length: count + 1 }, (_, i) => niceMs(fromMs * (toMs / fromMs) ** (i / count)));
  return { steps: [...new Set(steps)] };
}

/** The step that is closest to a latency. */
export function stepOf({ steps }: PromiseScale, ms: number): number {
  let best = 0;
  for (const [i, step] of steps.entries()) {
    if (Math.abs(Math.log(step / ms)) < Math.abs(Math.log((steps[best] as number) / ms))) best = i;
  }
  return best;
}

/** Rates are slid over five decades: from one in a hundred seconds to a hundred thousand a second. */
export const rateScale: PromiseScale = promiseScale(0.01, 10_000);

/** The busiest minute over the average. */
export const peakScale: PromiseScale = { steps: [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10] };
