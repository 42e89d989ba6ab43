/** A slider over the steps of a scale. Arrow keys move one step, PageUp and PageDown ten, Home and End to the ends. */
import type { KeyboardEvent, ReactElement } from 'react';
import { type SliderScale, scaleStepOf } from './slider-scale.ts';

export interface SlideProps {
  readonly scale: SliderScale;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly label: string;
  /** The value in words, for screen readers. */
  readonly valueLabel: string;
  readonly id?: string;
}

const pageSteps = 10;

export function Slide({ scale, value, onChange, label, valueLabel, id }: SlideProps): ReactElement {
  const { steps } = scale;
  const step = scaleStepOf(scale, value);
  const go = (to: number): void => {
    const next = steps[Math.max(0, Math.min(steps.length - 1, to))];
    if (next !== undefined) onChange(next);
  };
  const press = (event: KeyboardEvent): void => {
    const by = event.key === 'PageUp' ? pageSteps : event.key === 'PageDown' ? -pageSteps : 0;
    if (by === 0) return;
    event.preventDefault();
    go(step + by);
  };
  return (
    <input
      type="range"
      className="slide"
      id={id}
      aria-label={label}
      aria-valuetext={valueLabel}
      min={0}
      max={steps.length - 1}
      step={1}
      value={step}
      onChange={(event) => go(Number(event.currentTarget.value))}
      onKeyDown={press}
    />
  );
}
