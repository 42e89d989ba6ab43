/** Marks and links of executions and their steps. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PipelineExecutionBody } from '../../../../src/api/index.ts';
import { type StateKind, StateMark } from '../../kit/state-mark.tsx';
import { VersionLink } from '../training-page.tsx';

type GraphStep = PipelineExecutionBody['steps'][number];

const executionStates: Readonly<Record<PipelineExecutionBody['status'], StateKind>> = {
  Executing: 'changing',
  Stopping: 'changing',
  Stopped: 'zero',
  Failed: 'bad',
  Succeeded: 'ok',
};

export const graphStepStates: Readonly<Record<GraphStep['status'], StateKind>> = {
  Waiting: 'zero',
  Skipped: 'zero',
  Executing: 'changing',
  Succeeded: 'ok',
  Failed: 'bad',
  Stopped: 'zero',
};

export function ExecutionMark({ execution: { status } }: { readonly execution: Pick<PipelineExecutionBody, 'status'> }): ReactElement {
  return <StateMark kind={executionStates[status]}>{status}</StateMark>;
}

export function ExecutionLink({
  execution: { pipeline, id, display_name: shown },
}: {
  readonly execution: PipelineExecutionBody;
}): ReactElement {
  return (
    <Link className="name" to="/pipelines/$pipeline/executions/$execution" params={{ pipeline, execution: id }}>
      {shown ?? id}
    </Link>
  );
}

/** What a step made, or what a condition decided; null if there is nothing to show. */
export function StepResult({ step: { type, made, outcome } }: { readonly step: GraphStep }): ReactElement | null {
  if (outcome !== null) return <span>{outcome ? 'true' : 'false'}</span>;
  if (made === null) return null;
  if (type === 'Training')
    return (
      <Link to="/training/$job" params={{ job: made }}>
        {made}
      </Link>
    );
  if (type === 'Processing')
    return (
      <Link to="/training/processing/$processing" params={{ processing: made }}>
        {made}
      </Link>
    );
  if (type === 'Tuning')
    return (
      <Link to="/training/tuning/$tuning" params={{ tuning: made }}>
        {made}
      </Link>
    );
  if (type === 'RegisterModel') return <VersionLink version={made} />;
  return <span className="mono">{made}</span>;
}
