/** One execution of a pipeline that an AWS client defined: its steps with what they made, and its parameters. */
import '../training.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PipelineExecutionBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { Chip } from '../../kit/chip.tsx';
import { Ago, useNow } from '../../kit/format/ago.tsx';
import { duration, sentence } from '../../kit/format/format.ts';
import { exactTime, useUtc } from '../../kit/format/time.ts';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { StateMark } from '../../kit/state-mark.tsx';
import { StopExecution } from './execution-actions.tsx';
import { ExecutionMark, graphStepStates, StepResult } from './graph-marks.tsx';
import { executionQuery } from './graph-queries.ts';

export function ExecutionPage(): ReactElement {
  const pipeline = useParameter('pipeline');
  const id = useParameter('execution');
  const query = useQuery(executionQuery(pipeline, id));
  const execution = query.data;
  return (
    <PageLayout
      title={execution?.display_name ?? `${pipeline}/${id}`}
      aside={execution === undefined ? null : <ExecutionMark execution={execution} />}
      facts={
        execution === undefined ? undefined : (
          <span>
            Started <Ago at={execution.created_at} /> by {execution.started_by}
          </span>
        )
      }
      actions={execution === undefined ? undefined : <StopExecution execution={execution} />}
    >
      <LoadedContent query={query} what={`The execution ${pipeline}/${id} could not be loaded.`} heights={[260, 200]}>
        {(loaded) => <Content execution={loaded} />}
      </LoadedContent>
    </PageLayout>
  );
}

function Content({ execution }: { readonly execution: PipelineExecutionBody }): ReactElement {
  return (
    <>
      {execution.reason === null ? null : (
        <div className="section">
          <Note tone="bad" title="The execution failed.">
            {sentence(execution.reason)}
          </Note>
        </div>
      )}
      <div className="grid top">
        <Steps execution={execution} />
        <Facts execution={execution} />
      </div>
    </>
  );
}

function Steps({ execution: { steps } }: { readonly execution: PipelineExecutionBody }): ReactElement {
  useUtc();
  const nowMs = useNow();
  return (
    <Card title="Steps" span={7} padded>
      <ol className="training-course">
        {steps.map((step) => {
          const { name, type, status, reason, started_at: from, ended_at: to, after, branch, cached_from: cached } = step;
          const before = branch === null ? after : [...after, `${branch.condition} is ${branch.outcome ? 'true' : 'false'}`];
          return (
            <li key={name}>
              {from === null ? <span className="dim">–</span> : <time dateTime={from}>{exactTime(Date.parse(from))}</time>}
              <span className="training-step">
                <StateMark kind={graphStepStates[status]}>{name}</StateMark> <Chip>{type}</Chip>{' '}
                {cached === null ? null : <Chip>from the cache</Chip>}
                <span className="two">
                  <StepResult step={step} />
                </span>
                {reason === null ? null : <span className="two training-reason">{sentence(reason)}</span>}
                {status === 'Waiting' || status === 'Skipped' ? (
                  <span className="two">{`${status.toLowerCase()}${before.length === 0 ? '' : `: after ${before.join(', ')}`}`}</span>
                ) : null}
              </span>
              <span className="n nw">{from === null ? '' : duration((to === null ? nowMs : Date.parse(to)) - Date.parse(from))}</span>
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

function Facts({ execution: { id, pipeline, description, parameters } }: { readonly execution: PipelineExecutionBody }): ReactElement {
  return (
    <Card title="Facts" span={5} padded>
      <Pairs
        pairs={[
          [
            'Pipeline',
            <Link key="pipeline" to="/pipelines/$pipeline/executions" params={{ pipeline }}>
              {pipeline}
            </Link>,
          ],
          ['Execution', <code key="id">{id}</code>],
          ...(description === null ? [] : [['Description', description] as const]),
          ...Object.entries(parameters).map(([name, value]) => [name, <code key={name}>{value}</code>] as const),
        ]}
      />
    </Card>
  );
}
