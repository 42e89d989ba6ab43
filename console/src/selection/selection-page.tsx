/** The Selection page: which model, or cascade of two, should serve, with the proof. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { EvaluationBody, EvaluationSetBody, SelectionPlanBody } from '../../../src/api/index.ts';
import { evaluationsQuery } from '../api/evaluation-queries.ts';
import { Card } from '../kit/card.tsx';
import { count, ms, percent, plural, usd } from '../kit/format/format.ts';
import { usdFine } from '../kit/format/money.ts';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { PlansByFloor } from '../kit/plans/floor-slider.tsx';
import { askOf, type SelectionAsk, selectionQuery, setsQuery } from '../kit/plans/selection-plans.ts';
import { PlansTable } from './plans-table.tsx';
import { SelectionForm } from './selection-form.tsx';
import { ServeCard } from './serve-card.tsx';
import { ThresholdView } from './threshold-view.tsx';
import './selection.css';

export function SelectionPage(): ReactElement {
  const sets = useQuery(setsQuery());
  const evaluations = useQuery(evaluationsQuery());
  return (
    <PageLayout title="Selection" facts={<span>The cheapest model, or cascade of two, with a proven accuracy.</span>}>
      <LoadedContent query={sets} what="The evaluation sets could not be loaded.">
        {(found) => (
          <LoadedContent query={evaluations} what="The evaluations could not be loaded.">
            {(done) => (found.items.length === 0 ? <NothingEvaluated /> : <Chosen sets={found.items} evaluations={done.items} />)}
          </LoadedContent>
        )}
      </LoadedContent>
    </PageLayout>
  );
}

function NothingEvaluated(): ReactElement {
  return (
    <Card title="Evaluations">
      <Empty title="No model was evaluated yet" command="penstock evaluate MODEL MODEL --data FILE --label COLUMN --name SET">
        A selection needs to know what each model is worth: an evaluation runs the candidates over a labelled file.
      </Empty>
    </Card>
  );
}

interface ChosenProps {
  readonly sets: readonly EvaluationSetBody[];
  readonly evaluations: readonly EvaluationBody[];
}

function Chosen({ sets, evaluations }: ChosenProps): ReactElement {
  const [values, change] = useSearchValues();
  const ask = askOf(values);
  const onAsk = ({ set, models, floor, objective, rate }: SelectionAsk): void =>
    change({ set, models: models.join(), floor: String(floor), objective, rate: String(rate) });
  return (
    <div className="stack">
      <SelectionForm key={ask?.floor ?? 0} sets={sets} evaluations={evaluations} ask={ask} onAsk={onAsk} />
      {ask === null ? null : <Answer ask={ask} onAsk={onAsk} />}
    </div>
  );
}

function Answer({ ask, onAsk }: { readonly ask: SelectionAsk; readonly onAsk: (ask: SelectionAsk) => void }): ReactElement {
  const plan = useQuery(selectionQuery(ask));
  return (
    <LoadedContent query={plan} what="No plan could be chosen." heights={[120, 340]}>
      {(body) => (
        <div className="stack">
          <Outcome body={body} />
          <ServeCard key={ask.set} ask={ask} isProven={body.floor_plan !== null} />
          <div className="grid">
            <div className="c7">
              <PlansByFloor
                key={ask.floor}
                body={body}
                floor={ask.floor}
                actions={(floor) =>
                  floor === ask.floor ? null : (
                    <Button variant="filled" onClick={() => onAsk({ ...ask, floor })}>
                      Choose for {percent(floor)} %
                    </Button>
                  )
                }
              />
            </div>
            <div className="c5">
              <ThresholdView body={body} />
            </div>
          </div>
          <PlansTable body={body} />
        </div>
      )}
    </LoadedContent>
  );
}

const states: Readonly<Record<SelectionPlanBody['state'], string>> = {
  certified: 'Certified',
  estimated: 'Estimated',
  'not-certified': 'Not certified',
};

function Outcome({ body }: { readonly body: SelectionPlanBody }): ReactElement {
  const { predicted, set, chains, level, rows_needed: needed } = body;
  const proof = level === null ? 'no floor' : `${chains} chains of tests, each at ${level.toPrecision(2)}`;
  const used = `answered by ${plural(set.models, 'model')} and used for ${plural(set.choices, 'choice')} of plans`;
  return (
    <Card title={states[body.state]} footer={<span>{`${set.name}, ${count(set.rows)} rows, ${used}; ${proof}`}</span>}>
      <Note tone={body.state === 'certified' ? 'accent' : 'warn'} title={body.explanation} />
      <div className="body">
        <NumberStrip
          numbers={[
            {
              label: 'Instances are sized for',
              value: body.floor_plan ?? body.fallback,
              note: body.floor_plan === null ? 'would serve' : 'floor plan',
            },
            { label: 'At best', value: body.top_plan ?? body.fallback, note: `${body.ladder.length} on the ladder` },
            ...(predicted === null
              ? []
              : [
                  { label: 'p95, predicted', value: ms(predicted.p95_ms), unit: 'ms', note: `${percent(predicted.in_time)} % in time` },
                  {
                    label: 'Cost, predicted',
                    value: usd(predicted.usd_per_hour),
                    unit: 'per hour',
                    note: `${usdFine(predicted.usd_per_million)} per million rows`,
                  },
                ]),
            ...(needed === null ? [] : [{ label: 'Rows for a proof', value: `about ${count(needed)}`, note: `${count(set.rows)} so far` }]),
          ]}
        />
      </div>
    </Card>
  );
}
