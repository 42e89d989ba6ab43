/** Accuracy against cost of every plan, with 95 % intervals. Up and left is better. */
import type { ReactElement } from 'react';
import type { SelectionPlanBody } from '../../../../src/api/index.ts';
import { Card } from '../card.tsx';
import { Legend } from '../charts/legend.tsx';
import { linearAxis, logAxis } from '../charts/log-scale.ts';
import { useWidth } from '../charts/use-width.ts';
import { fixed } from '../format/format.ts';
import { usdFine } from '../format/money.ts';
import { cascadeOf, isDominated, placeNames, type SelectionPlan, usdPerMillionOf } from './selection-plans.ts';
import './plans.css';

const height = 320;
const [left, right, top, bottom] = [52, 16, 28, 44];

interface ParetoProps {
  readonly body: Pick<SelectionPlanBody, 'plans' | 'ladder'>;
  readonly floor: number;
}

export function ParetoPlot({ body, floor }: ParetoProps): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  return (
    <Card
      title="Accuracy and cost"
      padded
      aside={
        <Legend
          items={[
            { label: 'ladder', color: 'accent', mark: 'line' },
            { label: 'accuracy to keep', color: 'bad', mark: 'dash' },
          ]}
        />
      }
      footer="Filled: certified. Hollow: not. Grey: another plan is faster and more accurate. Bars are 95 % intervals of these rows."
    >
      <div ref={box} className="pareto">
        {width > 0 ? <Drawing plans={body.plans} ladder={body.ladder} floor={floor} width={width} /> : null}
      </div>
    </Card>
  );
}

interface DrawingProps {
  readonly plans: readonly SelectionPlan[];
  readonly ladder: readonly string[];
  readonly floor: number;
  readonly width: number;
}

function Drawing({ plans, ladder, floor, width }: DrawingProps): ReactElement {
  const x = logAxis(plans.map(usdPerMillionOf), left + 10, width - right - 10);
  const least = Math.min(floor, ...plans.map(({ accuracy }) => accuracy));
  const most = Math.max(floor, ...plans.map(({ high }) => high));
  const y = linearAxis([least, most], height - bottom, top);
  const place = (plan: SelectionPlan): Place => ({
    cx: x.at(usdPerMillionOf(plan)),
    cy: y.at(plan.accuracy),
  });
  const rungs = ladder.flatMap((name) => plans.find(({ plan }) => plan === name) ?? []);
  const path = rungs.map((plan, i) => `${i === 0 ? 'M' : 'L'}${place(plan).cx} ${place(plan).cy}`).join('');
  // Grey points first: the others are drawn above them.
  const sorted = plans.toSorted((a, b) => rank(a, plans, ladder) - rank(b, plans, ladder));
  // The ends of the ladder have the choice of a place, then the other rungs, then models alone.
  const named = plans.filter(({ plan }) => cascadeOf(plan) === null || ladder.includes(plan));
  const ends = [ladder[0], ladder.at(-1)];
  const order = ({ plan }: SelectionPlan): number => (ends.includes(plan) ? 0 : ladder.includes(plan) ? 1 : 2);
  const labelled = named.toSorted((a, b) => order(a) - order(b) || b.accuracy - a.accuracy);
  return (
    <svg width={width} height={height} role="img" aria-label={describePlans(plans, ladder)}>
      {y.ticks.map((tick) => (
        <g key={tick}>
          <line className="gl" x1={left} x2={width - right} y1={y.at(tick)} y2={y.at(tick)} />
          <text x={left - 8} y={y.at(tick) + 4} textAnchor="end">
            {fixed(tick, 3)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <text key={tick} x={x.at(tick)} y={height - bottom + 18} textAnchor="middle">
          {usdFine(tick)}
        </text>
      ))}
      <text x={0} y={11}>
        accuracy
      </text>
      <text x={width - right} y={height - 4} textAnchor="end">
        cost per million rows on busy instances
      </text>
      <line className="floor" x1={left} x2={width - right} y1={y.at(floor)} y2={y.at(floor)} />
      {rungs.length > 1 ? <path className="ladder" d={path} /> : null}
      {sorted.map((plan) => (
        <PlanPoint
          key={plan.plan}
          plan={plan}
          {...place(plan)}
          low={y.at(plan.low)}
          high={y.at(plan.high)}
          kind={kindOf(plan, plans, ladder)}
        />
      ))}
      {placeNames(
        labelled.map((plan) => ({ name: plan.plan, ...place(plan) })),
        plans.filter((plan) => kindOf(plan, plans, ladder) !== 'dominated').map(place),
        { width, top, bottom: height - bottom },
      ).map(({ name, x: at, y: baseline, isLeft }) => (
        <text key={name} className="point-name" x={at} y={baseline} textAnchor={isLeft ? 'end' : 'start'}>
          {name}
        </text>
      ))}
    </svg>
  );
}

type PointKind = 'rung' | 'front' | 'dominated';

function kindOf(plan: SelectionPlan, plans: readonly SelectionPlan[], ladder: readonly string[]): PointKind {
  if (ladder.includes(plan.plan)) return 'rung';
  return isDominated(plan, plans) ? 'dominated' : 'front';
}

function rank(plan: SelectionPlan, plans: readonly SelectionPlan[], ladder: readonly string[]): number {
  return ['dominated', 'front', 'rung'].indexOf(kindOf(plan, plans, ladder));
}

interface PointProps {
  readonly plan: SelectionPlan;
  readonly cx: number;
  readonly cy: number;
  readonly low: number;
  readonly high: number;
  readonly kind: PointKind;
}

function PlanPoint({ plan, cx, cy, low, high, kind }: PointProps): ReactElement {
  const bounded = Math.min(low, height - bottom);
  return (
    <g className={`plan-point ${kind} ${plan.certified ? 'certified' : ''}`}>
      <title>
        {`${plan.plan}: accuracy ${fixed(plan.accuracy, 4)} (95 %: ${fixed(plan.low, 4)} to ${fixed(plan.high, 4)}), ${usdFine(usdPerMillionOf(plan))} per million. ${plan.rejected ?? 'On the ladder.'}`}
      </title>
      {kind === 'dominated' ? null : <line className="interval" x1={cx} x2={cx} y1={bounded} y2={high} />}
      <circle cx={cx} cy={cy} r={kind === 'dominated' ? 2.5 : 5} />
    </g>
  );
}

interface Place {
  readonly cx: number;
  readonly cy: number;
}

function describePlans(plans: readonly SelectionPlan[], ladder: readonly string[]): string {
  const shown = plans.filter(({ plan }) => cascadeOf(plan) === null || ladder.includes(plan));
  return `Accuracy against cost of ${plans.length} plans. ${shown
    .map((plan) => `${plan.plan}: ${fixed(plan.accuracy, 4)} at ${usdFine(usdPerMillionOf(plan))} per million rows`)
    .join('; ')}.`;
}
