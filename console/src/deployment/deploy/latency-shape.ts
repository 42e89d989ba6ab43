/** Smooths the plan's latency histogram into a curve. Pure functions. */
import type { DeploymentPlanBody } from '../../../../src/api/index.ts';

export type LatencyShares = NonNullable<DeploymentPlanBody['chosen']>['distribution'];

export interface ShapePoint {
  readonly ms: number;
  /** 0 to 1, with 1 at the peak. */
  readonly height: number;
}

/** Gaussian smoothing. The last bucket holds everything above the range and is left out. */
export function latencyShape({ step_ms: stepMs, shares }: LatencyShares, width = 1.6): ShapePoint[] {
  const within = shares.slice(0, -1);
  const smooth = within.map((_, i) => {
    let [sum, weights] = [0, 0];
    for (let j = Math.max(0, i - 6); j <= Math.min(within.length - 1, i + 6); j++) {
      const weight = Math.exp(-(((j - i) / width) ** 2) / 2);
      sum += weight * (within[j] as number);
      weights += weight;
    }
    return sum / weights;
  });
  const top = Math.max(...smooth, 1e-12);
  return smooth.map((value, i) => ({ ms: (i + 0.5) * stepMs, height: value / top }));
}

/** The height at a latency, interpolated linearly. */
export function heightAt(points: readonly ShapePoint[], ms: number): number {
  const next = points.findIndex((point) => point.ms >= ms);
  const right = points[next];
  const left = points[next - 1];
  if (right === undefined) return points.at(-1)?.height ?? 0;
  if (left === undefined) return right.height;
  return left.height + ((right.height - left.height) * (ms - left.ms)) / (right.ms - left.ms);
}

/** About six round steps for an axis that starts at 0. */
export function axisSteps(toMs: number): number[] {
  const rough = toMs / 6;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * ([1, 2, 5, 10].find((digit) => decade * digit >= rough) ?? 10);
  const steps: number[] = [];
  for (let i = 0; i * step < toMs * 0.97; i++) steps.push(Number((i * step).toPrecision(6)));
  return steps;
}
