/** The latency objective on a slider, below its cost curve. */
import { SegmentedControl } from '@mantine/core';
import type { ReactElement } from 'react';
import { fixed } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { type CurvePoints, looserObjective } from './cost-curve.ts';
import { CostCurve } from './cost-curve-chart.tsx';
import { objectiveLabel } from './format-plan.ts';
import { Slide } from './slide.tsx';
import { sliderScale } from './slider-scale.ts';
import './objective-fields.css';

export interface ObjectiveValue {
  readonly percentile: number;
  readonly latencyMs: number;
}

export interface ObjectiveFieldsProps {
  readonly value: ObjectiveValue;
  readonly change: (change: Partial<ObjectiveValue>) => void;
  /** Null while it is loading. */
  readonly curve: CurvePoints | null;
  /** Cost of the chosen objective; null if it is unknown or cannot be met. */
  readonly usdPerHour: number | null;
}

/** Without `onNone`, there is always an objective. */
export function Percentiles({
  percentile,
  onChange,
  onNone,
}: {
  readonly percentile: number | null;
  readonly onChange: (percentile: number) => void;
  readonly onNone?: () => void;
}): ReactElement {
  const none = onNone === undefined ? [] : [{ value: '', label: 'none' }];
  return (
    <SegmentedControl
      aria-label="Percentile"
      data={[...['50', '95', '99'].map((value) => ({ value, label: `p${value}` })), ...none]}
      value={percentile === null ? '' : String(percentile)}
      onChange={(value) => (value === '' ? onNone?.() : onChange(Number(value)))}
    />
  );
}

export function ObjectiveFields({ value, change, curve, usdPerHour }: ObjectiveFieldsProps): ReactElement {
  const { percentile, latencyMs } = value;
  const scale = sliderScale(curve?.[0]?.latency_ms ?? 1, curve?.at(-1)?.latency_ms ?? 1000);
  const looser = curve === null || usdPerHour === null ? null : looserObjective(curve, latencyMs, usdPerHour);
  return (
    <>
      <div className="row objective-figure">
        <span className="figure t">
          p{percentile} ≤ {latencyMs >= 1000 ? fixed(latencyMs / 1000, latencyMs % 1000 === 0 ? 0 : 1) : latencyMs}
        </span>
        <span className="dim">{latencyMs >= 1000 ? 's' : 'ms'}</span>
        <span className="end sm dim">
          {usdPerHour === null
            ? ''
            : looser === null
              ? 'a looser objective saves nothing'
              : `${looser.ms} ms would cost ${usdFine(looser.usd)} per hour`}
        </span>
      </div>
      {curve === null ? (
        <div className="curve curve-empty" />
      ) : (
        <CostCurve points={curve} percentile={percentile} latencyMs={latencyMs} usdPerHour={usdPerHour} />
      )}
      <Slide
        scale={scale}
        value={latencyMs}
        onChange={(latency) => change({ latencyMs: latency })}
        label="Latency objective"
        valueLabel={objectiveLabel(percentile, latencyMs, usdPerHour)}
      />
    </>
  );
}
