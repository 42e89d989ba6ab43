/**
 * The Tree-structured Parzen Estimator (Bergstra, Bardenet, Bengio, Kégl: Algorithms for Hyper-Parameter Optimization, NIPS 2011, section 4).
 *
 * The trials with an objective are split at their γ quantile into good and other ones. With l the density of the good and g that of the
 * others, the expected improvement of x grows with l(x) / g(x) (section 4.1), so of 24 candidates drawn from l the one with the greatest ratio
 * is proposed, for each hyperparameter separately.
 *
 * Running trials count among the others, so parallel trials do not all try the same values (the constant liar of Ginsbourger, Le Riche,
 * Carraro 2010). Pure.
 */
import type { Random } from '../../random.ts';
import { type ParameterRange, unitOf, valueAt } from './parameter-ranges.ts';
import { type ParameterValues, randomValues, type TriedParameters, type TuningSearch } from './search.ts';

/** γ: the share of the trials that count as good. */
const goodShare = 0.25;
const candidates = 24;
/** Trials before the first estimate. */
const randomFirst = 10;
/**
 * Trials that a density is made of: each candidate is compared with each of them, in each range, on the thread that serves. At most 25 count
 * as good, as in hyperopt; of the others, evenly chosen ones say as much.
 */
const goodMax = 25;
const othersMax = 100;

/** The position of a trial in each range, in [0, 1]; the index of categorical values. */
type Point = readonly number[];

/** Returns a function that draws a proposal. The densities are estimated once, however many are drawn. */
export function tpeProposals(
  history: readonly TriedParameters[],
  { goal, ranges }: Pick<TuningSearch, 'goal' | 'ranges'>,
  random: Random,
): () => ParameterValues {
  const placed = history.flatMap(({ values, objective }) => {
    const point = ranges.map((range) => unitOf(range, values[range.name] ?? ''));
    return point.some((unit) => unit === null) ? [] : [{ point: point as Point, objective }];
  });
  const sign = goal === 'Minimize' ? 1 : -1;
  const judged = placed
    .filter((trial): trial is { point: Point; objective: number } => trial.objective !== null)
    .sort((a, b) => sign * (a.objective - b.objective));
  if (judged.length < randomFirst) return () => randomValues(ranges, random);
  const goodCount = Math.min(goodMax, Math.ceil(goodShare * judged.length));
  const good = judged.slice(0, goodCount).map(({ point }) => point);
  const running = placed.filter(({ objective }) => objective === null);
  const others = evenly([...judged.slice(goodCount), ...running], othersMax).map(({ point }) => point);
  const draws = ranges.map((range, at): (() => string) => {
    if (hasOneValue(range)) return () => valueAt(range, 0);
    const unitsOf = (points: readonly Point[]): number[] => points.map((point) => point[at] ?? 0);
    const [ofGood, ofOthers] = [densityOf(range, unitsOf(good)), densityOf(range, unitsOf(others))];
    return () => bestOf(range, ofGood, ofOthers, random);
  });
  return () => Object.fromEntries(ranges.map(({ name }, at) => [name, (draws[at] as () => string)()]));
}

function hasOneValue(range: ParameterRange): boolean {
  return range.kind === 'categorical' ? range.values.length === 1 : range.min === range.max;
}

function evenly<Item>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, at) => items[Math.floor((at * items.length) / most)] as Item);
}

/** The candidate from the good trials with the greatest ratio of l to g. */
function bestOf(range: ParameterRange, good: Density, others: Density, random: Random): string {
  let best = { unit: 0, ratio: Number.NEGATIVE_INFINITY };
  for (let i = 0; i < candidates; i++) {
    const unit = good.draw(random);
    const ratio = Math.log(good.at(unit)) - Math.log(others.at(unit));
    if (ratio > best.ratio) best = { unit, ratio };
  }
  return range.kind === 'categorical' ? (range.values[best.unit] ?? '') : valueAt(range, best.unit);
}

interface Density {
  draw(random: Random): number;
  at(unit: number): number;
}

function densityOf(range: ParameterRange, units: readonly number[]): Density {
  return range.kind === 'categorical' ? categoricalDensity(units, range.values.length) : parzenDensity(units);
}

/** The share of each category, with one more trial spread over all of them (Bergstra 2011, section 4.1). */
function categoricalDensity(indices: readonly number[], count: number): Density {
  const weights = Array.from({ length: count }, () => 1 / count);
  for (const index of indices) weights[index] = (weights[index] ?? 0) + 1;
  const shares = weights.map((weight) => weight / (indices.length + 1));
  return {
    at: (index) => shares[index] ?? 0,
    draw: (random) => {
      let rest = random.next();
      for (const [index, share] of shares.entries()) {
        rest -= share;
        if (rest < 0) return index;
      }
      return count - 1;
    },
  };
}

/**
 * A mixture of one normal distribution per trial and a wide one, the prior, all within [0, 1]. The width of each is the greater of the
 * distances to its neighbours (Bergstra 2011, section 4.2), within bounds.
 */
function parzenDensity(units: readonly number[]): Density {
  const sorted = units.toSorted((a, b) => a - b);
  const narrowest = 1 / Math.min(100, sorted.length + 2);
  const kernels = sorted.map((center, i) => {
    const gap = Math.max(center - (sorted[i - 1] ?? 0), (sorted[i + 1] ?? 1) - center);
    return kernelOf(center, Math.min(1, Math.max(narrowest, gap)));
  });
  kernels.push(kernelOf(0.5, 1));
  const counted = countedKernels(kernels);
  return {
    at: (unit) => counted.reduce((sum, { kernel, count }) => sum + count * normalAt(unit, kernel), 0) / kernels.length,
    draw: (random) => drawTruncated(kernels[Math.floor(random.next() * kernels.length)] ?? kernelOf(0.5, 1), random),
  };
}

interface Kernel {
  readonly center: number;
  readonly width: number;
  /** 1 / the integral over [0, 1]. */
  readonly scale: number;
}

/** Equal ones, which stand side by side, are evaluated once: a range of few integers has few, however many trials there are. */
function countedKernels(kernels: readonly Kernel[]): readonly { readonly kernel: Kernel; readonly count: number }[] {
  const counted: { kernel: Kernel; count: number }[] = [];
  for (const kernel of kernels) {
    const last = counted.at(-1);
    if (last?.kernel.center === kernel.center && last.kernel.width === kernel.width) last.count++;
    else counted.push({ kernel, count: 1 });
  }
  return counted;
}

function kernelOf(center: number, width: number): Kernel {
  const inside = normalCdf((1 - center) / width) - normalCdf(-center / width);
  return { center, width, scale: 1 / (width * Math.sqrt(2 * Math.PI) * inside) };
}

function normalAt(unit: number, { center, width, scale }: Kernel): number {
  return scale * Math.exp(-(((unit - center) / width) ** 2) / 2);
}

/** A normal distribution within [0, 1], drawn until inside; its centre is inside, so at least a quarter of the draws are. */
function drawTruncated({ center, width }: Kernel, random: Random): number {
  for (let draws = 0; draws < 100; draws++) {
    // Box, Muller 1958.
    const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
    const x = center + width * radius * Math.cos(2 * Math.PI * random.next());
    if (x >= 0 && x <= 1) return x;
  }
  return center;
}

/** Abramowitz, Stegun: Handbook of Mathematical Functions, 7.1.26; the error is below 1.5e-7. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - series * Math.exp(-x * x);
  return z >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}
