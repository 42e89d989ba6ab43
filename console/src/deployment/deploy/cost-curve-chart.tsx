/** What each promise would cost, above the slider that chooses it: where a looser one stops saving, and what is not possible. */

import type { ReactElement } from 'react';
import { usdFine } from '../../kit/money.ts';
import { useWidth } from '../../kit/use-width.ts';
import { type CurvePoints, drawCurve } from './cost-curve.ts';

export interface CostCurveProps {
  readonly points: CurvePoints;
  readonly percentile: number;
  readonly latencyMs: number;
  /** Of the promise that is chosen; null where it cannot be kept. */
  readonly usdPerHour: number | null;
}

const height = 96;

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
  const isLate = here > width - 120;
  // A looser promise costs no more, so that the curve lies above to the left: words to the right stand above it, words to the left below.
  const labelY = usdPerHour === null ? 0 : isLate ? Math.min(baseline - 4, y(usdPerHour) + 18) : Math.max(11, y(usdPerHour) - 8);
  return (
    <svg width={width} height={height} role="img" aria-label={spokenCurve(points, percentile)}>
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

function tickText(ms: number): string {
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}

function spokenCurve(points: CurvePoints, percentile: number): string {
  const possible = points.filter(({ usd_per_hour: usd }) => usd !== null);
  const [first, last] = [possible[0], possible.at(-1)];
  if (first === undefined || last === undefined) return `No p${percentile} can be kept at this traffic.`;
  const price = (point: typeof first): string => `${usdFine(point.usd_per_hour ?? 0)} per hour`;
  return `Cost of a promise: from ${price(first)} for p${percentile} at most ${Math.round(first.latency_ms)} ms, the tightest that is possible, to ${price(last)} for ${Math.round(last.latency_ms)} ms.`;
}
