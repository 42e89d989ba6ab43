/** The steps of a run: in a row with their results, and as a list with times and notes. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PipelineRunBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { renderCode } from '../../kit/code.tsx';
import { useNow } from '../../kit/format/ago.tsx';
import { duration, sentence } from '../../kit/format/format.ts';
import { exactTime, useUtc } from '../../kit/format/time.ts';
import { StateMark } from '../../kit/state-mark.tsx';
import { VersionLink } from '../training-page.tsx';
import { EndpointLink, VerdictMark } from './pipeline-marks.tsx';
import { stepStates, tookMs } from './pipeline-text.ts';

type RunStep = PipelineRunBody['steps'][number];

export interface RunStepsProps {
  readonly run: PipelineRunBody;
  /** The endpoint of the pipeline; null if it deploys to none. */
  readonly endpoint: string | null;
}

export function RunSteps({ run, endpoint }: RunStepsProps): ReactElement {
  const nowMs = useNow();
  return (
    <section className="section" aria-label="Steps">
      <ol className="lineage">
        {run.steps.map((step) => (
          <li key={step.step}>
            <h2>{step.step.charAt(0).toUpperCase() + step.step.slice(1)}</h2>
            <StepMark step={step} />
            <span className="two">
              <Made step={step} run={run} endpoint={endpoint} />
            </span>
            <span className="two">{step.started_at === null ? '' : duration(tookMs(step, nowMs))}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function StepMark({ step: { state } }: { readonly step: RunStep }): ReactElement {
  const [kind, text] = stepStates[state];
  return <StateMark kind={kind}>{text}</StateMark>;
}

/** A link to the result of the step. */
function Made({ step: { step, state }, run, endpoint }: RunStepsProps & { readonly step: RunStep }): ReactElement | null {
  const { job, version, against, verdict } = run;
  if (step === 'train' && job !== null)
    return (
      <Link to="/training/$job" params={{ job }}>
        {job}
      </Link>
    );
  if (step === 'register' && version !== null) return <VersionLink version={version} />;
  if (step === 'evaluate' && against !== null)
    return (
      <>
        against <VersionLink version={against} />
      </>
    );
  if (step === 'approve' && verdict !== null) return <VerdictMark verdict={verdict} />;
  if (step === 'deploy' && endpoint !== null && state !== 'Skipped') return <EndpointLink endpoint={endpoint} />;
  return null;
}

export function RunCourse({ run }: { readonly run: PipelineRunBody }): ReactElement {
  useUtc();
  const nowMs = useNow();
  return (
    <Card title="Course" span={7} padded>
      <ol className="training-course">
        {run.steps.map((step) => {
          const { started_at: at, note } = step;
          return (
            <li key={step.step}>
              {at === null ? <span className="dim">–</span> : <time dateTime={at}>{exactTime(Date.parse(at))}</time>}
              <span className="training-step">
                <StateMark kind={stepStates[step.state][0]}>{step.step}</StateMark>
                {note === null ? null : <span className="two">{renderCode(sentence(note))}</span>}
              </span>
              <span className="n nw">{at === null ? '' : duration(tookMs(step, nowMs))}</span>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}
