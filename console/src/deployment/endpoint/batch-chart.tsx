/** Batches of the last ten minutes by size. Each bar is split by the reason for dispatch. */
import type { ReactElement } from 'react';
import type { HistoryBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { topFor } from '../../kit/charts/chart-data.ts';
import { Legend } from '../../kit/charts/legend.tsx';
import { useWidth } from '../../kit/charts/use-width.ts';
import { count, fixed } from '../../kit/format/format.ts';
import type { TokenName } from '../../theme/tokens.ts';

type Batches = NonNullable<HistoryBody['batches']>;

interface Reason {
  readonly name: string;
  readonly color: TokenName;
  readonly label: string;
  readonly outline?: TokenName;
}

/** Stacking order, from the axis up: instances, then functions. */
const reasons: readonly Reason[] = [
  { name: 'idle', color: 'inst', label: 'instance idle' },
  { name: 'ahead', color: 'inst', label: 'sent ahead' },
  { name: 'company', color: 'inst', label: 'waited for company' },
  { name: 'late', color: 'flush', label: 'late, at the back' },
  { name: 'rescue', color: 'rescue', label: 'rescue' },
  { name: 'full', color: 'func', label: 'full' },
  { name: 'slack', color: 'func-2', label: 'slack', outline: 'func' },
  { name: 'next-would-miss', color: 'func-2', label: 'next would miss', outline: 'func' },
  { name: 'timeout', color: 'flush', label: 'timeout' },
  { name: 'flush', color: 'flush', label: 'flush' },
];

const height = 147;
const left = 40;
const foot = 19;

export function BatchChart({ batches }: { readonly batches: Batches | null }): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  const present = reasons.filter(({ name }) => batches?.sizes.some((size) => (size.reasons[name] ?? 0) > 0) ?? false);
  return (
    <Card title="Batch sizes by dispatch reason" span={4}>
      <div className="body batch-chart">
        <Legend items={present.map(({ label, color }) => ({ label, color }))} />
        <div ref={box} role="img" aria-label={describeBatches(batches)}>
          {batches === null ? <p className="mut">No batches in the last ten minutes.</p> : <Bars batches={batches} width={width} />}
        </div>
        {batches === null ? null : (
          <p className="batch-caption">
            rows per batch; {count(batches.dispatched)} batches in 10 min, mean {fixed(batches.mean_rows, 1)}
          </p>
        )}
      </div>
    </Card>
  );
}

function describeBatches(batches: Batches | null): string {
  if (batches === null) return 'No batches in the last ten minutes.';
  const sizes = batches.sizes.map(
    ({ from, to, reasons: by }) =>
      `${formatSize(from, to)} rows: ${Object.entries(by)
        .map(([name, number]) => `${number} ${name}`)
        .join(', ')}`,
  );
  return `${count(batches.dispatched)} batches in ten minutes, ${fixed(batches.mean_rows, 1)} rows on average. ${sizes.join('; ')}`;
}

const formatSize = (from: number, to: number): string => (from === to ? String(from) : `${from}–${to}`);

/** One bar per group of batch sizes, as the server groups them. */
function Bars({ batches, width }: { readonly batches: Batches; readonly width: number }): ReactElement | null {
  if (width === 0) return null;
  const { sizes } = batches;
  const totals = sizes.map(({ reasons: by }) => Object.values(by).reduce((sum, number) => sum + number, 0));
  const top = topFor(Math.max(...totals, 1));
  const floor = height - foot;
  const y = (value: number): number => floor - (value / top) * (floor - 6);
  const step = (width - left) / Math.max(1, sizes.length);
  return (
    <svg width={width} height={height} aria-hidden="true">
      {[0, top / 2, top].map((value) => (
        <g key={value}>
          <line className="gl" x1={left} x2={width} y1={y(value)} y2={y(value)} />
          <text x={left - 6} y={y(value) + 4} textAnchor="end">
            {formatAxis(value)}
          </text>
        </g>
      ))}
      {sizes.map((size, index) => (
        <Bar key={size.from} size={size} x={left + index * step} step={step} y={y} />
      ))}
    </svg>
  );
}

function formatAxis(value: number): string {
  if (value >= 1e6) return `${fixed(value / 1e6, 1)} M`;
  if (value >= 1e4) return `${fixed(value / 1e3)} k`;
  return fixed(value);
}

interface BarProps {
  readonly size: Batches['sizes'][number];
  readonly x: number;
  readonly step: number;
  readonly y: (value: number) => number;
}

function Bar({ size, x, step, y }: BarProps): ReactElement {
  const gap = step > 14 ? 3 : 1;
  let sum = 0;
  return (
    <g>
      {reasons.map(({ name, color, label, outline }) => {
        const number = size.reasons[name] ?? 0;
        if (number === 0) return null;
        const [bottom, top] = [y(sum), y(sum + number)];
        sum += number;
        return (
          <rect
            key={name}
            x={x + gap}
            y={Math.min(top, bottom - 0.8)}
            width={Math.max(1, step - 2 * gap)}
            height={Math.max(0.8, bottom - top)}
            fill={`var(--${color})`}
            stroke={outline === undefined ? undefined : `var(--${outline})`}
          >
            <title>{`${formatSize(size.from, size.to)} rows: ${fixed(number)} ${label}`}</title>
          </rect>
        );
      })}
      {step > 22 ? (
        <text x={x + step / 2} y={height - 4} textAnchor="middle">
          {formatSize(size.from, size.to)}
        </text>
      ) : null}
    </g>
  );
}
