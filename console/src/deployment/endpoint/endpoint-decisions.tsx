/** All decisions of an endpoint, and a button that triggers a new one. */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { Empty } from '../../kit/page/empty.tsx';
import { LoadFailure, Skeletons } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { useSearchValues } from '../../kit/page/search-state.ts';
import { StateShape } from '../../kit/state-mark.tsx';
import { DecisionTimeline } from '../decisions/decision-timeline.tsx';
import { useTimeline } from '../decisions/use-timeline.ts';

export function EndpointDecisions({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const [{ decision: requestedId }, change] = useSearchValues();
  const { decisions, entries } = useTimeline(endpoint.name, requestedId);
  const isDecided = endpoint.variants.some(({ functions, scaling }) => functions !== null || scaling !== null);
  if (decisions.isPending) return <Skeletons heights={[400]} />;
  if (decisions.error !== null)
    return <LoadFailure error={decisions.error} what="Decisions could not be loaded." onRetry={() => void decisions.refetch()} />;
  if (entries.length === 0) return <NoDecisions isDecided={isDecided} endpoint={endpoint} />;
  return (
    <Card
      title="Decisions"
      aside={
        <span className="leg">
          <span>
            <StateShape kind="decision" />
            Penstock
          </span>
          <span>
            <StateShape kind="person" />
            person
          </span>
        </span>
      }
      end={isDecided ? <DecideAgain endpoint={endpoint.name} /> : undefined}
      footer={
        decisions.hasNextPage ? (
          <button type="button" className="quiet" onClick={() => void decisions.fetchNextPage()} disabled={decisions.isFetchingNextPage}>
            Show older decisions
          </button>
        ) : undefined
      }
    >
      <DecisionTimeline
        entries={entries}
        requestedId={requestedId}
        onRequest={(id) => change({ decision: id === requestedId ? undefined : id })}
      />
    </Card>
  );
}

function NoDecisions({ isDecided, endpoint }: { readonly isDecided: boolean; readonly endpoint: EndpointBody }): ReactElement {
  if (isDecided) return <Note title="No decisions yet.">Penstock makes the first decision when requests arrive.</Note>;
  return (
    <Empty
      title="No automatic decisions"
      command={`penstock deploy ${endpoint.variants[0]?.model ?? 'MODEL'} ${endpoint.name} --scaling economic --overflow functions`}
    >
      This endpoint has a fixed number of instances. With functions or autoscaling, Penstock adapts the endpoint to its load and explains
      each decision here.
    </Empty>
  );
}

function DecideAgain({ endpoint }: { readonly endpoint: string }): ReactElement | null {
  const client = useQueryClient();
  const mayDeploy = useHasPermission('deploy');
  const [isBusy, setIsBusy] = useState(false);
  if (!mayDeploy) return null;
  // The list is refetched with a delay, because the review may still be running when the call returns.
  const decide = async (): Promise<void> => {
    setIsBusy(true);
    await post(path('/endpoints/:endpoint/decisions', { endpoint })).catch(() => undefined); // the list shows the outcome
    setTimeout(() => {
      setIsBusy(false);
      void client.invalidateQueries({ queryKey: ['decisions', endpoint] });
    }, 1500);
  };
  return (
    <Button size="sm" onClick={() => void decide()} loading={isBusy}>
      Decide now
    </Button>
  );
}
