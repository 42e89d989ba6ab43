/** One run of a pipeline: its steps with their states, the test between both versions, and its results. */
import '../training.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PipelineRunBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { duration, sentence } from '../../kit/format/format.ts';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { VersionLink } from '../training-page.tsx';
import { RunActions } from './pipeline-actions.tsx';
import { EndpointLink, RunMark } from './pipeline-marks.tsx';
import { pipelineQuery, pipelineRunQuery } from './pipeline-queries.ts';
import { tookMs, triggerText } from './pipeline-text.ts';
import { RunCourse, RunSteps } from './run-steps.tsx';
import { RunTest } from './run-test.tsx';

export function PipelineRunPage(): ReactElement {
  const pipeline = useParameter('pipeline');
  const number = useParameter('run');
  const query = useQuery(pipelineRunQuery(pipeline, number));
  const run = query.data;
  return (
    <PageLayout
      title={run?.name ?? `${pipeline}/${number}`}
      aside={run === undefined ? null : <RunMark run={run} />}
      facts={
        run === undefined ? undefined : (
          <span>
            Started <Ago at={run.started_at} /> {triggerText(run.trigger)}, revision {run.revision}
          </span>
        )
      }
      actions={run === undefined ? undefined : <RunActions run={run} />}
    >
      <LoadedContent query={query} what={`The run ${pipeline}/${number} could not be loaded.`} heights={[110, 200]}>
        {(loaded) => <Content run={loaded} />}
      </LoadedContent>
    </PageLayout>
  );
}

function Content({ run }: { readonly run: PipelineRunBody }): ReactElement {
  const { data: pipeline } = useQuery(pipelineQuery(run.pipeline));
  const endpoint = pipeline?.endpoint ?? null;
  return (
    <>
      {run.reason === null ? null : (
        <div className="section">
          <Note tone={run.state === 'Failed' ? 'bad' : 'plain'} title={run.state === 'Failed' ? 'The run failed.' : 'The run was stopped.'}>
            <span className="training-reason">{sentence(run.reason)}</span>
          </Note>
        </div>
      )}
      <RunSteps run={run} endpoint={endpoint} />
      {run.test === null ? null : <RunTest run={run} test={run.test} />}
      <div className="grid top">
        <RunCourse run={run} />
        <Facts run={run} endpoint={endpoint} />
      </div>
    </>
  );
}

function Facts({ run, endpoint }: { readonly run: PipelineRunBody; readonly endpoint: string | null }): ReactElement {
  const { job, version, against, holdout, decision } = run;
  const none = run.state === 'InProgress' ? 'none yet' : 'none';
  const parameters = Object.entries(run.parameters).map(([name, value]) => [name, <code key={name}>{value}</code>] as const);
  return (
    <Card title="Facts" span={5} padded>
      <Pairs
        pairs={[
          [
            'Pipeline',
            <Link key="pipeline" to="/pipelines/$pipeline" params={{ pipeline: run.pipeline }}>
              {run.pipeline}
            </Link>,
          ],
          [
            'Training job',
            job === null ? (
              none
            ) : (
              <Link key="job" to="/training/$job" params={{ job }}>
                {job}
              </Link>
            ),
          ],
          ['Version', version === null ? none : <VersionLink key="version" version={version} />],
          ['Compared with', against === null ? 'no version' : <VersionLink key="against" version={against} />],
          ...(holdout === null ? [] : [['Holdout', <code key="holdout">{holdout.set}</code>] as const]),
          ['Endpoint', endpoint === null ? 'none' : <EndpointLink key="endpoint" endpoint={endpoint} />],
          ...(decision === null || endpoint === null
            ? []
            : [
                [
                  'Decision',
                  <Link key="decision" to="/endpoints/$endpoint" params={{ endpoint }} search={{ tab: 'decisions', decision }}>
                    {decision}
                  </Link>,
                ] as const,
              ]),
          ['Took', duration(tookMs(run, Date.now()))],
          ...parameters,
        ]}
      />
    </Card>
  );
}
