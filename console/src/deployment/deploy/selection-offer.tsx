/** Offers to let Penstock select among several models, where a single one is about to be deployed. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, type ReactNode, useState } from 'react';
import { evaluationsQuery, sharedSetOf } from '../../api/evaluation-queries.ts';
import { count, percent, plural } from '../../kit/format/format.ts';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PlansByFloor } from '../../kit/plans/floor-slider.tsx';
import { type SelectionAsk, selectionQuery } from '../../kit/plans/selection-plans.ts';
import type { DeployDraft } from './draft.ts';

interface SelectionOfferProps {
  readonly draft: DeployDraft;
  /** All that can be deployed. */
  readonly names: readonly string[];
}

/** The accuracy that the comparison begins with. */
const floorDefault = 0.95;

export function SelectionOffer({ draft, names }: SelectionOfferProps): ReactElement | null {
  const { data } = useQuery(evaluationsQuery());
  const { model, percentile, latencyMs, ratePerSecond } = draft;
  const group = model.split('/')[0] ?? '';
  const shared = sharedSetOf(model, data?.items ?? []);
  const versions = names.filter((name) => name.startsWith(`${group}/`)).length;
  if (shared !== null) {
    const { set, models } = shared;
    const ask: SelectionAsk = { set, models, floor: floorDefault, objective: `p${percentile}<=${latencyMs}ms`, rate: ratePerSecond };
    return <Comparison key={set} ask={ask} />;
  }
  if (versions < 2) return null;
  return (
    <Note
      title="Let Penstock select the model."
      end={<Button renderRoot={(props: object) => <Link to="/selection" {...props} />}>See how</Button>}
    >
      {group} has {count(versions)} approved versions. After an evaluation on a labelled file, Penstock serves the cheapest that keeps an
      accuracy.
    </Note>
  );
}

/** Opened by the user: each comparison counts as a use of the evaluation set. */
function Comparison({ ask }: { readonly ask: SelectionAsk }): ReactElement {
  const [isOpen, setIsOpen] = useState(false);
  const { set, models, objective, rate } = ask;
  return (
    <>
      <Note
        tone="accent"
        title="Let Penstock select the model."
        end={<Button onClick={() => setIsOpen(!isOpen)}>{isOpen ? 'Close' : `Select among ${count(models.length)}`}</Button>}
      >
        {plural(models.length - 1, 'other model')} answered {set} too. Name the accuracy to keep: Penstock serves the cheapest model, or
        cascade of two, that is proven to keep it.
      </Note>
      {isOpen ? (
        <Prices
          ask={ask}
          actions={(floor) => (
            <Button
              variant="filled"
              renderRoot={(props: object) => (
                <Link
                  to="/selection"
                  search={{ set, models: models.join(), floor: String(floor), objective, rate: String(rate) }}
                  {...props}
                />
              )}
            >
              Select for {percent(floor)} %
            </Button>
          )}
        />
      ) : null}
    </>
  );
}

function Prices({ ask, actions }: { readonly ask: SelectionAsk; readonly actions: (floor: number) => ReactNode }): ReactElement {
  const plan = useQuery(selectionQuery(ask));
  return (
    <LoadedContent query={plan} what="No plan could be chosen." heights={[340, 200]}>
      {(body) => <PlansByFloor body={body} floor={ask.floor} actions={actions} />}
    </LoadedContent>
  );
}
