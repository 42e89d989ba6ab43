/** The training jobs: their state, results and cost. */
import './training.css';
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { TrainingJobBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { Spark } from '../kit/charts/spark.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count, duration, plural, usdSmall } from '../kit/format/format.ts';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { StateMark } from '../kit/state-mark.tsx';
import { ProcessingTable } from './processing/processing-table.tsx';
import { isJobRunning, trainingJobsQuery, trainingMetricsQuery } from './training-queries.ts';
import { jobState, objectiveMetric, shownMetric } from './training-text.ts';
import { TuningTable } from './tuning/tuning-table.tsx';

/** Limits the requests of the page: older jobs show only their last value, without its history. */
const coursesMax = 20;

export function TrainingPage(): ReactElement {
  const query = useQuery(trainingJobsQuery());
  return (
    <PageLayout title="Training" facts={<span>Code and data become a model, and a version of its group.</span>}>
      <LoadedContent query={query} what="The training jobs could not be loaded.">
        {({ items }) =>
          items.length === 0 ? (
            <div className="section">
              <Empty title="No training jobs yet" command="penstock train train.py --group digits --data rows.csv">
                A training job runs a script on this server, beside what it serves, and registers the model that the script writes.
              </Empty>
            </div>
          ) : (
            <>
              <Numbers items={items} />
              <JobTable items={items} />
            </>
          )
        }
      </LoadedContent>
      <TuningTable />
      <ProcessingTable />
    </PageLayout>
  );
}

function Numbers({ items }: { readonly items: readonly TrainingJobBody[] }): ReactElement {
  const running = items.filter(isJobRunning);
  const waiting = running.filter(({ secondary_status: status }) => status === 'Starting');
  const failed = items.filter(({ status }) => status === 'Failed');
  const usd = items.reduce((sum, { usage }) => sum + (usage?.usd ?? 0), 0);
  return (
    <div className="section">
      <NumberStrip
        numbers={[
          { label: 'Running', value: count(running.length - waiting.length), note: `${plural(waiting.length, 'job')} waiting` },
          {
            label: 'Completed',
            value: count(items.filter(({ status }) => status === 'Completed').length),
            note: `of ${plural(items.length, 'job')}`,
          },
          { label: 'Failed', value: count(failed.length), note: failed[0] === undefined ? 'none' : `last: ${failed[0].name}` },
          { label: 'Cost', value: usdSmall(usd), note: 'all jobs shown here' },
        ]}
      />
    </div>
  );
}

function JobTable({ items }: { readonly items: readonly TrainingJobBody[] }): ReactElement {
  const drawn = items.filter(({ metric_definitions: definitions }) => definitions.length > 0).slice(0, coursesMax);
  const courses = useQueries({ queries: drawn.map((job) => trainingMetricsQuery(job.name, isJobRunning(job))) });
  const courseOf = ({ name, metric_definitions: definitions }: TrainingJobBody): readonly number[] => {
    const values = courses[drawn.findIndex((job) => job.name === name)]?.data?.items ?? [];
    return values.filter((each) => each.name === definitions[0]?.name).map(({ value }) => value);
  };
  return (
    <Card
      title="Training jobs"
      className="section"
      footer={
        <>
          A job continues after a restart of the server. Start one with <code>penstock train</code>, or again from its page.
        </>
      }
    >
      <DataTable caption="Training jobs, latest first" rows={items} keyOf={({ name }) => name} columns={columnsFor(courseOf)} />
    </Card>
  );
}

function columnsFor(courseOf: (job: TrainingJobBody) => readonly number[]): TableColumn<TrainingJobBody>[] {
  return [
    {
      title: 'Job',
      className: 'said',
      sort: ({ name }) => name,
      cell: (job) => (
        <>
          <Link className="name" to="/training/$job" params={{ job: job.name }}>
            {job.name}
          </Link>
          <span className="two mono">{job.environment ?? job.image ?? 'no environment'}</span>
          <span className="two m-only">
            <JobMark job={job} />
          </span>
        </>
      ),
    },
    { title: 'State', isWide: true, sort: ({ status }) => status, cell: (job) => <JobMark job={job} /> },
    { title: 'Metric', cell: (job) => <Objective job={job} course={courseOf(job)} /> },
    {
      title: 'Version',
      isWide: true,
      cell: ({ version }) => (version === null ? <span className="dim">–</span> : <VersionLink version={version} />),
    },
    { title: 'On', isWide: true, cell: ({ instance_type: type, spot }) => `${type}${spot ? ', spot' : ''}` },
    {
      title: 'Took',
      isNumber: true,
      isWide: true,
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
}

export function JobMark({ job }: { readonly job: TrainingJobBody }): ReactElement {
  const [kind, text] = jobState(job);
  return <StateMark kind={kind}>{text}</StateMark>;
}

export function VersionLink({ version }: { readonly version: string }): ReactElement {
  const [group = '', number = ''] = version.split('/');
  return (
    <Link to="/models/$group" params={{ group }} search={{ version: number }}>
      {version}
    </Link>
  );
}

function Objective({ job, course }: { readonly job: TrainingJobBody; readonly course: readonly number[] }): ReactElement {
  const objective = objectiveMetric(job);
  if (objective === null) return <span className="dim">–</span>;
  return (
    <span className="training-objective">
      {course.length < 2 ? null : <Spark values={course} objective={null} color="accent" />}
      <span>
        {shownMetric(objective.value)}
        <span className="two">{objective.name}</span>
      </span>
    </span>
  );
}
