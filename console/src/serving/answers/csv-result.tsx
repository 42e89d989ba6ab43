/** The results of a file: key figures, predictions, confusion matrix, receipt, code. */
import { Button } from '@mantine/core';
import { type ReactElement, useMemo, useState } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { download } from '../../kit/format/download.ts';
import { duration, fixed, plural } from '../../kit/format/format.ts';
import { usdOfRequests } from '../../kit/format/money.ts';
import { writeCsv } from '../../kit/format/write-csv.ts';
import { Icon } from '../../kit/icon.tsx';
import { NumberStrip, type StripNumber } from '../../kit/number-strip.tsx';
import { useSearchValue } from '../../kit/page/search-state.ts';
import type { Csv } from '../csv.ts';
import { type Mapping, rowValues } from '../mapping.ts';
import { answerShape, type InputSignature, pictureShape } from '../signature.ts';
import type { InvokedRows } from '../use-invoke.ts';
import type { Samples } from '../use-samples.ts';
import { accuracyOf, confusionOf, type JudgedAnswer, judge, meanError } from './answers.ts';
import { AnswersCard, type Filter, filters } from './answers-card.tsx';
import { type Cell, ConfusionMatrix } from './confusion-matrix.tsx';
import { Pixels } from './pixels.tsx';
import { ReceiptCard } from './receipt-card.tsx';
import { SnippetsCard } from './snippets-card.tsx';

interface ResultProps {
  readonly endpoint: EndpointBody;
  readonly signature: InputSignature;
  readonly samples: Samples | null;
  readonly csv: Csv;
  readonly mapping: Mapping;
  readonly invoked: InvokedRows;
  readonly tookMs: number;
  readonly name: string;
}

export function CsvResult(props: ResultProps): ReactElement {
  const { endpoint, signature, samples, csv, mapping, invoked } = props;
  const shape = useMemo(() => answerShape(signature), [signature]);
  const judged = useMemo(() => {
    const truths = csv.rows
      .slice(0, invoked.predictions.length)
      .map((row) => (mapping.truth === null ? null : (row[mapping.truth] ?? null)));
    return judge(invoked.predictions, truths, shape, samples?.labels ?? null);
  }, [csv, invoked, mapping, shape, samples]);
  const hasWrong = judged.answers.some(({ isRight }) => isRight === false);
  const [requestedFilter, setFilter] = useSearchValue('show', hasWrong ? 'wrong' : 'all');
  const filter = filters.find((each) => each === requestedFilter) ?? 'all';
  const [cell, setCell] = useState<Cell | null>(null);
  const first = judged.answers.findIndex(({ isRight }) => isRight === false);
  const [chosen, choose] = useState(hasWrong && first >= 0 ? first : 0);
  const values = rowValues(csv.rows[chosen] ?? [], signature.inputs, mapping);
  const confusion = useMemo(() => (judged.kind === 'classes' ? confusionOf(judged) : null), [judged]);
  const receipt = invoked.receipts[chosen] ?? null;
  return (
    <div className="gap">
      <NumberStrip numbers={judged.kind === 'classes' ? classNumbers(judged, props) : valueNumbers(judged, props)} />
      <div className="grid">
        <div className="c7 stack">
          <AnswersCard
            judged={judged}
            filter={filter}
            onFilter={(value: Filter) => {
              setCell(null);
              setFilter(value);
            }}
            cell={cell}
            chosen={chosen}
            onChoose={choose}
            show={(row) => <RowShown row={csv.rows[row] ?? []} signature={signature} mapping={mapping} />}
            save={<Download judged={judged} {...props} />}
            shown={pictureOf(signature) === null ? 'Values' : 'Picture'}
          />
          {receipt === null ? null : (
            <ReceiptCard title={`Receipt of row ${chosen + 1}`} receipt={receipt} objective={endpoint.objective} />
          )}
        </div>
        <div className="c5 stack">
          {confusion === null ? null : <ConfusionMatrix confusion={confusion} chosen={cell} onChoose={setCell} />}
          <SnippetsCard endpoint={endpoint.name} signature={signature} values={values} of={`row ${chosen + 1}`} />
        </div>
      </div>
    </div>
  );
}

function pictureOf({ inputs }: InputSignature) {
  const [input] = inputs;
  return inputs.length === 1 && input !== undefined ? pictureShape(input) : null;
}

function RowShown({
  row,
  signature,
  mapping,
}: {
  readonly row: readonly string[];
  readonly signature: InputSignature;
  readonly mapping: Mapping;
}): ReactElement {
  const picture = pictureOf(signature);
  const values = Object.values(rowValues(row, signature.inputs, mapping)).flat();
  if (picture !== null) return <Pixels values={values} picture={picture} />;
  const text = values.slice(0, 4).join(', ');
  return (
    <span className="values" title={values.slice(0, 40).join(', ')}>
      {values.length > 4 ? `${text}, …` : text}
    </span>
  );
}

function timeAndCost({ invoked, tookMs }: ResultProps, rows: number): StripNumber[] {
  return [
    {
      label: 'Duration',
      value: duration(tookMs).split(' ')[0] ?? '',
      unit: duration(tookMs).split(' ')[1] ?? '',
      note: `${plural(invoked.parts, 'part')} in batches of up to ${invoked.batchRowsMax}`,
    },
    {
      label: 'Cost of these rows',
      value: usdOfRequests(invoked.costUsd),
      note: `${plural(rows, 'receipt')}: run time only, without idle instances`,
    },
  ];
}

function classNumbers(judged: JudgedAnswer, props: ResultProps): StripNumber[] {
  const { answers } = judged;
  const accuracy = accuracyOf(answers);
  const rest = timeAndCost(props, answers.length);
  if (accuracy === null)
    return [
      {
        label: 'Predictions',
        value: String(answers.length),
        note: `${plural(judged.classes.length, 'class', 'classes')}; no labels to compare with`,
      },
      ...rest,
    ];
  const wrong = answers.filter(({ isRight }) => isRight === false);
  const mistakes = wrong.reduce((counts, { answer }) => counts.set(answer, (counts.get(answer) ?? 0) + 1), new Map<string, number>());
  const [worst] = [...mistakes].toSorted(([, a], [, b]) => b - a);
  return [
    {
      label: 'Accuracy',
      value: accuracy.share.toFixed(3),
      note: `${accuracy.right} of ${accuracy.judged} right, ${accuracy.low.toFixed(3)}–${accuracy.high.toFixed(3)} at 95 %`,
    },
    { label: 'Wrong', value: String(wrong.length), note: worst === undefined ? 'none' : `${worst[1]} predicted as ${worst[0]}` },
    ...rest,
  ];
}

function valueNumbers({ kind, answers }: JudgedAnswer, props: ResultProps): StripNumber[] {
  const error = kind === 'number' ? meanError(answers) : null;
  return [
    error === null
      ? {
          label: 'Predictions',
          value: String(answers.length),
          note: kind === 'number' ? 'no labels to compare with' : 'values, not classes',
        }
      : { label: 'Mean absolute error', value: fixed(error, 3), note: `over ${plural(answers.length, 'row')}` },
    ...timeAndCost(props, answers.length),
  ];
}

function Download({ judged, csv, name, endpoint, invoked }: ResultProps & { readonly judged: JudgedAnswer }): ReactElement {
  const save = (): void => {
    const { answers, classes } = judged;
    const withScores = answers.some(({ probabilities }) => probabilities !== null);
    const header = [...csv.header, 'answer', ...(withScores ? classes.map((each) => `p(${each})`) : []), 'cost_usd'];
    const rows = answers.map(({ answer, probabilities }, index) => {
      const receipt = invoked.receipts[index];
      return [
        ...(csv.rows[index] ?? []),
        answer,
        ...(withScores ? classes.map((_, place) => probabilities?.[place] ?? '') : []),
        receipt === null || receipt === undefined ? '' : receipt.cost_usd / receipt.rows,
      ];
    });
    download(`${endpoint.name}-${name.replace(/\.\w+$/, '')}-answers.csv`, writeCsv(header, rows), 'text/csv');
  };
  return (
    <Button size="sm" leftSection={<Icon name="download" />} onClick={save}>
      Download predictions
    </Button>
  );
}
