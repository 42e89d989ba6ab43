/** A pipeline that an AWS client defined, with its executions. */
import '../training.css';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { PipelineExecutionBody, SageMakerPipelineBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { duration } from '../../kit/format/format.ts';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { PageLayout } from '../../kit/page/page.tsx';
import { useParameter } from '../../kit/page/search-state.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { ExecutionLink, ExecutionMark } from './graph-marks.tsx';
import { executionsQuery, executionsShownMax, isExecuting, sageMakerPipelineQuery } from './graph-queries.ts';

export function GraphPage(): ReactElement {
  const name = useParameter('pipeline');
  const query = useQuery(sageMakerPipelineQuery(name));
  const pipeline = query.data;
  return (
    <PageLayout
      title={pipeline?.display_name ?? pipeline?.name ?? name}
      aside={pipeline === undefined || pipeline.last_execution === null ? null : <ExecutionMark execution={pipeline.last_execution} />}
      facts={
        pipeline === undefined ? undefined : (
          <span>
            {pipeline.description === null ? 'A SageMaker pipeline' : pipeline.description}, changed <Ago at={pipeline.updated_at} /> by{' '}
            {pipeline.applied_by}
          </span>
        )
      }
    >
      <LoadedContent query={query} what={`The pipeline ${name} could not be loaded.`} heights={[200, 200]}>
        {(loaded) => <Content pipeline={loaded} />}
      </LoadedContent>
    </PageLayout>
  );
}

function Content({ pipeline }: { readonly pipeline: SageMakerPipelineBody }): ReactElement {
  const executions = useQuery(executionsQuery(pipeline.name, isExecuting(pipeline.last_execution))).data?.items ?? [];
  const isCut = executions.length === executionsShownMax;
  return (
    <div className="grid top">
      <Card title="Executions" span={7} footer={isCut ? `The latest ${executionsShownMax} executions.` : undefined}>
        <DataTable
          caption="Executions, latest first"
          rows={executions}
          keyOf={({ id }) => id}
          columns={columns}
          whenEmpty="The pipeline was not started yet."
        />
      </Card>
      <Card title="Steps" span={5} padded>
        <Pairs pairs={pipeline.steps.map(({ name, type }) => [name, type] as const)} />
      </Card>
    </div>
  );
}

const columns: TableColumn<PipelineExecutionBody>[] = [
  {
    title: 'Execution',
    sort: ({ created_at: at }) => at,
    cell: (execution) => (
      <>
        <ExecutionLink execution={execution} />
        <span className="two m-only">
          <ExecutionMark execution={execution} />
        </span>
      </>
    ),
  },
  { title: 'State', isWide: true, sort: ({ status }) => status, cell: (execution) => <ExecutionMark execution={execution} /> },
  {
    title: 'Steps',
    isNumber: true,
    isWide: true,
    cell: ({ steps }) => `${steps.filter(({ status }) => status === 'Succeeded').length} of ${steps.length}`,
  },
  {
    title: 'Took',
    isNumber: true,
    cell: (execution) => (isExecuting(execution) ? '–' : duration(Date.parse(execution.updated_at) - Date.parse(execution.created_at))),
  },
  { title: 'Started', className: 'nw', isWide: true, cell: ({ created_at: at }) => <Ago at={at} /> },
];
