/** The paired test of a run: its numbers and its sentence, both from the server. */
import type { ReactElement } from 'react';
import type { PipelineRunBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { count, plural, sentence } from '../../kit/format/format.ts';
import { NumberStrip, type StripNumber } from '../../kit/number-strip.tsx';
import { shownMetric } from '../training-text.ts';
import { VerdictMark } from './pipeline-marks.tsx';
import { shownFigure } from './pipeline-text.ts';

type PairedTestBody = NonNullable<PipelineRunBody['test']>;

export interface RunTestProps {
  readonly run: PipelineRunBody;
  readonly test: PairedTestBody;
}

const testNames: Readonly<Record<PairedTestBody['kind'], string>> = {
  mcnemar: 'McNemar, exact',
  bootstrap: 'paired bootstrap',
};

export function RunTest({ run, test }: RunTestProps): ReactElement {
  const { holdout, verdict } = run;
  const note = run.steps.find(({ step }) => step === 'approve')?.note ?? null;
  return (
    <Card
      title="Test"
      className="section"
      padded
      aside={verdict === null ? undefined : <VerdictMark verdict={verdict} />}
      end={`${testNames[test.kind]}, one-sided, on ${plural(test.rows, 'row')}`}
      footer={
        holdout === null
          ? undefined
          : `${holdout.uses === 1 ? 'The first test' : `Test ${count(holdout.uses)}`} on these ${count(holdout.rows)} rows. Each test has the same level.`
      }
    >
      <div className="section">
        <NumberStrip numbers={numbersOf(run, test)} />
      </div>
      {note === null ? null : <p>{sentence(note)}</p>}
    </Card>
  );
}

function numbersOf({ scores, version, against }: PipelineRunBody, test: PairedTestBody): StripNumber[] {
  const { wins, losses, gain, p_better: better, p_worse: worse } = test;
  const shown = (value: number | null | undefined): string => (value === null || value === undefined ? '–' : shownMetric(value));
  return [
    { label: 'New version', value: shown(scores?.now), note: version ?? '' },
    { label: 'Compared with', value: shown(scores?.before), note: against ?? '' },
    { label: 'Gain', value: shownFigure(gain), note: 'positive: the new one is better' },
    ...(wins === null || losses === null
      ? []
      : [{ label: 'Right alone', value: `${count(wins)} : ${count(losses)}`, note: 'rows, new against old' }]),
    { label: 'p, better', value: shownFigure(better), note: 'if it were no better' },
    { label: 'p, worse', value: shownFigure(worse), note: 'of the reverse' },
  ];
}
