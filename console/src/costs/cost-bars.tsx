/** The cost of each hour or day as a bar: instances below, functions above. */
import type { ReactElement } from 'react';
import { topFor } from '../kit/charts/chart-data.ts';
import { useWidth } from '../kit/charts/use-width.ts';
import { usd } from '../kit/format/format.ts';
import type { TimedSum } from './cost-sums.ts';

interface CostBarsProps {
  readonly sums: readonly TimedSum[];
  /** `1 Nov`, or `14:00`. */
  readonly labelOf: (atMs: number) => string;
  readonly step: 'hour' | 'day';
}

const height = 180;
const left = 52;
const foot = 22;
const labelWidth = 52;

export function CostBars({ sums, labelOf, step }: CostBarsProps): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  return (
    <div ref={box} className="body cost-bars" role="img" aria-label={describe(sums, labelOf, step)}>
      {width === 0 ? null : <Bars sums={sums} labelOf={labelOf} width={width - 32} />}
    </div>
  );
}

function describe(sums: readonly TimedSum[], labelOf: CostBarsProps['labelOf'], step: string): string {
  const most = sums.reduce<TimedSum | null>((best, sum) => (best === null || sum.totalUsd > best.totalUsd ? sum : best), null);
  const last = sums.at(-1);
  if (most === null || last === undefined || most.totalUsd === 0) return 'No cost in this period.';
  return `Cost per ${step}: ${usd(last.totalUsd)} in the current one, at most ${usd(most.totalUsd)} on ${labelOf(most.atMs)}.`;
}

function Bars({ sums, labelOf, width }: Pick<CostBarsProps, 'sums' | 'labelOf'> & { readonly width: number }): ReactElement {
  const top = topFor(Math.max(...sums.map(({ totalUsd }) => totalUsd), 1e-6));
  const floor = height - foot;
  const y = (value: number): number => floor - (value / top) * (floor - 8);
  const step = (width - left) / Math.max(1, sums.length);
  const every = Math.max(1, Math.ceil(labelWidth / step));
  const gap = step > 14 ? 3 : 1;
  return (
    <svg width={width} height={height} aria-hidden="true">
      {[0, top / 2, top].map((value) => (
        <g key={value}>
          <line className="gl" x1={left} x2={width} y1={y(value)} y2={y(value)} />
          <text x={left - 6} y={y(value) + 4} textAnchor="end">
            {usd(value)}
          </text>
        </g>
      ))}
      {sums.map(({ atMs, instanceUsd, functionUsd, totalUsd }, index) => {
        const x = left + index * step + gap;
        // The last label would run out of the chart if it began at its bar.
        const anchor = x + labelWidth > width ? { x: width, textAnchor: 'end' as const } : { x };
        const bar = { x, width: Math.max(1, Math.min(48, step - 2 * gap)) };
        return (
          <g key={atMs}>
            <title>{`${labelOf(atMs)}: ${usd(totalUsd)}`}</title>
            <rect {...bar} y={y(instanceUsd)} height={floor - y(instanceUsd)} fill="var(--inst)" />
            <rect {...bar} y={y(instanceUsd + functionUsd)} height={y(instanceUsd) - y(instanceUsd + functionUsd)} fill="var(--func)" />
            {index % every === 0 ? (
              <text {...anchor} y={height - 5}>
                {labelOf(atMs)}
              </text>
            ) : null}
          </g>
        );
      })}
    </svg>
  );
}
