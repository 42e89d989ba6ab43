/** What each accuracy costs: a slider over the accuracies that these rows certify. Moving it changes nothing that serves. */
import { Button, Slider } from '@mantine/core';
import { type ReactElement, type ReactNode, useState } from 'react';
import type { SelectionPlanBody } from '../../../../src/api/index.ts';
import { Card } from '../card.tsx';
import { useWidth } from '../charts/use-width.ts';
import { fixed, percent, usd } from '../format/format.ts';
import { usdFine } from '../format/money.ts';
import { Pairs } from '../pairs.tsx';
import { ParetoPlot } from './pareto-plot.tsx';
import { cheapestFor, pricesByFloor, type SelectionPlan, usdPerMillionOf } from './selection-plans.ts';

interface PlansByFloorProps {
  readonly body: SelectionPlanBody;
  /** The accuracy that the answer is for. */
  readonly floor: number;
  /** What can be done with another accuracy. */
  readonly actions: (floor: number) => ReactNode;
}

/** Slider steps: a tenth of a percent. */
const steps = 1000;

/** The plot of all plans, and the price of every accuracy. */
export function PlansByFloor({ body, floor: asked, actions }: PlansByFloorProps): ReactElement {
  const [moved, setMoved] = useState<number | null>(null);
  const floor = moved ?? asked;
  const cheapest = cheapestFor(floor, body.plans);
  const isMoved = floor !== asked;
  // For another accuracy the ladder is not known, but its first plan is.
  const ladder = isMoved ? (cheapest === null ? [] : [cheapest.plan]) : body.ladder;
  const plans = isMoved ? body.plans.map((plan) => ({ ...plan, certified: (plan.certified_to ?? 0) >= floor })) : body.plans;
  return (
    <div className="stack">
      <ParetoPlot body={{ plans, ladder }} floor={floor} />
      <FloorSlider plans={body.plans} floor={floor} cheapest={cheapest} onFloor={setMoved}>
        {isMoved ? <Button onClick={() => setMoved(null)}>Back to {percent(asked)} %</Button> : null}
        {actions(floor)}
      </FloorSlider>
    </div>
  );
}

interface FloorSliderProps {
  readonly plans: readonly SelectionPlan[];
  readonly floor: number;
  readonly cheapest: SelectionPlan | null;
  readonly onFloor: (floor: number) => void;
  readonly children: ReactNode;
}

function FloorSlider({ plans, floor, cheapest, onFloor, children }: FloorSliderProps): ReactElement | null {
  const [box, width] = useWidth<HTMLDivElement>();
  const prices = pricesByFloor(plans);
  const last = prices.at(-1);
  if (last === undefined) return null;
  const from = Math.floor(steps * Math.min(floor, ...plans.map(({ accuracy }) => accuracy))) / steps;
  const to = Math.ceil(steps * Math.max(floor, ...plans.map(({ accuracy }) => accuracy))) / steps;
  return (
    <Card
      title="Price of an accuracy"
      padded
      footer={`These rows certify at most ${fixed(last.to, 4)}: a higher accuracy needs more of them. Moving it changes nothing that serves.`}
    >
      <div ref={box} className="floor-steps">
        {width > 0 ? <Prices prices={prices} from={from} to={to} floor={floor} cheapest={cheapest} width={width} /> : null}
      </div>
      <Slider
        className="floor-slider"
        thumbLabel="Accuracy to keep"
        min={Math.round(from * steps)}
        max={Math.round(to * steps)}
        step={1}
        value={Math.round(floor * steps)}
        label={(value) => `${percent(value / steps)} %`}
        onChange={(value) => onFloor(value / steps)}
      />
      <Pairs
        pairs={[
          ['Accuracy of at least', `${percent(floor)} %`],
          ['Cheapest plan', cheapest?.plan ?? 'none is certified by these rows'],
          ...(cheapest === null
            ? []
            : ([
                ['Accuracy', `${fixed(cheapest.accuracy, 4)} on these rows`],
                [
                  'Cost',
                  `${usd(cheapest.usd_per_hour)} per hour, ${usdFine(usdPerMillionOf(cheapest))} per million rows on busy instances`,
                ],
              ] as const)),
        ]}
      />
      <div className="row wrap floor-actions">{children}</div>
    </Card>
  );
}

const height = 120;
const [left, right, top, bottom] = [84, 16, 24, 22];

interface PricesProps {
  readonly prices: ReturnType<typeof pricesByFloor>;
  readonly from: number;
  readonly to: number;
  readonly floor: number;
  readonly cheapest: SelectionPlan | null;
  readonly width: number;
}

function Prices({ prices, from, to, floor, cheapest, width }: PricesProps): ReactElement {
  const most = Math.max(...prices.map(({ plan }) => usdPerMillionOf(plan)));
  const x = (accuracy: number): number => left + (Math.max(0, accuracy - from) / Math.max(to - from, 1e-6)) * (width - left - right);
  const y = (plan: SelectionPlan): number => height - bottom - (usdPerMillionOf(plan) / most) * (height - top - bottom);
  const path = prices.map(({ to: end, plan }, i) => `${i === 0 ? `M${x(from)} ${y(plan)}` : `V${y(plan)}`}H${x(end)}`).join('');
  return (
    <svg width={width} height={height} role="img" aria-label={describePrices(prices)}>
      <text x={0} y={11}>
        cost per million rows
      </text>
      <text x={left - 8} y={top + 4} textAnchor="end">
        {usdFine(most)}
      </text>
      <line className="gl" x1={left} x2={width - right} y1={height - bottom} y2={height - bottom} />
      <text x={left} y={height - 6}>
        {percent(from)} %
      </text>
      <text x={width - right} y={height - 6} textAnchor="end">
        {percent(to)} %
      </text>
      <path className="price" d={path} />
      <line className="chosen" x1={x(floor)} x2={x(floor)} y1={top} y2={height - bottom} />
      {cheapest === null ? null : <circle className="price-now" cx={x(floor)} cy={y(cheapest)} r="4.5" />}
    </svg>
  );
}

function describePrices(prices: PricesProps['prices']): string {
  return prices
    .map(({ to, plan }) => `up to ${fixed(to, 4)}: ${plan.plan} for ${usdFine(usdPerMillionOf(plan))} per million rows`)
    .join('; ');
}
