/** A training job: its statuses, metrics, output, and lineage. */
import './training.css';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { TrainingJobBody, TrainingJobDetailBody } from '../../../src/api/index.ts';
import { path, post, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Chip } from '../kit/chip.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { bytes, duration, sentence, usdSmall } from '../kit/format/format.ts';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Note } from '../kit/page/note.tsx';
import { useParameter } from '../kit/page/search-state.ts';
import { Pairs } from '../kit/pairs.tsx';
import { hostPairs, JobFrame, JobReason } from './job-frame.tsx';
import { JobLineage } from './job-lineage.tsx';
import { JobLog } from './job-log.tsx';
import { JobMetrics } from './job-metrics.tsx';
import { JobTimeline } from './job-timeline.tsx';
import { TrainAgain } from './train-again.tsx';
import { JobMark } from './training-page.tsx';
import { isJobRunning, trainingJobQuery } from './training-queries.ts';
import { objectiveMetric, shownMetric } from './training-text.ts';

export function TrainingJobPage(): ReactElement {
  const name = useParameter('job');
  return (
    <JobFrame
      kind="training job"
      name={name}
      query={useQuery(trainingJobQuery(name))}
      heights={[76, 200, 280]}
      aside={(job) => (
        <>
          <JobMark job={job} />
          {job.attempt > 1 ? <Chip>{`attempt ${job.attempt} of ${job.retries + 1}`}</Chip> : null}
          {job.spot ? <Chip>spot</Chip> : null}
        </>
      )}
      actions={(job) => <Actions job={job} />}
    >
      {(job) => <Content job={job} />}
    </JobFrame>
  );
}

function Content({ job }: { readonly job: TrainingJobDetailBody }): ReactElement {
  return (
    <>
      <JobReason reason={job.reason} />
      {job.notes.map((note) => (
        <div className="section" key={note}>
          <Note title="Note">{sentence(note)}</Note>
        </div>
      ))}
      <Numbers job={job} />
      <JobLineage job={job} />
      <div className="grid top">
        <JobTimeline job={job} />
        <Settings job={job} />
      </div>
      <JobMetrics job={job} />
      <JobLog job={job} />
    </>
  );
}

function Numbers({ job }: { readonly job: TrainingJobDetailBody }): ReactElement {
  const objective = objectiveMetric(job);
  const { usage, artifact_object: model } = job;
  const peakMib = usage?.peak_mib ?? null;
  return (
    <div className="section">
      <NumberStrip
        numbers={[
          {
            label: objective?.name ?? 'Metric',
            value: objective === null ? '–' : shownMetric(objective.value),
            note: objective === null ? 'none was reported' : 'the last value',
          },
          {
            label: 'Time',
            value: usage === null ? '–' : duration(1000 * usage.seconds),
            note: `of at most ${duration(1000 * job.max_runtime_s)}`,
          },
          {
            label: 'Cost',
            value: usage === null ? '–' : usdSmall(usage.usd),
            note: `${job.instance_type}${job.spot ? ', spot price' : ''}`,
          },
          { label: 'Memory', value: peakMib === null || peakMib === 0 ? '–' : bytes(peakMib * 2 ** 20), note: 'at most, so far' },
          { label: 'Model', value: model === null ? '–' : bytes(model.bytes), note: model === null ? 'none is stored' : 'model.tar.gz' },
        ]}
      />
    </div>
  );
}

function Settings({ job }: { readonly job: TrainingJobBody }): ReactElement {
  const hyperparameters = Object.entries(job.hyperparameters).map(([name, value]) => [name, <code key={name}>{value}</code>] as const);
  return (
    <Card title="Settings" span={5} padded>
      <Pairs
        pairs={[
          [
            'Runs',
            <code key="runs">{job.entry ?? job.command?.join(' ') ?? job.hyperparameters['sagemaker_program'] ?? 'its image'}</code>,
          ],
          ['In', job.environment ?? job.image ?? "no environment (the machine's own programs)"],
          ['On', `${job.instance_type}, ${job.volume_gb} GB of disk${job.isolated ? ', without network' : ''}`],
          ...hostPairs(job),
          ...hyperparameters,
          ...(job.environment_variables.length === 0 ? [] : [['Variables', job.environment_variables.join(', ')] as const]),
          ...(job.checkpoints === null ? [] : [['Checkpoints', <code key="checkpoints">{job.checkpoints}</code>] as const]),
        ]}
      />
    </Card>
  );
}

function Actions({ job }: { readonly job: TrainingJobBody }): ReactElement | null {
  const mayTrain = useHasPermission('deploy');
  const client = useQueryClient();
  const navigate = useNavigate();
  const [dialog, setDialog] = useState<'stop' | 'delete' | 'again' | null>(null);
  if (!mayTrain) return null;
  const place = path('/training-jobs/:job', { job: job.name });
  const reload = (): Promise<void> =>
    client.invalidateQueries({ predicate: ({ queryKey: [first] }) => String(first).startsWith('training-') });
  const close = (): void => setDialog(null);
  return (
    <>
      {isJobRunning(job) ? (
        <Button onClick={() => setDialog('stop')}>Stop</Button>
      ) : (
        <Button onClick={() => setDialog('delete')}>Delete</Button>
      )}
      <Button variant="filled" onClick={() => setDialog('again')}>
        Train again with…
      </Button>
      {dialog === 'again' ? <TrainAgain job={job} onClose={close} /> : null}
      {dialog === 'stop' ? (
        <Confirm
          title={`Stop training job ${job.name}?`}
          consequences={[
            'The script has 120 s to write its model and its checkpoints; files that it has written are kept.',
            'No version is registered.',
          ]}
          action="Stop training job"
          onConfirm={async () => {
            await post(`${place}/stop`);
            await reload();
          }}
          onClose={close}
        />
      ) : null}
      {dialog === 'delete' ? (
        <Confirm
          title={`Delete training job ${job.name}?`}
          consequences={[
            'Its log and its metrics are deleted.',
            job.version === null ? 'Its model stays in the bucket.' : `${job.version} and its model stay.`,
          ]}
          action="Delete training job"
          onConfirm={async () => {
            await remove(place);
            await navigate({ to: '/training' });
            await reload();
          }}
          onClose={close}
        />
      ) : null}
    </>
  );
}
