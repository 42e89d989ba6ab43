/** The tuning jobs on the page of training. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { TuningJobBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { StateMark } from '../../kit/state-mark.tsx';
import { shownMetric } from '../training-text.ts';
import { tuningJobsQuery } from './tuning-queries.ts';
import { trialText, tuningStates } from './tuning-text.ts';

export function TuningTable(): ReactElement | null {
  const items = useQuery(tuningJobsQuery()).data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <Card title="Tuning jobs" className="section">
      <DataTable caption="Tuning jobs, latest first" rows={items} keyOf={({ name }) => name} columns={columns} />
    </Card>
  );
}

export function TuningMark({ job: { status } }: { readonly job: Pick<TuningJobBody, 'status'> }): ReactElement {
  return <StateMark kind={tuningStates[status]}>{status}</StateMark>;
}

const columns: TableColumn<TuningJobBody>[] = [
  {
    title: 'Tuning job',
    sort: ({ name }) => name,
    cell: (job) => (
      <>
        <Link className="name" to="/training/tuning/$tuning" params={{ tuning: job.name }}>
          {job.name}
        </Link>
        <span className="two">{job.strategy}</span>
        <span className="two m-only">
          <TuningMark job={job} />
        </span>
      </>
    ),
  },
  { title: 'State', isWide: true, sort: ({ status }) => status, cell: (job) => <TuningMark job={job} /> },
  {
    title: 'Best',
    cell: ({ best, metric }) =>
      best === null || best.objective === null ? (
        <span className="dim">–</span>
      ) : (
        <span>
          {shownMetric(best.objective)}
          <span className="two">{metric}</span>
        </span>
      ),
  },
  { title: 'With', isWide: true, className: 'said', cell: ({ best }) => (best === null ? '' : trialText(best.values)) },
  {
    title: 'Trials',
    isNumber: true,
    isWide: true,
    cell: ({ counts, jobs }) => `${counts.completed + counts.failed + counts.stopped} of ${jobs}`,
  },
  { title: 'Created', className: 'nw', isWide: true, sort: ({ created_at: at }) => at, cell: ({ created_at: at }) => <Ago at={at} /> },
];
