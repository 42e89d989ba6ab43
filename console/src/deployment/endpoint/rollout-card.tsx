/** An update in progress: both versions with the numbers by which they are judged, and the end of the step. */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { endpointQuery } from '../../api/queries.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { count, percent } from '../../kit/format/format.ts';
import { clockTime } from '../../kit/format/time.ts';
import { RollBack, rollBackVerb } from './roll-back.tsx';
import type { RolloutBody } from './rollout-state.ts';

type Version = RolloutBody['versions'][number];

const columns: readonly TableColumn<Version>[] = [
  {
    title: 'Version',
    cell: ({ model, is_new: isNew }) => (
      <>
        <b>{model}</b>
        <span className="two">{isNew ? 'new' : 'previous'}</span>
      </>
    ),
  },
  { title: 'Traffic', isNumber: true, cell: ({ share_percent: share }) => `${share} %` },
  { title: 'Workers', isNumber: true, cell: ({ ready }) => count(ready) },
  { title: 'Requests', isNumber: true, cell: ({ requests }) => count(requests) },
  { title: 'Late', isNumber: true, cell: ({ late, requests }) => partOf(late, requests) },
  { title: 'Failed', isNumber: true, cell: ({ failed, requests }) => partOf(failed, requests) },
  { title: 'Rejected', isNumber: true, cell: ({ refused, requests }) => partOf(refused, requests) },
];

function partOf(some: number, all: number): string {
  return all === 0 ? '–' : `${percent(some / all)} %`;
}

/** Renders nothing if no canary update is in progress. */
export function RolloutCard({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement | null {
  const { rollout } = endpoint;
  if (rollout === null || rollout.versions.length === 0) return null;
  return (
    <Card title={rollout.state === 'paused' ? 'Update paused' : 'Update in progress'} end={<End endpoint={endpoint} rollout={rollout} />}>
      <DataTable
        caption={`Versions of ${endpoint.name} since the update started`}
        isDense
        columns={columns}
        rows={rollout.versions}
        keyOf={({ model }) => model}
      />
    </Card>
  );
}

function End({ endpoint, rollout }: { readonly endpoint: EndpointBody; readonly rollout: RolloutBody }): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  const [isOpen, setIsOpen] = useState(false);
  const [isContinuing, setIsContinuing] = useState(false);
  return (
    <span className="row wrap">
      {formatWatch(rollout)}
      {mayDeploy && rollout.state === 'paused' ? (
        <Button size="sm" onClick={() => setIsContinuing(true)}>
          Continue
        </Button>
      ) : null}
      {mayDeploy ? (
        <Button size="sm" onClick={() => setIsOpen(true)}>
          {rollBackVerb(endpoint)}
        </Button>
      ) : null}
      {isContinuing ? <Continue endpoint={endpoint} rollout={rollout} onClose={() => setIsContinuing(false)} /> : null}
      {isOpen ? <RollBack endpoint={endpoint} onClose={() => setIsOpen(false)} /> : null}
    </span>
  );
}

function Continue({
  endpoint: { name },
  rollout,
  onClose,
}: {
  readonly endpoint: EndpointBody;
  readonly rollout: RolloutBody;
  readonly onClose: () => void;
}): ReactElement {
  const client = useQueryClient();
  const send = async (): Promise<void> => {
    const changed = await post<EndpointBody>(path('/endpoints/:endpoint/continue', { endpoint: name }));
    client.setQueryData(endpointQuery(name).queryKey, changed);
  };
  const isLast = rollout.share_percent === 100;
  return (
    <Confirm
      title={`Continue the update of ${name}?`}
      consequences={[
        `The new version is not proven: ${formatEvidence(rollout)}.`,
        isLast
          ? 'The update is complete, and the previous workers stop.'
          : 'The new version receives the next share of the requests, and is watched and rolled back as before.',
      ]}
      action="Continue"
      onConfirm={send}
      onClose={onClose}
    />
  );
}

function formatEvidence({ evidence }: RolloutBody): string {
  return evidence === null ? '' : `${count(evidence.answers)} of the ${count(evidence.min_requests)} answers that the step needs`;
}

function formatWatch(rollout: RolloutBody): string {
  const { watched_until: until, evidence, state } = rollout;
  if (state === 'paused') return `too few to judge: ${formatEvidence(rollout)}`;
  if (until === null) return 'workers are starting';
  const extended = evidence?.is_extended === true ? `${formatEvidence(rollout)}; ` : '';
  return `${extended}watched until ${clockTime(Date.parse(until))}; rolled back earlier if it does worse`;
}
