/** Geometry of the cost curve: cost by latency objective, on a logarithmic axis. Pure functions. */
import type { DeploymentPlanBody } from '../../../../src/api/index.ts';

export type CurvePoints = NonNullable<DeploymentPlanBody['curve']>;

/** Pixels. */
export interface CurveBox {
  readonly width: number;
  readonly height: number;
}

export interface CurveDrawing {
  readonly x: (latencyMs: number) => number;
  readonly y: (usdPerHour: number) => number;
  /** SVG path of the line. */
  readonly line: string;
  readonly area: string;
  /** Left edge of the possible objectives, in pixels; the right edge of the chart if there are none. */
  readonly possibleFrom: number;
  readonly baseline: number;
  readonly ticks: readonly { readonly ms: number; readonly x: number }[];
}

const edge = 8;
const below = 20;
const above = 14;
const tickApart = 52;

/** Points must be sorted by latency. Latencies outside of the points are clamped to the edges. */
export function drawCurve(points: CurvePoints, { width, height }: CurveBox): CurveDrawing {
  const first = points[0]?.latency_ms ?? 1;
  const last = points.at(-1)?.latency_ms ?? 1000;
  const span = Math.log(last / first);
  const x = (ms: number): number => edge + (width - 2 * edge) * Math.min(1, Math.max(0, Math.log(ms / first) / span));
  const possible = points.flatMap(({ latency_ms: ms, usd_per_hour: usd }) => (usd === null ? [] : [{ ms, usd }]));
  const top = Math.max(...possible.map(({ usd }) => usd), 1e-9) * 1.1;
  const baseline = height - below;
  const y = (usd: number): number => baseline - (Math.min(usd, top) / top) * (baseline - above);
  const corners = possible.map(({ ms, usd }, i) => {
    const before = possible[i - 1];
    // The price is a step function: it holds until the next cheaper objective.
    return `${i === 0 ? 'M' : `H${round(x(ms))} V`}${i === 0 ? `${round(x(ms))} ${round(y(usd))}` : round(y(before === undefined ? usd : usd))}`;
  });
  const line = corners.join(' ');
  const possibleFrom = possible[0] === undefined ? width - edge : x(possible[0].ms);
  const area = line === '' ? '' : `${line} V${baseline} H${round(possibleFrom)} Z`;
  return { x, y, line, area, possibleFrom, baseline, ticks: apart(ticksBetween(first, last).map((ms) => ({ ms, x: x(ms) }))) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Drops ticks whose labels, about 40 px wide, would overlap. */
function apart(ticks: readonly { readonly ms: number; readonly x: number }[]): { readonly ms: number; readonly x: number }[] {
  const spaced: { readonly ms: number; readonly x: number }[] = [];
  for (const tick of ticks) {
    const last = spaced.at(-1);
    if (last === undefined || tick.x - last.x >= tickApart) spaced.push(tick);
  }
  return spaced;
}

/** Multiples by 1, 2 and 5 of each decade, except near the ends. */
export function ticksBetween(fromMs: number, toMs: number): number[] {
  const ticks: number[] = [];
  for (let decade = 10 ** Math.floor(Math.log10(fromMs)); decade <= toMs; decade *= 10) {
    for (const digit of [1, 2, 5]) {
      const ms = Number((decade * digit).toPrecision(1));
      if (ms >= fromMs * 1.05 && ms <= toMs / 1.05) ticks.push(ms);
    }
  }
  return ticks;
}

/** The price of an objective: that of the loosest point that is not looser. Null if the objective cannot be met. */
export function priceAt(points: CurvePoints, latencyMs: number): number | null {
  let price: number | null = null;
  for (const { latency_ms: ms, usd_per_hour: usd } of points) {
    if (ms > latencyMs * 1.0001) break;
    price = usd;
  }
  return price;
}

/** The tightest objective that can be met, in milliseconds. */
export function nearestPossible(points: CurvePoints): number | null {
  return points.find(({ usd_per_hour: usd }) => usd !== null)?.latency_ms ?? null;
}

/** An objective that is looser by half, if it saves at least 3 %. */
export function looserObjective(
  points: CurvePoints,
  latencyMs: number,
  usdPerHour: number,
): { readonly ms: number; readonly usd: number } | null {
  const ms = Number((latencyMs * 1.5).toPrecision(2));
  const usd = priceAt(points, ms);
  return usd !== null && usd < usdPerHour * 0.97 ? { ms, usd } : null;
}
