/** A processing job: its statuses, its inputs and outputs, and what it printed. */
import '../training.css';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { ProcessingJobBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { bytes, duration, sentence, usdSmall } from '../../kit/format/format.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { JobLog } from '../job-log.tsx';
import { JobTimeline } from '../job-timeline.tsx';
import { isJobRunning } from '../training-queries.ts';
import { processingJobQuery } from './processing-queries.ts';
import { ProcessingMark } from './processing-table.tsx';

export function ProcessingJobPage(): ReactElement {
  const name = useParameter('processing');
  const query = useQuery(processingJobQuery(name));
  const job = query.data;
  return (
    <PageLayout
      title={job?.name ?? name}
      aside={job === undefined ? null : <ProcessingMark job={job} />}
      facts={
        job === undefined ? undefined : (
          <span>
            Created <Ago at={job.created_at} /> by {job.created_by}
          </span>
        )
      }
      actions={job === undefined || !isJobRunning(job) ? undefined : <StopProcessing job={job} />}
    >
      <LoadedContent query={query} what={`The processing job ${name} could not be loaded.`} heights={[76, 200, 280]}>
        {(loaded) => <Content job={loaded} />}
      </LoadedContent>
    </PageLayout>
  );
}

function Content({ job }: { readonly job: ProcessingJobBody }): ReactElement {
  return (
    <>
      {job.reason === null ? null : (
        <div className="section">
          <Note tone="bad" title="The job failed.">
            <span className="training-reason">{sentence(job.reason)}</span>
          </Note>
        </div>
      )}
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
          ['In', job.environment ?? job.image ?? 'the programs of the machine'],
          ['On', `${job.instance_type}, ${job.volume_gb} GB of disk${job.isolated ? ', without network' : ''}`],
          ...job.inputs.map(({ name, source, path: at }) => [`Input ${name}`, folder(name, source, at)] as const),
          ...job.outputs.map(({ name, target, path: at }) => [`Output ${name}`, folder(name, target, at)] as const),
          ...(job.environment_variables.length === 0 ? [] : [['Variables', job.environment_variables.join(', ')] as const]),
        ]}
      />
    </Card>
  );
}

function StopProcessing({ job }: { readonly job: ProcessingJobBody }): ReactElement | null {
  const mayTrain = useHasPermission('deploy');
  const client = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  if (!mayTrain) return null;
  return (
    <>
      <Button onClick={() => setIsOpen(true)}>Stop</Button>
      {isOpen ? (
        <Confirm
          title={`Stop processing job ${job.name}?`}
          consequences={['The script has 120 s to end; files that it has written to its outputs are uploaded.']}
          action="Stop processing job"
          onConfirm={async () => {
            await post(`${path('/processing-jobs/:processing', { processing: job.name })}/stop`);
            await client.invalidateQueries({ predicate: ({ queryKey: [first] }) => String(first).startsWith('processing-') });
          }}
          onClose={() => setIsOpen(false)}
        />
      ) : null}
    </>
  );
}
