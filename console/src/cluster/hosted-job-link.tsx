/** The job of a task, with a link to its page. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { HostDetailBody } from '../../../src/api/index.ts';

type HostedJob = Pick<HostDetailBody['tasks'][number], 'kind' | 'job' | 'attempt'>;

export function HostedJobLink({ of: { kind, job, attempt } }: { readonly of: HostedJob }): ReactElement {
  const link =
    kind === 'training' ? (
      <Link className="name" to="/training/$job" params={{ job }}>
        {job}
      </Link>
    ) : (
      <Link className="name" to="/training/processing/$processing" params={{ processing: job }}>
        {job}
      </Link>
    );
  return (
    <>
      {link}
      <span className="two">attempt {attempt}</span>
    </>
  );
}
