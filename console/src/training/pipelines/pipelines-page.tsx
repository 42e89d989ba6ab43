/** The pipelines: their triggers, the result of the last run, and when the next one is due. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PipelineBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago, Until } from '../../kit/format/ago.tsx';
import { count, plural } from '../../kit/format/format.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { Empty } from '../../kit/page/empty.tsx';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { GraphTable } from '../graphs/graph-table.tsx';
import { VersionLink } from '../training-page.tsx';
import { EnabledMark, EndpointLink, RunLink, RunMark } from './pipeline-marks.tsx';
import { isRunInProgress, pipelinesQuery } from './pipeline-queries.ts';
import { startsText } from './pipeline-text.ts';

export function PipelinesPage(): ReactElement {
  const query = useQuery(pipelinesQuery());
  return (
    <PageLayout
      title="Pipelines"
      facts={<span>A schedule or an event starts the training of a model; a test approves it, and a watched rollout deploys it.</span>}
    >
      <LoadedContent query={query} what="The pipelines could not be loaded.">
        {({ items }) =>
          items.length === 0 ? (
            <div className="section">
              <Empty title="No pipelines yet" command="penstock pipeline apply digits.yaml">
                One file defines the training, the data for the comparison, the approval, and the deployment.
              </Empty>
            </div>
          ) : (
            <>
              <Numbers items={items} />
              <Card title="Pipelines" className="section">
                <DataTable caption="Pipelines" rows={items} keyOf={({ name }) => name} columns={columns} />
              </Card>
            </>
          )
        }
      </LoadedContent>
      <GraphTable />
    </PageLayout>
  );
}

function Numbers({ items }: { readonly items: readonly PipelineBody[] }): ReactElement {
  const failed = items.filter(({ last_run: run }) => run?.state === 'Failed');
  const pending = items.filter(({ last_run: run }) => run?.verdict === 'unsure');
  const waiting = items.filter(({ waiting: trigger }) => trigger !== null);
  const disabled = items.filter(({ enabled }) => !enabled);
  return (
    <div className="section">
      <NumberStrip
        numbers={[
          {
            label: 'Running',
            value: count(items.filter(({ last_run: run }) => isRunInProgress(run)).length),
            note: `${plural(waiting.length, 'run')} waiting`,
          },
          { label: 'Enabled', value: count(items.length - disabled.length), note: `of ${plural(items.length, 'pipeline')}` },
          { label: 'Last run failed', value: count(failed.length), note: failed[0]?.name ?? 'none' },
          { label: 'Last test unsure', value: count(pending.length), note: pending[0]?.name ?? 'none' },
        ]}
      />
    </div>
  );
}

const none = <span className="dim">–</span>;

const columns: TableColumn<PipelineBody>[] = [
  {
    title: 'Pipeline',
    className: 'said',
    sort: ({ name }) => name,
    cell: ({ name, steps, enabled }) => (
      <>
        <Link className="name" to="/pipelines/$pipeline" params={{ pipeline: name }}>
          {name}
        </Link>
        <span className="two">{steps.join(' → ')}</span>
        <span className="two m-only">
          <EnabledMark isEnabled={enabled} />
        </span>
      </>
    ),
  },
  { title: 'State', isWide: true, sort: ({ enabled }) => (enabled ? 0 : 1), cell: ({ enabled }) => <EnabledMark isEnabled={enabled} /> },
  { title: 'Starts', isWide: true, className: 'said', sort: startsText, cell: (pipeline) => startsText(pipeline) },
  {
    title: 'Last run',
    sort: ({ last_run: run }) => run?.started_at ?? null,
    cell: ({ last_run: run }) =>
      run === null ? (
        none
      ) : (
        <>
          <RunMark run={run} />
          <span className="two">
            <RunLink run={run} /> <Ago at={run.started_at} />
          </span>
        </>
      ),
  },
  {
    title: 'Version',
    isWide: true,
    cell: ({ last_run: run }) => ((run?.version ?? null) === null ? none : <VersionLink version={run?.version ?? ''} />),
  },
  { title: 'Endpoint', isWide: true, cell: ({ endpoint }) => (endpoint === null ? none : <EndpointLink endpoint={endpoint} />) },
  {
    title: 'Next run',
    className: 'nw',
    isWide: true,
    sort: ({ next_due_at: at }) => at,
    cell: ({ next_due_at: at, waiting }) => (waiting !== null ? 'waiting' : at === null ? none : <Until at={at} />),
  },
];
