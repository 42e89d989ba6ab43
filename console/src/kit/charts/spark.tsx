/**
 * A sparkline of the last values for a table row. It is scaled to its own objective: the dashed lines of all rows have the same height, so
 * rows can be compared at a glance.
 */
import type { ReactElement } from 'react';
import type { TokenName } from '../../theme/tokens.ts';

export interface SparkProps {
  readonly values: readonly (number | null)[];
  readonly objective: number | null;
  readonly color?: TokenName;
}

const width = 132;
const height = 32;

export function Spark({ values, objective, color = 'p95' }: SparkProps): ReactElement {
  const known = values.filter((value) => value !== null);
  const max = Math.max(...known, 0);
  // The objective lies at two thirds of the height; values far above it are cut off at the edge.
  const top = objective === null ? max * 1.15 || 1 : objective * 1.5;
  const y = (value: number): number => height - 2 - (Math.min(value, top) / top) * (height - 4);
  const x = (index: number): number => 1 + (index * (width - 6)) / Math.max(1, values.length - 1);
  const last = values.findLastIndex((value) => value !== null);
  const lastValue = values[last];
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {objective === null ? null : (
        <line x1="0" x2={width} y1={y(objective)} y2={y(objective)} stroke="var(--bad)" strokeDasharray="3 3" opacity=".75" />
      )}
      <path d={pathOf(values, x, y)} fill="none" stroke={`var(--${color})`} strokeWidth="1.5" strokeLinejoin="round" />
      {lastValue === undefined || lastValue === null ? null : <circle cx={x(last)} cy={y(lastValue)} r="2.2" fill={`var(--${color})`} />}
    </svg>
  );
}

/** An SVG path. Gaps stay gaps; a value between two gaps becomes a dot. */
export function pathOf(values: readonly (number | null)[], x: (index: number) => number, y: (value: number) => number): string {
  let path = '';
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isDrawing = false;
      continue;
    }
    path += `${isDrawing ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    if (!isDrawing && (values[index + 1] ?? null) === null) path += 'h.1';
    isDrawing = true;
  }
  return path;
}
