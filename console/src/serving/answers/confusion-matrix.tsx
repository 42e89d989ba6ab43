/** Labels by predictions: the diagonal in accent, errors in red, zeros as dots. A cell filters the predictions. */
import type { ReactElement } from 'react';
import { Card } from '../../kit/card.tsx';
import { fixed } from '../../kit/format/format.ts';
import { type Confusion, hardest } from './answers.ts';

export interface Cell {
  readonly truth: string;
  readonly answer: string;
}

interface MatrixProps {
  readonly confusion: Confusion;
  readonly chosen: Cell | null;
  readonly onChoose: (cell: Cell | null) => void;
}

export function ConfusionMatrix({ confusion, chosen, onChoose }: MatrixProps): ReactElement {
  const { classes, counts } = confusion;
  const most = Math.max(...counts.flat());
  const worst = hardest(confusion);
  return (
    <Card title="Confusion matrix" end="rows: label, columns: prediction" padded>
      <div className="tw">
        <table className="cm">
          <caption className="unseen">Predictions by label; a cell filters the predictions</caption>
          <thead>
            <tr>
              <td />
              {classes.map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
              <th scope="col" className="wide recall">
                recall
              </th>
            </tr>
          </thead>
          <tbody>
            {counts.map((row, index) => (
              <Row key={classes[index]} row={row} index={index} classes={classes} most={most} chosen={chosen} onChoose={onChoose} />
            ))}
          </tbody>
        </table>
      </div>
      <p className="sm dim hint">{worst === null ? 'No errors.' : `Most errors: ${worst}.`} Select a cell to filter the predictions.</p>
    </Card>
  );
}

interface RowProps extends Omit<MatrixProps, 'confusion'> {
  readonly row: readonly number[];
  readonly index: number;
  readonly classes: readonly string[];
  readonly most: number;
}

function Row({ row, index, classes, most, chosen, onChoose }: RowProps): ReactElement {
  const truth = classes[index] ?? '';
  const total = row.reduce((sum, value) => sum + value, 0);
  return (
    <tr>
      <th scope="row">{truth}</th>
      {row.map((value, column) => {
        const answer = classes[column] ?? '';
        const isRight = index === column;
        const isChosen = chosen?.truth === truth && chosen.answer === answer;
        if (value === 0) {
          return (
            <td key={answer} className="none">
              {isRight ? 0 : '·'}
            </td>
          );
        }
        return (
          <td
            key={answer}
            className={isRight ? 'right' : 'wrong'}
            style={isRight ? { background: `rgba(var(--heat), ${(0.14 + (0.3 * value) / most).toFixed(2)})` } : undefined}
          >
            <button
              type="button"
              aria-pressed={isChosen}
              aria-label={`${value} of ${truth} predicted as ${answer}`}
              onClick={() => onChoose(isChosen ? null : { truth, answer })}
            >
              {value}
            </button>
          </td>
        );
      })}
      <td className="wide dim">{total === 0 ? '–' : fixed((row[index] ?? 0) / total, 2)}</td>
    </tr>
  );
}
