/** The lineage of a model: data, code, job, version, endpoint. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement, ReactNode } from 'react';
import type { TrainingJobBody } from '../../../src/api/index.ts';
import { endpointsQuery, versionQuery } from '../api/queries.ts';
import { breakable } from '../kit/breakable.tsx';
import { VersionLink } from './training-page.tsx';

export function JobLineage({ job }: { readonly job: TrainingJobBody }): ReactElement {
  const { version } = job;
  const endpoints = useQuery({ ...endpointsQuery(), enabled: version !== null });
  const serving = (endpoints.data?.items ?? []).filter(({ variants }) => variants.some(({ model }) => model === version));
  return (
    <section className="section" aria-label="Lineage">
      <ol className="lineage">
        <Stage title="Data">
          {job.channels.length === 0
            ? 'none'
            : job.channels.map(({ name, source }) => (
                <span key={name} className="lineage-part">
                  <b>{name}</b> <code>{breakable(source)}</code>
                </span>
              ))}
        </Stage>
        <Stage title="Code">
          <code>{job.entry ?? job.command?.[0] ?? 'its image'}</code>
          {job.source_sha256 === null ? null : <span className="two mono">sha256 {job.source_sha256.slice(0, 12)}</span>}
          {job.git === null ? null : (
            <span className="two mono">
              commit {job.git.commit.slice(0, 12)}
              {job.git.dirty ? ', changed' : ''}
            </span>
          )}
        </Stage>
        <Stage title="Job">
          <b>{job.name}</b>
          <span className="two">{job.environment ?? job.image ?? 'no environment'}</span>
        </Stage>
        <Stage title="Version">{version === null ? <NoVersion job={job} /> : <Version version={version} />}</Stage>
        <Stage title="Endpoint">
          {serving.length === 0
            ? 'none serves it'
            : serving.map(({ name }) => (
                <Link key={name} className="lineage-part" to="/endpoints/$endpoint" params={{ endpoint: name }}>
                  {name}
                </Link>
              ))}
        </Stage>
      </ol>
    </section>
  );
}

function Stage({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactElement {
  return (
    <li>
      <h2>{title}</h2>
      <div>{children}</div>
    </li>
  );
}

function Version({ version }: { readonly version: string }): ReactElement {
  const { data } = useQuery(versionQuery(version));
  return (
    <>
      <VersionLink version={version} />
      {data === undefined ? null : (
        <span className="two">{data.approval === 'PendingManualApproval' ? 'pending approval' : data.approval}</span>
      )}
    </>
  );
}

function NoVersion({ job: { group, status } }: { readonly job: TrainingJobBody }): ReactElement {
  if (group === null) return <>no group was named</>;
  return <>{status === 'InProgress' ? `the next of ${group}` : `none of ${group}`}</>;
}
