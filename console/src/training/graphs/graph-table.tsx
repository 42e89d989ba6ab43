/** The pipelines that AWS clients define, on the page of pipelines. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { SageMakerPipelineBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { ExecutionLink, ExecutionMark } from './graph-marks.tsx';
import { sageMakerPipelinesQuery } from './graph-queries.ts';

export function GraphTable(): ReactElement | null {
  const items = useQuery(sageMakerPipelinesQuery()).data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <Card title="SageMaker pipelines" className="section" footer="Defined and started by AWS clients, or by rules.">
      <DataTable caption="SageMaker pipelines" rows={items} keyOf={({ name }) => name} columns={columns} />
    </Card>
  );
}

const columns: TableColumn<SageMakerPipelineBody>[] = [
  {
    title: 'Pipeline',
    className: 'said',
    sort: ({ name }) => name,
    cell: ({ name, display_name: shown, steps }) => (
      <>
        <Link className="name" to="/pipelines/$pipeline/executions" params={{ pipeline: name }}>
          {shown ?? name}
        </Link>
        <span className="two">{steps.map((step) => step.name).join(', ')}</span>
      </>
    ),
  },
  { title: 'Steps', isNumber: true, isWide: true, sort: ({ steps }) => steps.length, cell: ({ steps }) => steps.length },
  {
    title: 'Last execution',
    sort: ({ last_execution: last }) => last?.created_at ?? null,
    cell: ({ last_execution: last }) =>
      last === null ? (
        <span className="dim">–</span>
      ) : (
        <>
          <ExecutionMark execution={last} />
          <span className="two">
            <ExecutionLink execution={last} /> <Ago at={last.created_at} />
          </span>
        </>
      ),
  },
  { title: 'Rights of', isWide: true, cell: ({ applied_by: key }) => <span className="mono">{key}</span> },
  { title: 'Changed', className: 'nw', isWide: true, sort: ({ updated_at: at }) => at, cell: ({ updated_at: at }) => <Ago at={at} /> },
];
