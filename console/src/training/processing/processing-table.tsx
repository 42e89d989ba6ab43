/** The processing jobs on the page of training. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { ProcessingJobBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { duration, usdSmall } from '../../kit/format/format.ts';
import { StateMark } from '../../kit/state-mark.tsx';
import { jobState } from '../training-text.ts';
import { processingJobsQuery } from './processing-queries.ts';

export function ProcessingTable(): ReactElement | null {
  const items = useQuery(processingJobsQuery()).data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <Card title="Processing jobs" className="section">
      <DataTable caption="Processing jobs, latest first" rows={items} keyOf={({ name }) => name} columns={columns} />
    </Card>
  );
}

export function ProcessingMark({ job }: { readonly job: ProcessingJobBody }): ReactElement {
  const [kind, text] = jobState(job);
  return <StateMark kind={kind}>{text}</StateMark>;
}

const columns: TableColumn<ProcessingJobBody>[] = [
  {
    title: 'Processing job',
    className: 'said',
    sort: ({ name }) => name,
    cell: (job) => (
      <>
        <Link className="name" to="/training/processing/$processing" params={{ processing: job.name }}>
          {job.name}
        </Link>
        <span className="two mono">{job.environment ?? job.image ?? 'no environment'}</span>
        <span className="two m-only">
          <ProcessingMark job={job} />
        </span>
      </>
    ),
  },
  { title: 'State', isWide: true, sort: ({ status }) => status, cell: (job) => <ProcessingMark job={job} /> },
  { title: 'On', isWide: true, cell: ({ instance_type: type }) => type },
  {
    title: 'Took',
    isNumber: true,
    sort: ({ usage }) => usage?.seconds ?? null,
    cell: ({ usage }) => (usage === null ? '–' : duration(1000 * usage.seconds)),
  },
  {
    title: 'Cost',
    isNumber: true,
    isWide: true,
    sort: ({ usage }) => usage?.usd ?? null,
    cell: ({ usage }) => (usage === null ? '–' : usdSmall(usage.usd)),
  },
  { title: 'Created', className: 'nw', isWide: true, sort: ({ created_at: at }) => at, cell: ({ created_at: at }) => <Ago at={at} /> },
];
