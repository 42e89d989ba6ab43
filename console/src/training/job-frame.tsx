/** What the pages of training, processing and tuning jobs share: the frame, why the job failed, and the button that stops it. */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, type ReactNode, useState } from 'react';
import { post } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Confirm } from '../kit/confirm.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { sentence } from '../kit/format/format.ts';
import { LoadedContent, type LoadedProps } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { PageLayout } from '../kit/page/page.tsx';

type JobKind = 'training job' | 'processing job' | 'tuning job';

interface JobFrameProps<Job> extends Pick<LoadedProps<Job>, 'query' | 'heights' | 'children'> {
  readonly kind: JobKind;
  /** As the page is addressed: shown until the job is loaded. */
  readonly name: string;
  readonly aside: (job: Job) => ReactNode;
  readonly actions: (job: Job) => ReactNode;
}

/** The page of a job. `children` renders the loaded job. */
export function JobFrame<Job extends { readonly name: string; readonly created_at: string; readonly created_by: string }>({
  kind,
  name,
  query,
  heights,
  aside,
  actions,
  children,
}: JobFrameProps<Job>): ReactElement {
  const job = query.data;
  const facts = job && (
    <span>
      Created <Ago at={job.created_at} /> by {job.created_by}
    </span>
  );
  return (
    <PageLayout title={job?.name ?? name} aside={job && aside(job)} facts={facts} actions={job && actions(job)}>
      <LoadedContent query={query} what={`The ${kind} ${name} could not be loaded.`} {...(heights === undefined ? {} : { heights })}>
        {children}
      </LoadedContent>
    </PageLayout>
  );
}

/** Why a job failed, or what else its reason says; nothing without a reason. */
export function JobReason({
  reason,
  title = 'The job failed.',
  isFailure = true,
}: {
  readonly reason: string | null;
  readonly title?: string;
  readonly isFailure?: boolean;
}): ReactElement | null {
  if (reason === null) return null;
  return (
    <div className="section">
      <Note tone={isFailure ? 'bad' : 'plain'} title={title}>
        <span className="training-reason">{sentence(reason)}</span>
      </Note>
    </div>
  );
}

interface PlacedJob {
  readonly host: string | null;
  readonly placed_because: string | null;
}

/** For the settings of a job: the machine of the cluster that runs or ran it, and why. Nothing on a server that is alone. */
export function hostPairs({ host, placed_because: reason }: PlacedJob): (readonly [string, ReactNode])[] {
  if (host === null) return [];
  const value = (
    <span key="host">
      <MachineLink host={host} />
      {reason === null ? null : <span className="two">{sentence(reason)}</span>}
    </span>
  );
  return [['Host', value]];
}

export function MachineLink({ host }: { readonly host: string }): ReactElement {
  return (
    <Link className="name" to="/cluster" search={{ host }}>
      {host}
    </Link>
  );
}

/** Stops a job after a confirmation; nothing for those who may not. `place`: the path of the job. `queries`: the first word of what is loaded again. */
export function StopJob({
  kind,
  name,
  place,
  queries,
  consequences,
}: {
  readonly kind: JobKind;
  readonly name: string;
  readonly place: string;
  readonly queries: string;
  readonly consequences: readonly string[];
}): ReactElement | null {
  const mayTrain = useHasPermission('deploy');
  const client = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  if (!mayTrain) return null;
  return (
    <>
      <Button onClick={() => setIsOpen(true)}>Stop</Button>
      {isOpen ? (
        <Confirm
          title={`Stop ${kind} ${name}?`}
          consequences={consequences}
          action={`Stop ${kind}`}
          onConfirm={async () => {
            await post(`${place}/stop`);
            await client.invalidateQueries({ predicate: ({ queryKey: [first] }) => String(first).startsWith(queries) });
          }}
          onClose={() => setIsOpen(false)}
        />
      ) : null}
    </>
  );
}
