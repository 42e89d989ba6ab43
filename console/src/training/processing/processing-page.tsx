/** A processing job: its statuses, its inputs and outputs, and what it printed. */
import '../training.css';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { ProcessingJobBody } from '../../../../src/api/index.ts';
import { path } from '../../api/client.ts';
import { Card } from '../../kit/card.tsx';
import { bytes, duration, sentence, usdSmall } from '../../kit/format/format.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { Note } from '../../kit/page/note.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { hostPairs, JobFrame, JobReason, StopJob } from '../job-frame.tsx';
import { JobLog } from '../job-log.tsx';
import { JobTimeline } from '../job-timeline.tsx';
import { isJobRunning } from '../training-queries.ts';
import { processingJobQuery } from './processing-queries.ts';
import { ProcessingMark } from './processing-table.tsx';

export function ProcessingJobPage(): ReactElement {
  const name = useParameter('processing');
  return (
    <JobFrame
      kind="processing job"
      name={name}
      query={useQuery(processingJobQuery(name))}
      heights={[76, 200, 280]}
      aside={(job) => <ProcessingMark job={job} />}
      actions={(job) => (isJobRunning(job) ? <StopProcessing job={job} /> : undefined)}
    >
      {(job) => <Content job={job} />}
    </JobFrame>
  );
}

function Content({ job }: { readonly job: ProcessingJobBody }): ReactElement {
  return (
    <>
      <JobReason reason={job.reason} />
      {[...job.notes, ...(job.exit_message === null ? [] : [job.exit_message])].map((note) => (
        <div className="section" key={note}>
          <Note title={note === job.exit_message ? 'Exit message' : 'Note'}>{sentence(note)}</Note>
        </div>
      ))}
      <Numbers job={job} />
      <div className="grid top">
        <JobTimeline job={job} />
        <Settings job={job} />
      </div>
      <JobLog job={job} place={path('/processing-jobs/:processing/logs', { processing: job.name })} />
    </>
  );
}

function Numbers({
  job: { usage, max_runtime_s: mostS, instance_type: type, inputs, outputs },
}: {
  readonly job: ProcessingJobBody;
}): ReactElement {
  const peakMib = usage?.peak_mib ?? null;
  return (
    <div className="section">
      <NumberStrip
        numbers={[
          {
            label: 'Time',
            value: usage === null ? '–' : duration(1000 * usage.seconds),
            note: `of at most ${duration(1000 * mostS)}`,
          },
          { label: 'Cost', value: usage === null ? '–' : usdSmall(usage.usd), note: type },
          { label: 'Memory', value: peakMib === null || peakMib === 0 ? '–' : bytes(peakMib * 2 ** 20), note: 'at most, so far' },
          { label: 'Inputs', value: String(inputs.length), note: inputs.map(({ name }) => name).join(', ') || 'none' },
          { label: 'Outputs', value: String(outputs.length), note: outputs.map(({ name }) => name).join(', ') || 'none' },
        ]}
      />
    </div>
  );
}

function Settings({ job }: { readonly job: ProcessingJobBody }): ReactElement {
  const folder = (name: string, uri: string, at: string) => (
    <span key={name}>
      <code>{uri}</code>
      <span className="two mono">{at}</span>
    </span>
  );
  return (
    <Card title="Settings" span={5} padded>
      <Pairs
        pairs={[
          ['Runs', <code key="runs">{job.command?.join(' ') ?? 'its image'}</code>],
          ['In', job.environment ?? job.image ?? "no environment (the machine's own programs)"],
          ['On', `${job.instance_type}, ${job.volume_gb} GB of disk${job.isolated ? ', without network' : ''}`],
          ...hostPairs(job),
          ...job.inputs.map(({ name, source, path: at }) => [`Input ${name}`, folder(name, source, at)] as const),
          ...job.outputs.map(({ name, target, path: at }) => [`Output ${name}`, folder(name, target, at)] as const),
          ...(job.environment_variables.length === 0 ? [] : [['Variables', job.environment_variables.join(', ')] as const]),
        ]}
      />
    </Card>
  );
}

function StopProcessing({ job: { name } }: { readonly job: ProcessingJobBody }): ReactElement {
  return (
    <StopJob
      kind="processing job"
      name={name}
      place={path('/processing-jobs/:processing', { processing: name })}
      queries="processing-"
      consequences={['The script has 120 s to end; files that it has written to its outputs are uploaded.']}
    />
  );
}
