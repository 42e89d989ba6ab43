/** An update that is under way: both versions beside each other, by what they are judged, and how long it goes on. */
import { Button } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { useMay } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { count, percent } from '../kit/format.ts';
import { clockTime } from '../kit/time.ts';
import { RollBack, rollBackVerb } from './roll-back.tsx';

type Rollout = NonNullable<EndpointBody['rollout']>;
type Version = Rollout['versions'][number];

const columns: readonly TableColumn<Version>[] = [
  {
    title: 'Version',
    cell: ({ model, is_new: isNew }) => (
      <>
        <b>{model}</b>
        <span className="two">{isNew ? 'new' : 'before'}</span>
      </>
    ),
  },
  { title: 'Traffic', isNumber: true, cell: ({ share_percent: share }) => `${share} %` },
  { title: 'Workers', isNumber: true, cell: ({ ready }) => count(ready) },
  { title: 'Requests', isNumber: true, cell: ({ requests }) => count(requests) },
  { title: 'Late', isNumber: true, cell: ({ late, requests }) => partOf(late, requests) },
  { title: 'Failed', isNumber: true, cell: ({ failed, requests }) => partOf(failed, requests) },
  { title: 'Refused', isNumber: true, cell: ({ refused, requests }) => partOf(refused, requests) },
];

function partOf(some: number, all: number): string {
  return all === 0 ? '–' : `${percent(some / all)} %`;
}

/** Nothing where no update is watched. */
export function RolloutCard({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement | null {
  const { rollout } = endpoint;
  if (rollout === null || rollout.versions.length === 0) return null;
  return (
    <Card title="Update under way" end={<End endpoint={endpoint} rollout={rollout} />}>
      <DataTable
        caption={`Versions of ${endpoint.name}, since the update is watched`}
        isDense
        columns={columns}
        rows={rollout.versions}
        keyOf={({ model }) => model}
      />
    </Card>
  );
}

function End({ endpoint, rollout }: { readonly endpoint: EndpointBody; readonly rollout: Rollout }): ReactElement {
  const mayDeploy = useMay('deploy');
  const [isOpen, setIsOpen] = useState(false);
  return (
    <span className="row wrap">
      {untilWords(rollout)}
      {mayDeploy ? (
        <Button size="sm" onClick={() => setIsOpen(true)}>
          {rollBackVerb(endpoint)}
        </Button>
      ) : null}
      {isOpen ? <RollBack endpoint={endpoint} onClose={() => setIsOpen(false)} /> : null}
    </span>
  );
}

function untilWords({ watched_until: until }: Rollout): string {
  return until === null ? 'its workers start' : `watched until ${clockTime(Date.parse(until))}, taken back before if it does worse`;
}
