/** A pipeline: its triggers, its runs, and its file. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { PipelineDetailBody, PipelineRunBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { CodeBlock, Copy } from '../../kit/code.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago, Until, useNow } from '../../kit/format/ago.tsx';
import { duration, sentence } from '../../kit/format/format.ts';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { VersionLink } from '../training-page.tsx';
import { PipelineActions } from './pipeline-actions.tsx';
import { EnabledMark, EndpointLink, RunLink, RunMark, VerdictMark } from './pipeline-marks.tsx';
import { isRunInProgress, pipelineQuery, pipelineRunsQuery, runsShownMax } from './pipeline-queries.ts';
import { resultText, tookMs, triggerText } from './pipeline-text.ts';

export function PipelinePage(): ReactElement {
  const name = useParameter('pipeline');
  const query = useQuery(pipelineQuery(name));
  const pipeline = query.data;
  return (
    <PageLayout
      title={pipeline?.name ?? name}
      aside={pipeline === undefined ? null : <EnabledMark isEnabled={pipeline.enabled} />}
      facts={
        pipeline === undefined ? undefined : (
          <span>
            Revision {pipeline.revision}, applied <Ago at={pipeline.applied_at} /> by {pipeline.applied_by}, whose rights its runs have
          </span>
        )
      }
      actions={pipeline === undefined ? undefined : <PipelineActions pipeline={pipeline} />}
    >
      <LoadedContent query={query} what={`The pipeline ${name} could not be loaded.`}>
        {(loaded) => <Content pipeline={loaded} />}
      </LoadedContent>
    </PageLayout>
  );
}

function Content({ pipeline }: { readonly pipeline: PipelineDetailBody }): ReactElement {
  const { waiting } = pipeline;
  return (
    <>
      {waiting === null ? null : (
        <div className="section">
          <Note title="The next run waits.">
            {sentence(`It was requested ${triggerText(waiting)}`)} Runs never overlap; triggers that arrive meanwhile start one more run
            together.
          </Note>
        </div>
      )}
      <Runs pipeline={pipeline} />
      <div className="grid top">
        <Settings pipeline={pipeline} />
        <Card title="File" span={7} padded end={<Copy text={pipeline.file} />}>
          <CodeBlock text={pipeline.file} label={`The file of pipeline ${pipeline.name}`} />
        </Card>
      </div>
    </>
  );
}

function Runs({ pipeline }: { readonly pipeline: PipelineDetailBody }): ReactElement {
  const nowMs = useNow();
  const isLive = isRunInProgress(pipeline.last_run) || pipeline.waiting !== null;
  const query = useQuery(pipelineRunsQuery(pipeline.name, isLive));
  return (
    <LoadedContent query={query} what="The runs could not be loaded." heights={[200]}>
      {({ items, next }) => (
        <Card
          title="Runs"
          className="section"
          footer={next === null ? undefined : `The latest ${runsShownMax}: penstock pipeline runs ${pipeline.name} lists all.`}
        >
          <DataTable
            caption="Runs, latest first"
            rows={items}
            keyOf={({ name }) => name}
            columns={runColumns(nowMs)}
            whenEmpty="No runs yet."
          />
        </Card>
      )}
    </LoadedContent>
  );
}

function runColumns(nowMs: number): TableColumn<PipelineRunBody>[] {
  return [
    {
      title: 'Run',
      sort: ({ number }) => number,
      cell: (run) => (
        <>
          <RunLink run={run} />
          <span className="two">{triggerText(run.trigger)}</span>
          <span className="two m-only">
            <RunMark run={run} />
          </span>
        </>
      ),
    },
    { title: 'State', isWide: true, sort: ({ state }) => state, cell: (run) => <RunMark run={run} /> },
    { title: 'Test', sort: ({ verdict }) => verdict, cell: ({ verdict }) => <VerdictMark verdict={verdict} /> },
    {
      title: 'Version',
      isWide: true,
      cell: ({ version }) => (version === null ? <span className="dim">–</span> : <VersionLink version={version} />),
    },
    { title: 'Result', isWide: true, className: 'said', cell: (run) => resultText(run) ?? <span className="dim">–</span> },
    {
      title: 'Took',
      isNumber: true,
      isWide: true,
      sort: (run) => tookMs(run, nowMs),
      cell: (run) => duration(tookMs(run, nowMs)),
    },
    { title: 'Started', className: 'nw', isWide: true, sort: ({ started_at: at }) => at, cell: ({ started_at: at }) => <Ago at={at} /> },
  ];
}

function Settings({ pipeline }: { readonly pipeline: PipelineDetailBody }): ReactElement {
  const { schedule, event, at_most_every_s: atMostEveryS, next_due_at: next, git, group, endpoint } = pipeline;
  const parameters = Object.entries(pipeline.parameters).map(([name, value]) => [name, <code key={name}>{value}</code>] as const);
  return (
    <Card title="Settings" span={5} padded>
      <Pairs
        pairs={[
          ['Steps', pipeline.steps.join(' → ')],
          ['Schedule', schedule === null ? 'none' : <code key="schedule">{schedule}</code>],
          ['Next run', next === null ? 'not scheduled' : <Until key="next" at={next} />],
          ['Events', event === null ? 'none' : <code key="event">{event}</code>],
          ...(event === null ? [] : [['At most every', duration(1000 * atMostEveryS)] as const]),
          ['Group', group ?? 'none'],
          ['Endpoint', endpoint === null ? 'none' : <EndpointLink key="endpoint" endpoint={endpoint} />],
          ...(git === null ? [] : [['Commit', `${git.commit.slice(0, 12)}${git.dirty ? ', changed' : ''}`] as const]),
          ...parameters,
        ]}
      />
    </Card>
  );
}
