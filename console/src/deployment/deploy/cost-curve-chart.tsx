/** The cost of each latency objective, above its slider. Shows where a looser objective stops saving, and what is not possible. */

import type { ReactElement } from 'react';
import { useWidth } from '../../kit/charts/use-width.ts';
import { usdFine } from '../../kit/format/money.ts';
import { type CurveDrawing, type CurvePoints, drawCurve } from './cost-curve.ts';

export interface CostCurveProps {
  readonly points: CurvePoints;
  readonly percentile: number;
  readonly latencyMs: number;
  /** Cost of the chosen objective; null if it cannot be met. */
  readonly usdPerHour: number | null;
}

const height = 96;
const labelWidth = 128;

export function CostCurve({ points, percentile, latencyMs, usdPerHour }: CostCurveProps): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  return (
    <div ref={box} className="curve">
      {width > 0 ? <Drawing points={points} percentile={percentile} latencyMs={latencyMs} usdPerHour={usdPerHour} width={width} /> : null}
    </div>
  );
}

function Drawing({ points, percentile, latencyMs, usdPerHour, width }: CostCurveProps & { readonly width: number }): ReactElement {
  const { x, y, line, area, possibleFrom, baseline, ticks } = drawCurve(points, { width, height });
  const here = x(latencyMs);
  const isLate = here > width - labelWidth;
  const labelY = usdPerHour === null ? 0 : labelPlace(points, { here, isLate, pointY: y(usdPerHour), baseline, x, y });
  return (
    <svg width={width} height={height} role="img" aria-label={describeCurve(points, percentile)}>
      <rect x="8" y="8" width={Math.max(0, possibleFrom - 8)} height={baseline - 8} fill="var(--over)" />
      {possibleFrom > 94 ? (
        <text x="12" y="20">
          not possible
        </text>
      ) : null}
      <path d={area} fill="var(--accent-soft)" />
      <path d={line} fill="none" stroke="var(--accent)" strokeWidth="1.75" />
      <line className="gl" x1="8" x2={width - 8} y1={baseline} y2={baseline} />
      {ticks.map((tick) => (
        <text key={tick.ms} x={tick.x} y={height - 5} textAnchor="middle">
          {tickText(tick.ms)}
        </text>
      ))}
      {usdPerHour === null ? (
        <line x1={here} x2={here} y1="8" y2={baseline} stroke="var(--bad)" strokeDasharray="3 3" />
      ) : (
        <>
          <line x1={here} x2={here} y1={y(usdPerHour)} y2={baseline} stroke="var(--accent)" strokeDasharray="3 3" />
          <circle cx={here} cy={y(usdPerHour)} r="4.5" fill="var(--accent)" stroke="var(--surface)" strokeWidth="2" />
          <text className="at" x={here + (isLate ? -8 : 8)} y={labelY} textAnchor={isLate ? 'end' : 'start'}>
            {usdFine(usdPerHour)} per hour
          </text>
        </>
      )}
    </svg>
  );
}

interface LabelSpace extends Pick<CurveDrawing, 'x' | 'y' | 'baseline'> {
  readonly here: number;
  readonly isLate: boolean;
  readonly pointY: number;
}

/**
 * The baseline of the price's label. The curve falls to the right, so a label to the right of the point fits above it, and one to the left
 * below it; without room below, it goes above the curve to its left.
 */
function labelPlace(points: CurvePoints, { here, isLate, pointY, baseline, x, y }: LabelSpace): number {
  if (!isLate) return Math.max(11, pointY - 8);
  if (pointY + 18 <= baseline - 4) return pointY + 18;
  const behind = points.flatMap(({ latency_ms: latency, usd_per_hour: usd }) =>
    usd !== null && x(latency) <= here && x(latency) >= here - labelWidth ? [y(usd)] : [],
  );
  return Math.max(11, Math.min(pointY, ...behind) - 8);
}

function tickText(ms: number): string {
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}

function describeCurve(points: CurvePoints, percentile: number): string {
  const possible = points.filter(({ usd_per_hour: usd }) => usd !== null);
  const [first, last] = [possible[0], possible.at(-1)];
  if (first === undefined || last === undefined) return `No p${percentile} objective can be met at this traffic.`;
  const price = (point: typeof first): string => `${usdFine(point.usd_per_hour ?? 0)} per hour`;
  return `Cost by objective: from ${price(first)} for p${percentile} at most ${Math.round(first.latency_ms)} ms, the tightest possible, to ${price(last)} for ${Math.round(last.latency_ms)} ms.`;
}
