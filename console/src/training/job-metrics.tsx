/** The metrics of a job over time, overlaid with those of other jobs. */
import { MultiSelect } from '@mantine/core';
import { useQueries, useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { TrainingJobBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import type { TokenName } from '../theme/tokens.ts';
import { type MetricRun, overlayOf } from './metric-overlay.ts';
import { isJobRunning, trainingJobsQuery, trainingMetricsQuery } from './training-queries.ts';
import { shownMetric } from './training-text.ts';

/** The job of the page first. */
const colors: readonly TokenName[] = ['accent', 'func', 'inst', 'flush'];

export function JobMetrics({ job }: { readonly job: TrainingJobBody }): ReactElement {
  const [text, setText] = useSearchValue('with', '');
  const jobs = useQuery(trainingJobsQuery()).data?.items ?? [];
  const others = text
    .split(',')
    .flatMap((name) => jobs.find((each) => each.name === name) ?? [])
    .slice(0, colors.length - 1);
  const all = [job, ...others];
  const metrics = useQueries({ queries: all.map((each) => trainingMetricsQuery(each.name, isJobRunning(each))) });
  const runs = all.map(
    (each, index): MetricRun => ({ job: each.name, startedMs: startOf(each), values: metrics[index]?.data?.items ?? [] }),
  );
  const names = job.metric_definitions
    .map(({ name }) => name)
    .filter((name) => runs[0]?.values.some((value) => value.name === name) === true);
  if (names.length === 0) {
    const why = job.metric_definitions.length === 0 ? 'The job defines none: add --metric to penstock train.' : 'None was reported yet.';
    return (
      <Card title="Metrics" className="section" padded>
        <p className="mut">{why}</p>
      </Card>
    );
  }
  const comparable = jobs.filter((each) => each.name !== job.name && each.metric_definitions.some(({ name }) => names.includes(name)));
  return (
    <>
      {comparable.length === 0 ? null : (
        <div className="section training-compare">
          <MultiSelect
            label="Compare with"
            placeholder={others.length === 0 ? 'other jobs' : ''}
            data={comparable.map(({ name }) => name)}
            value={others.map(({ name }) => name)}
            onChange={(chosen) => setText(chosen.slice(-(colors.length - 1)).join(','))}
            searchable
            clearable
          />
        </div>
      )}
      <div className="grid">
        {names.map((name) => (
          <MetricChart key={name} name={name} runs={runs} isAlone={names.length === 1} />
        ))}
      </div>
    </>
  );
}

interface MetricChartProps {
  readonly name: string;
  readonly runs: readonly MetricRun[];
  readonly isAlone: boolean;
}

function MetricChart({ name, runs, isAlone }: MetricChartProps): ReactElement {
  const { at, columns } = overlayOf(name, runs);
  const [first = 0, last = 0] = [at[0], at.at(-1)];
  return (
    <TimeChart
      title={name}
      span={isAlone ? 12 : 6}
      at={at}
      lines={runs.map(({ job }, index) => ({ label: job, color: colors[index] ?? 'flush', values: columns[index] ?? [] }))}
      range={first === last ? [first - 1, last + 1] : [first, last]}
      format={shownMetric}
      footer={runs.length > 1 ? 'Other jobs are shown as if they had started with this one.' : undefined}
    />
  );
}

/** The start of training; of a job that has not reached it, the start of its last status. */
function startOf({ transitions, created_at: created }: TrainingJobBody): number {
  const training = transitions.find(({ status }) => status === 'Training') ?? transitions.at(-1);
  return Date.parse(training?.started_at ?? created);
}
