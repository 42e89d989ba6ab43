/** All decisions of an endpoint, and a button that has it decided anew. */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { path, post } from '../api/client.ts';
import { useMay } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Empty } from '../kit/empty.tsx';
import { Failure, Skeletons } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { useSearchValues } from '../kit/search-state.ts';
import { StateShape } from '../kit/state-mark.tsx';
import { DecisionTimeline } from './decision-timeline.tsx';
import { useTimeline } from './use-timeline.ts';

export function EndpointDecisions({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const [{ decision: asked }, change] = useSearchValues();
  const { decisions, entries } = useTimeline(endpoint.name, asked);
  const isDecided = endpoint.variants.some(({ functions, scaling }) => functions !== null || scaling !== null);
  if (decisions.isPending) return <Skeletons heights={[400]} />;
  if (decisions.error !== null)
    return <Failure error={decisions.error} what="Decisions could not be loaded." onRetry={() => void decisions.refetch()} />;
  if (entries.length === 0) return <NoDecisions isDecided={isDecided} endpoint={endpoint} />;
  return (
    <Card
      title="Decisions"
      beside={
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
      end={isDecided ? <DecideAnew endpoint={endpoint.name} /> : undefined}
      footer={
        decisions.hasNextPage ? (
          <button type="button" className="quiet" onClick={() => void decisions.fetchNextPage()} disabled={decisions.isFetchingNextPage}>
            Show older ones
          </button>
        ) : undefined
      }
    >
      <DecisionTimeline entries={entries} asked={asked} onAsk={(id) => change({ decision: id === asked ? undefined : id })} />
    </Card>
  );
}

function NoDecisions({ isDecided, endpoint }: { readonly isDecided: boolean; readonly endpoint: EndpointBody }): ReactElement {
  if (isDecided) return <Note title="Nothing was decided yet.">The first decision comes with the first requests.</Note>;
  return (
    <Empty
      title="Nothing is decided here"
      command={`penstock deploy ${endpoint.variants[0]?.model ?? 'MODEL'} ${endpoint.name} --scaling economic --overflow functions`}
    >
      This endpoint has a fixed number of instances. With functions, or with a number of instances that follows the load, Penstock decides,
      and says here why.
    </Empty>
  );
}

function DecideAnew({ endpoint }: { readonly endpoint: string }): ReactElement | null {
  const client = useQueryClient();
  const mayDeploy = useMay('deploy');
  const [isBusy, setIsBusy] = useState(false);
  if (!mayDeploy) return null;
  const ask = async (): Promise<void> => {
    setIsBusy(true);
    await post(path('/endpoints/:endpoint/decisions', { endpoint })).catch(() => undefined); // the list shows what came of it
    setTimeout(() => {
      setIsBusy(false);
      void client.invalidateQueries({ queryKey: ['decisions', endpoint] });
    }, 1500);
  };
  return (
    <Button size="sm" onClick={() => void ask()} loading={isBusy}>
      Decide now
    </Button>
  );
}
