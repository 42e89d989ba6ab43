/** A tuning job: its best trial, the course of its metric, and all trials. */
import '../training.css';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { TuningJobBody, TuningTrialBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { count, duration, plural, sentence } from '../../kit/format/format.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { type StateKind, StateMark } from '../../kit/state-mark.tsx';
import { shownMetric } from '../training-text.ts';
import { TrialChart } from './trial-chart.tsx';
import { isTuning, tuningJobQuery, tuningTrialsQuery } from './tuning-queries.ts';
import { TuningMark } from './tuning-table.tsx';
import { searchedText, trialText } from './tuning-text.ts';

export function TuningJobPage(): ReactElement {
  const name = useParameter('tuning');
  const query = useQuery(tuningJobQuery(name));
  const job = query.data;
  return (
    <PageLayout
      title={job?.name ?? name}
      aside={job === undefined ? null : <TuningMark job={job} />}
      facts={
        job === undefined ? undefined : (
          <span>
            Created <Ago at={job.created_at} /> by {job.created_by}
          </span>
        )
      }
      actions={job === undefined || !isTuning(job) ? undefined : <StopTuning job={job} />}
    >
      <LoadedContent query={query} what={`The tuning job ${name} could not be loaded.`} heights={[76, 260, 200]}>
        {(loaded) => <Content job={loaded} />}
      </LoadedContent>
    </PageLayout>
  );
}

function Content({ job }: { readonly job: TuningJobBody }): ReactElement {
  const trials = useQuery(tuningTrialsQuery(job.name, isTuning(job))).data?.items ?? [];
  return (
    <>
      {job.reason === null ? null : (
        <div className="section">
          <Note tone={job.status === 'Failed' ? 'bad' : 'plain'} title={job.status === 'Failed' ? 'The tuning job failed.' : 'Note'}>
            <span className="training-reason">{sentence(job.reason)}</span>
          </Note>
        </div>
      )}
      <Numbers job={job} />
      <TrialChart job={job} trials={trials} />
      <div className="grid top">
        <Card title="Trials" span={7}>
          <DataTable
            caption="Trials"
            rows={trials}
            keyOf={({ job: name }) => name}
            columns={columnsFor(job)}
            whenEmpty="No trial has started yet."
          />
        </Card>
        <Settings job={job} />
      </div>
    </>
  );
}

function Numbers({ job }: { readonly job: TuningJobBody }): ReactElement {
  const { best, counts } = job;
  return (
    <div className="section">
      <NumberStrip
        numbers={[
          {
            label: `Best ${job.metric}`,
            value: best === null || best.objective === null ? '–' : shownMetric(best.objective),
            note: best === null ? 'none yet' : trialText(best.values),
          },
          { label: 'Completed', value: count(counts.completed), note: `of ${plural(job.jobs, 'trial')}` },
          { label: 'Running', value: count(counts.in_progress), note: `at most ${job.parallel} at once` },
          { label: 'Failed', value: count(counts.failed), note: `${count(counts.stopped)} stopped` },
        ]}
      />
    </div>
  );
}

function Settings({ job }: { readonly job: TuningJobBody }): ReactElement {
  const { best } = job;
  return (
    <Card title="Settings" span={5} padded>
      <Pairs
        pairs={[
          ['Strategy', job.strategy],
          ['Objective', `${job.goal === 'Minimize' ? 'lowest' : 'highest'} ${job.metric}`],
          ...job.ranges.map((range) => [range.name, searchedText(range)] as const),
          ['On', job.instance_type],
          ['Seed', String(job.seed)],
          ...(best === null ? [] : [['Best trial', <JobLink key="best" job={best.job} />] as const]),
        ]}
      />
    </Card>
  );
}

function JobLink({ job }: { readonly job: string }): ReactElement {
  return (
    <Link className="name" to="/training/$job" params={{ job }}>
      {job}
    </Link>
  );
}

const trialStates: Readonly<Partial<Record<TuningTrialBody['status'], StateKind>>> = { Completed: 'ok', Failed: 'bad', Stopped: 'zero' };

function columnsFor({ best, metric }: TuningJobBody): TableColumn<TuningTrialBody>[] {
  return [
    {
      title: 'Trial',
      className: 'said',
      sort: ({ number }) => number,
      cell: ({ job, values, stopped_early: isEarly, status }) => (
        <>
          <JobLink job={job} />
          <span className="two">{trialText(values)}</span>
          <span className="two m-only">{isEarly ? 'Stopped early' : status}</span>
        </>
      ),
    },
    {
      title: 'State',
      isWide: true,
      sort: ({ status }) => status,
      cell: ({ status, stopped_early: isEarly }) => (
        <StateMark kind={trialStates[status] ?? 'changing'}>{isEarly ? 'Stopped early' : status}</StateMark>
      ),
    },
    {
      title: metric,
      isNumber: true,
      sort: ({ objective }) => objective,
      cell: ({ objective, number }) => (
        <>
          {objective === null ? '–' : shownMetric(objective)}
          {best?.number === number ? <span className="two">best</span> : null}
        </>
      ),
    },
    {
      title: 'Took',
      isNumber: true,
      isWide: true,
      cell: ({ started_at: from, ended_at: to }) => (from === null || to === null ? '–' : duration(Date.parse(to) - Date.parse(from))),
    },
  ];
}

function StopTuning({ job }: { readonly job: TuningJobBody }): ReactElement | null {
  const mayTrain = useHasPermission('deploy');
  const client = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  if (!mayTrain) return null;
  return (
    <>
      <Button onClick={() => setIsOpen(true)}>Stop</Button>
      {isOpen ? (
        <Confirm
          title={`Stop tuning job ${job.name}?`}
          consequences={['Trials that run are stopped, and no further ones start.', 'The best trial so far stays.']}
          action="Stop tuning job"
          onConfirm={async () => {
            await post(`${path('/tuning-jobs/:tuning', { tuning: job.name })}/stop`);
            await client.invalidateQueries({ predicate: ({ queryKey: [first] }) => String(first).startsWith('tuning-') });
          }}
          onClose={() => setIsOpen(false)}
        />
      ) : null}
    </>
  );
}
