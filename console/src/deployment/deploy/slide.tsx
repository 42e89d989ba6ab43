/** A slider over steps that one would say: arrows go one step, PageUp and PageDown ten, Home and End to the ends. */
import type { KeyboardEvent, ReactElement } from 'react';
import { type PromiseScale, stepOf } from './promise-scale.ts';

export interface SlideProps {
  readonly scale: PromiseScale;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly label: string;
  /** What the value means, for whoever hears it. */
  readonly spoken: string;
  readonly id?: string;
}

const pageSteps = 10;

export function Slide({ scale, value, onChange, label, spoken, id }: SlideProps): ReactElement {
  const { steps } = scale;
  const step = stepOf(scale, value);
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
      aria-valuetext={spoken}
      min={0}
      max={steps.length - 1}
      step={1}
      value={step}
      onChange={(event) => go(Number(event.currentTarget.value))}
      onKeyDown={press}
    />
  );
}
