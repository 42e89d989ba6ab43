/** The request: candidates, an evaluation set, the accuracy to keep, a latency and a load. */
import { Button, MultiSelect, NumberInput, SegmentedControl, Select } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { EvaluationBody, EvaluationSetBody } from '../../../src/api/index.ts';
import { answeredBy, candidatesLimit } from '../api/evaluation-queries.ts';
import { Card } from '../kit/card.tsx';
import { count, parseObjectiveText, plural } from '../kit/format/format.ts';
import type { SelectionAsk } from '../kit/plans/selection-plans.ts';

interface SelectionFormProps {
  readonly sets: readonly EvaluationSetBody[];
  readonly evaluations: readonly EvaluationBody[];
  /** The request that is shown; null at first. */
  readonly ask: SelectionAsk | null;
  readonly onAsk: (ask: SelectionAsk) => void;
}

export function SelectionForm({ sets, evaluations, ask, onAsk }: SelectionFormProps): ReactElement {
  const labelled = sets.filter(({ classes }) => classes !== null);
  const [set, setSet] = useState(ask?.set ?? labelled[0]?.name ?? '');
  const candidates = answeredBy(set, evaluations);
  const [models, setModels] = useState<readonly string[]>(ask?.models ?? candidates.slice(0, candidatesLimit));
  const [wanted, setWanted] = useState(wantedOf(ask));
  const { floor, percentile, latencyMs, rate } = wanted;
  const shown = labelled.find(({ name }) => name === set);
  const missing =
    models.length === 0
      ? 'Choose a model.'
      : floor === '' || latencyMs === '' || rate === ''
        ? 'Fill in accuracy, latency and rate.'
        : null;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (missing !== null) return;
        onAsk({ set, models, floor: Number(floor) / 100, objective: `${percentile}<=${latencyMs}ms`, rate: Number(rate) });
      }}
    >
      <Card
        title="What is wanted"
        padded
        className="selection-form"
        footer={
          shown === undefined
            ? undefined
            : `${count(shown.rows)} labelled rows, answered by ${plural(shown.models, 'model')}. Each further model on a set needs more rows for a proof.`
        }
      >
        <div className="selection-fields">
          <Select
            label="Evaluation set"
            data={labelled.map(({ name }) => name)}
            value={set}
            allowDeselect={false}
            onChange={(value) => {
              setSet(value ?? '');
              setModels(answeredBy(value ?? '', evaluations).slice(0, candidatesLimit));
            }}
          />
          <MultiSelect
            className="selection-models"
            label="Candidates"
            data={candidates}
            value={[...models]}
            maxValues={candidatesLimit}
            onChange={setModels}
          />
          <WantedFields {...wanted} change={(part) => setWanted({ ...wanted, ...part })} />
          <div className="row end-aligned">
            <Button type="submit" variant="filled" disabled={missing !== null}>
              Choose
            </Button>
            <span className="sm dim" role="status">
              {missing ?? 'Nothing is deployed.'}
            </span>
          </div>
        </div>
      </Card>
    </form>
  );
}

interface Wanted {
  /** Percent. */
  readonly floor: number | string;
  readonly percentile: string;
  readonly latencyMs: number | string;
  readonly rate: number | string;
}

function wantedOf(ask: SelectionAsk | null): Wanted {
  const known = parseObjectiveText(ask?.objective ?? null);
  return {
    floor: ask === null ? 95 : Number((100 * ask.floor).toPrecision(6)),
    percentile: known === null ? 'p95' : `p${known.percentile}`,
    latencyMs: known?.latencyMs ?? 50,
    rate: ask?.rate ?? 100,
  };
}

function WantedFields({
  floor,
  percentile,
  latencyMs,
  rate,
  change,
}: Wanted & { readonly change: (part: Partial<Wanted>) => void }): ReactElement {
  return (
    <>
      <NumberInput
        label="Accuracy of at least, %"
        min={1}
        max={99.99}
        step={0.5}
        decimalScale={2}
        value={floor}
        onChange={(value) => change({ floor: value })}
      />
      <div className="row wrap end-aligned">
        <SegmentedControl
          aria-label="Percentile"
          value={percentile}
          onChange={(value) => change({ percentile: value })}
          data={['p50', 'p95', 'p99']}
        />
        <NumberInput label="Latency in ms" min={0.1} max={3_600_000} value={latencyMs} onChange={(value) => change({ latencyMs: value })} />
      </div>
      <NumberInput label="Rows per second" min={0.001} max={1_000_000} value={rate} onChange={(value) => change({ rate: value })} />
    </>
  );
}
