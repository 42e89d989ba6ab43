/** Offers to let Penstock select among several models, where a single one is about to be deployed. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { evaluationsQuery, sharedSetOf } from '../../api/evaluation-queries.ts';
import { count, plural } from '../../kit/format.ts';
import { Note } from '../../kit/note.tsx';
import type { DeployDraft } from './draft.ts';

interface SelectionOfferProps {
  readonly draft: DeployDraft;
  /** All that can be deployed. */
  readonly names: readonly string[];
}

/** The accuracy that the Selection page begins with; the user sets it there. */
const floor = '0.95';

export function SelectionOffer({ draft, names }: SelectionOfferProps): ReactElement | null {
  const { data } = useQuery(evaluationsQuery());
  const { model, percentile, latencyMs, ratePerSecond } = draft;
  const group = model.split('/')[0] ?? '';
  const shared = sharedSetOf(model, data?.items ?? []);
  const versions = names.filter((name) => name.startsWith(`${group}/`)).length;
  if (shared !== null) {
    const search = {
      set: shared.set,
      models: shared.models.join(),
      floor,
      objective: `p${percentile}<=${latencyMs}ms`,
      rate: String(ratePerSecond),
    };
    return (
      <Note
        tone="accent"
        title="Let Penstock select the model."
        end={
          <Button renderRoot={(props: object) => <Link to="/selection" search={search} {...props} />}>
            Select among {count(shared.models.length)}
          </Button>
        }
      >
        {plural(shared.models.length - 1, 'other model')} answered {shared.set} too. Name the accuracy to keep: Penstock serves the cheapest
        model, or cascade of two, that is proven to keep it.
      </Note>
    );
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
