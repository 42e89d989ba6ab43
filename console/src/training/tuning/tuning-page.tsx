/** A tuning job: its best trial, the course of its metric, and all trials. */
import '../training.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { TuningJobBody, TuningTrialBody } from '../../../../src/api/index.ts';
import { path } from '../../api/client.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { count, duration, plural } from '../../kit/format/format.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { type StateKind, StateMark } from '../../kit/state-mark.tsx';
import { JobFrame, JobReason, MachineLink, StopJob } from '../job-frame.tsx';
import { shownMetric } from '../training-text.ts';
import { TrialChart } from './trial-chart.tsx';
import { isTuning, tuningJobQuery, tuningTrialsQuery } from './tuning-queries.ts';
import { TuningMark } from './tuning-table.tsx';
import { searchedText, trialText } from './tuning-text.ts';

export function TuningJobPage(): ReactElement {
  const name = useParameter('tuning');
  return (
    <JobFrame
      kind="tuning job"
      name={name}
      query={useQuery(tuningJobQuery(name))}
      heights={[76, 260, 200]}
      aside={(job) => <TuningMark job={job} />}
      actions={(job) => (isTuning(job) ? <StopTuning job={job} /> : undefined)}
    >
      {(job) => <Content job={job} />}
    </JobFrame>
  );
}

function Content({ job }: { readonly job: TuningJobBody }): ReactElement {
  const trials = useQuery(tuningTrialsQuery(job.name, isTuning(job))).data?.items ?? [];
  const isFailure = job.status === 'Failed';
  return (
    <>
      <JobReason reason={job.reason} title={isFailure ? 'The tuning job failed.' : 'Note'} isFailure={isFailure} />
      <Numbers job={job} />
      <TrialChart job={job} trials={trials} />
      <div className="grid top">
        <Card title="Trials" span={7}>
          <DataTable
            caption="Trials"
            rows={trials}
            keyOf={({ job: name }) => name}
            columns={columnsFor(job, trials)}
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

function columnsFor({ best, metric }: TuningJobBody, trials: readonly TuningTrialBody[]): TableColumn<TuningTrialBody>[] {
  const hostColumn: TableColumn<TuningTrialBody> = {
    title: 'Host',
    isWide: true,
    sort: ({ host }) => host ?? '',
    cell: ({ host }) => (host === null ? <span className="dim">–</span> : <MachineLink host={host} />),
  };
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
    ...(trials.some(({ host }) => host !== null) ? [hostColumn] : []),
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

function StopTuning({ job: { name } }: { readonly job: TuningJobBody }): ReactElement {
  return (
    <StopJob
      kind="tuning job"
      name={name}
      place={path('/tuning-jobs/:tuning', { tuning: name })}
      queries="tuning-"
      consequences={['Trials that run are stopped, and no further ones start.', 'The best trial so far stays.']}
    />
  );
}
