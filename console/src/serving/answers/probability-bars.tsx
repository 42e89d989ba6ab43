/** The probability of each class as a small bar. A wrong prediction is red; the label's bar is dark. */
import type { ReactElement } from 'react';
import { percent } from '../../kit/format/format.ts';
import type { RowAnswer } from './answers.ts';

const classesShown = 12;

export function ProbabilityBars({
  answer,
  classes,
}: {
  readonly answer: RowAnswer;
  readonly classes: readonly string[];
}): ReactElement | null {
  const { probabilities } = answer;
  if (probabilities === null) return null;
  // With many classes, show only the five most likely.
  const order = probabilities.map((value, index) => ({ value, name: classes[index] ?? String(index) }));
  const shown = order.length <= classesShown ? order : order.toSorted((a, b) => b.value - a.value).slice(0, 5);
  const isLong = shown.some(({ name }) => name.length > 3);
  return isLong ? <NamedBars answer={answer} shown={shown} /> : <Bars answer={answer} shown={shown} />;
}

interface ShownProps {
  readonly answer: RowAnswer;
  readonly shown: readonly { readonly value: number; readonly name: string }[];
}

const labelOf = (shown: ShownProps['shown']): string => shown.map(({ name, value }) => `${name}: ${percent(value)} %`).join(', ');

function colorOf(name: string, { answer, truth, isRight }: RowAnswer): string {
  if (name === answer) return isRight === false ? 'bad' : 'accent';
  return name === truth ? 'ink-2' : 'line-2';
}

const step = 17;

function Bars({ answer, shown }: ShownProps): ReactElement {
  return (
    <svg width={step * shown.length} height="34" role="img" aria-label={labelOf(shown)}>
      {shown.map(({ name, value }, index) => {
        const isNamed = name === answer.answer || name === answer.truth;
        return (
          <g key={name}>
            <rect
              x={index * step + 1}
              y={22 - Math.max(1, value * 21)}
              width={step - 3}
              height={Math.max(1, value * 21)}
              rx="1"
              fill={`var(--${colorOf(name, answer)})`}
            />
            <text x={index * step + step / 2} y="33" textAnchor="middle" className={isNamed ? 'named' : 'unnamed'}>
              {name}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function NamedBars({ answer, shown }: ShownProps): ReactElement {
  return (
    <span className="words-bars" role="img" aria-label={labelOf(shown)}>
      {shown.map(({ name, value }) => (
        <span key={name}>
          <i style={{ width: `${Math.max(2, value * 72)}px`, background: `var(--${colorOf(name, answer)})` }} />
          {name} {percent(value)} %
        </span>
      ))}
    </span>
  );
}
