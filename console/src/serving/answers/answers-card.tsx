/** The table of predictions, filtered by all, wrong or unsure. */
import { SegmentedControl } from '@mantine/core';
import { type ReactElement, type ReactNode, useState } from 'react';
import { Card } from '../../kit/card.tsx';
import { percent } from '../../kit/format/format.ts';
import type { JudgedAnswer, RowAnswer } from './answers.ts';
import type { Cell } from './confusion-matrix.tsx';
import { ProbabilityBars } from './probability-bars.tsx';

export const filters = ['all', 'wrong', 'unsure'] as const;
export type Filter = (typeof filters)[number];

interface AnswersProps {
  readonly judged: JudgedAnswer;
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
  readonly cell: Cell | null;
  readonly chosen: number;
  readonly onChoose: (row: number) => void;
  /** Renders a row as a picture or by its first values. */
  readonly show: (row: number) => ReactNode;
  readonly shown: string;
  /** A button that downloads all predictions. */
  readonly save: ReactNode;
}

const unsureBelow = 0.8;
const rowsAtOnce = 25;

function matches(answer: RowAnswer, filter: Filter, cell: Cell | null): boolean {
  if (cell !== null) return answer.truth === cell.truth && answer.answer === cell.answer;
  if (filter === 'wrong') return answer.isRight === false;
  if (filter === 'unsure') return answer.sure !== null && answer.sure < unsureBelow;
  return true;
}

export function AnswersCard(props: AnswersProps): ReactElement {
  const { judged, filter, onFilter, cell, show, shown, save } = props;
  const [limit, setLimit] = useState(rowsAtOnce);
  const { answers, classes } = judged;
  const count = (of: Filter): number => answers.filter((answer) => matches(answer, of, null)).length;
  const rows = answers.flatMap((answer, row) => (matches(answer, filter, cell) ? [{ answer, row }] : []));
  const hasTruth = answers.some(({ truth }) => truth !== null);
  const isJudged = answers.some(({ isRight }) => isRight !== null);
  const hasBars = answers.some(({ probabilities }) => probabilities !== null);
  const names: Record<Filter, string> = {
    all: `All ${answers.length}`,
    wrong: `Wrong ${count('wrong')}`,
    unsure: `Unsure ${count('unsure')}`,
  };
  const offered = filters.filter((each) => each === 'all' || (each === 'wrong' ? isJudged : hasBars));
  return (
    <Card
      title={cell === null ? 'Predictions' : `${cell.truth} predicted as ${cell.answer}`}
      end={
        <SegmentedControl
          aria-label="Filter"
          value={cell === null ? filter : ''}
          onChange={(value) => onFilter(value as Filter)}
          data={offered.map((value) => ({ value, label: names[value] }))}
        />
      }
      footer={
        <span className="row">
          {save}
          {rows.length > limit ? (
            <button type="button" className="quiet" onClick={() => setLimit(limit * 4)}>
              Show more of {rows.length}
            </button>
          ) : null}
        </span>
      }
    >
      <div className="tw">
        <table className="dense answers">
          <caption className="unseen">Predictions, {filter}</caption>
          <Head shown={shown} hasTruth={hasTruth} hasBars={hasBars} isMany={classes.length > 12} isValues={judged.kind === 'values'} />
          <tbody>
            {rows.slice(0, limit).map(({ answer, row }) => (
              <AnswerRow key={row} {...props} answer={answer} row={row} hasTruth={hasTruth} hasBars={hasBars} picture={show(row)} />
            ))}
          </tbody>
        </table>
      </div>
      {rows.length === 0 ? <p className="body mut">{filter === 'wrong' ? 'No wrong predictions.' : 'No predictions.'}</p> : null}
    </Card>
  );
}

interface HeadProps {
  readonly shown: string;
  readonly hasTruth: boolean;
  readonly hasBars: boolean;
  readonly isMany: boolean;
  readonly isValues: boolean;
}

function Head({ shown, hasTruth, hasBars, isMany, isValues }: HeadProps): ReactElement {
  return (
    <thead>
      <tr>
        <th scope="col" className="n">
          Row
        </th>
        <th scope="col" className="wide">
          {shown}
        </th>
        {hasTruth ? (
          <th scope="col" className="n">
            Label
          </th>
        ) : null}
        <th scope="col" className={isValues ? undefined : 'n'}>
          Prediction
        </th>
        {hasBars ? <th scope="col">{isMany ? 'Most likely classes' : 'Probability by class'}</th> : null}
        {hasBars ? (
          <th scope="col" className="n wide">
            Confidence
          </th>
        ) : null}
      </tr>
    </thead>
  );
}

interface RowProps extends AnswersProps {
  readonly answer: RowAnswer;
  readonly row: number;
  readonly hasTruth: boolean;
  readonly hasBars: boolean;
  readonly picture: ReactNode;
}

function AnswerRow({ answer, row, judged, chosen, onChoose, hasTruth, hasBars, picture }: RowProps): ReactElement {
  const isWrong = answer.isRight === false;
  return (
    <tr className={`go ${row === chosen ? 'sel' : ''}`} onClick={() => onChoose(row)}>
      <th scope="row" className="n">
        <button type="button" className="quiet name" aria-pressed={row === chosen} aria-label={`Row ${row + 1}: show its receipt`}>
          {row + 1}
        </button>
      </th>
      <td className="wide">{picture}</td>
      {hasTruth ? (
        <td className="n">
          <b>{answer.truth ?? '–'}</b>
        </td>
      ) : null}
      {judged.kind === 'values' ? (
        <td>
          <Values text={answer.answer} />
        </td>
      ) : (
        <td className="n">
          <b className={isWrong ? 'bad' : undefined}>{answer.answer}</b>
          {isWrong ? <span className="bad"> ✕</span> : null}
        </td>
      )}
      {hasBars ? (
        <td>
          <ProbabilityBars answer={answer} classes={judged.classes} />
        </td>
      ) : null}
      {hasBars ? <td className="n wide">{answer.sure === null ? '–' : `${percent(answer.sure)} %`}</td> : null}
    </tr>
  );
}

const charactersShown = 120;

/** Cuts a long prediction; the tooltip shows more of it. */
function Values({ text }: { readonly text: string }): ReactElement {
  return (
    <span className="values said" title={text.slice(0, 2000)}>
      {text.length > charactersShown ? `${text.slice(0, charactersShown)}…` : text}
    </span>
  );
}
