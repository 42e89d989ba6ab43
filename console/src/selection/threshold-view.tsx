/** The effect of a cascade's threshold: how many rows go on, and how many answers are wrong. It does not change what is deployed. */
import { Select, Slider } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { SelectionPlanBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { Legend } from '../kit/charts/legend.tsx';
import { useWidth } from '../kit/charts/use-width.ts';
import { fixed, percent, plural } from '../kit/format/format.ts';
import { usdFine } from '../kit/format/money.ts';
import { Pairs } from '../kit/pairs.tsx';
import { firstPair, type ThresholdPoint, thresholdsByPair, usdPerMillionOf } from '../kit/plans/selection-plans.ts';

const height = 190;
const [left, right, top, bottom] = [44, 44, 26, 30];

export function ThresholdView({ body }: { readonly body: SelectionPlanBody }): ReactElement | null {
  const pairs = thresholdsByPair(body.plans);
  const [wanted, setWanted] = useState<string | null>(null);
  const pair = wanted !== null && pairs.has(wanted) ? wanted : firstPair(body, pairs);
  const points = pair === null ? undefined : pairs.get(pair);
  if (pair === null || points === undefined) return null;
  return (
    <Card
      title="Threshold of a cascade"
      padded
      aside={
        <Legend
          items={[
            { label: 'rows that go on', color: 'rate', mark: 'line' },
            { label: 'errors', color: 'p95', mark: 'line' },
          ]}
        />
      }
      end={
        <Select
          size="xs"
          aria-label="Pair of models"
          data={[...pairs.keys()]}
          value={pair}
          allowDeselect={false}
          onChange={(value) => setWanted(value)}
        />
      }
      footer="A row goes on to the second model if 1 minus the largest score of the first is above the threshold. Moving it here does not change what is deployed."
    >
      <Moved key={pair} points={points} chosen={body.floor_plan} />
    </Card>
  );
}

function Moved({ points, chosen }: { readonly points: readonly ThresholdPoint[]; readonly chosen: string | null }): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  const chosenAt = points.findIndex(({ plan }) => plan.plan === chosen);
  const lastCertified = points.findLastIndex(({ plan }) => plan.certified);
  const [at, setAt] = useState(chosenAt >= 0 ? chosenAt : Math.max(0, lastCertified));
  const { threshold, plan } = points[at] as ThresholdPoint;
  return (
    <>
      <div ref={box} className="threshold-chart">
        {width > 0 ? <Curves points={points} width={width} at={at} chosenAt={chosenAt} /> : null}
      </div>
      <Slider
        className="threshold-slider"
        thumbLabel="Threshold"
        min={0}
        max={points.length - 1}
        step={1}
        value={at}
        label={(index) => String(points[index]?.threshold)}
        onChange={setAt}
      />
      <Pairs
        pairs={[
          ['Threshold', `${threshold}${at === chosenAt ? ', chosen' : ''}`],
          ['Rows that go on', `${percent(plan.escalated)} %`],
          ['Accuracy', `${fixed(plan.accuracy, 4)} (${fixed(plan.low, 4)} to ${fixed(plan.high, 4)}), ${plural(plan.errors, 'error')}`],
          ['Proof', plan.certified ? 'certified' : (plan.rejected ?? 'not certified')],
          ['Cost', `${usdFine(usdPerMillionOf(plan))} per million rows on busy instances`],
        ]}
      />
    </>
  );
}

interface CurvesProps {
  readonly points: readonly ThresholdPoint[];
  readonly width: number;
  readonly at: number;
  readonly chosenAt: number;
}

function Curves({ points, width, at, chosenAt }: CurvesProps): ReactElement {
  const shareMax = Math.max(...points.map(({ plan }) => plan.escalated), 0.01);
  const errorsMax = Math.max(...points.map(({ plan }) => plan.errors), 1);
  const x = (index: number): number => left + (index / Math.max(1, points.length - 1)) * (width - left - right);
  const y = (value: number, most: number): number => height - bottom - (value / most) * (height - top - bottom);
  const line = (valueOf: (point: ThresholdPoint) => number, most: number): string =>
    points.map((point, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(valueOf(point), most)}`).join('');
  const every = Math.ceil(points.length / Math.max(2, Math.floor(width / 70)));
  const current = points[at] as ThresholdPoint;
  return (
    <svg width={width} height={height} role="img" aria-label={describePoints(points)}>
      {[0, 0.5, 1].map((part) => (
        <g key={part}>
          <line className="gl" x1={left} x2={width - right} y1={y(part, 1)} y2={y(part, 1)} />
          <text x={left - 8} y={y(part, 1) + 4} textAnchor="end">
            {fixed(100 * part * shareMax, shareMax < 0.1 ? 1 : 0)} %
          </text>
          <text x={width - right + 8} y={y(part, 1) + 4}>
            {Number.isInteger(part * errorsMax) ? part * errorsMax : ''}
          </text>
        </g>
      ))}
      <text x={0} y={11}>
        rows that go on
      </text>
      <text x={width} y={11} textAnchor="end">
        errors
      </text>
      {points.map(({ threshold }, i) =>
        i % every === 0 ? (
          <text key={threshold} x={x(i)} y={height - 8} textAnchor="middle">
            {threshold}
          </text>
        ) : null,
      )}
      {chosenAt < 0 ? null : <line className="chosen" x1={x(chosenAt)} x2={x(chosenAt)} y1={top} y2={height - bottom} />}
      <path className="go-on" d={line(({ plan }) => plan.escalated, shareMax)} />
      <path className="errors" d={line(({ plan }) => plan.errors, errorsMax)} />
      <circle className="go-on-now" cx={x(at)} cy={y(current.plan.escalated, shareMax)} r="4.5" />
      <circle className="errors-now" cx={x(at)} cy={y(current.plan.errors, errorsMax)} r="4.5" />
    </svg>
  );
}

function describePoints(points: readonly ThresholdPoint[]): string {
  return points.map(({ threshold, plan }) => `${threshold}: ${percent(plan.escalated)} % go on, ${plan.errors} errors`).join('; ');
}
