/** Marks and links that the pipelines pages share. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PipelineRunBody } from '../../../../src/api/index.ts';
import { StateMark } from '../../kit/state-mark.tsx';
import { runStates, verdictStates } from './pipeline-text.ts';

export function RunMark({ run: { state } }: { readonly run: Pick<PipelineRunBody, 'state'> }): ReactElement {
  const [kind, text] = runStates[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}

export function EnabledMark({ isEnabled }: { readonly isEnabled: boolean }): ReactElement {
  return <StateMark kind={isEnabled ? 'ok' : 'zero'}>{isEnabled ? 'Enabled' : 'Disabled'}</StateMark>;
}

export function VerdictMark({ verdict }: { readonly verdict: PipelineRunBody['verdict'] }): ReactElement {
  if (verdict === null) return <span className="dim">–</span>;
  const [kind, text] = verdictStates[verdict];
  return <StateMark kind={kind}>{text}</StateMark>;
}

export function RunLink({ run }: { readonly run: Pick<PipelineRunBody, 'pipeline' | 'number' | 'name'> }): ReactElement {
  return (
    <Link className="name" to="/pipelines/$pipeline/$run" params={{ pipeline: run.pipeline, run: String(run.number) }}>
      {run.name}
    </Link>
  );
}

export function EndpointLink({ endpoint }: { readonly endpoint: string }): ReactElement {
  return (
    <Link to="/endpoints/$endpoint" params={{ endpoint }}>
      {endpoint}
    </Link>
  );
}
