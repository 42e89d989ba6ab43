/** The table of endpoints: state, objective, capacity and cost. */
import { Link } from '@tanstack/react-router';
import type { ReactElement, ReactNode } from 'react';
import type { OverviewEndpointBody } from '../../../src/api/index.ts';
import { Spark } from '../kit/charts/spark.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { ms, parseObjectiveText, percentInTime, rate, usd } from '../kit/format/format.ts';
import { LiveStateMark } from '../kit/live-state-mark.tsx';
import { endpointState, formatCapacity, isMissingObjective } from './endpoint-state.ts';

type Row = OverviewEndpointBody;

const unitOf = (text: string, unit: string): ReactNode => (
  <>
    {text}
    {text === '–' || text === '0' ? null : <span className="u">{unit}</span>}
  </>
);

function State({ row }: { readonly row: Row }): ReactElement {
  const { kind, word } = endpointState(row);
  return <LiveStateMark kind={kind} word={word} />;
}

function Name({ row }: { readonly row: Row }): ReactElement {
  return (
    <>
      <Link to="/endpoints/$endpoint" params={{ endpoint: row.name }} className="name">
        {row.name}
      </Link>
      <span className="two mono wide">{row.models.join(', ')}</span>
      <span className="two m-only">
        <State row={row} />
      </span>
    </>
  );
}

function Latency({ row }: { readonly row: Row }): ReactElement {
  if (row.spark.every((value) => value === null)) return <span className="dim sm">no traffic</span>;
  return (
    <Spark
      values={row.spark}
      objective={parseObjectiveText(row.objective)?.latencyMs ?? null}
      color={isMissingObjective(row) ? 'bad' : 'p95'}
    />
  );
}

function NowAndObjective({ row }: { readonly row: Row }): ReactElement {
  const objective = parseObjectiveText(row.objective);
  return (
    <>
      <b className={isMissingObjective(row) ? 'bad' : undefined}>{ms(row.latency_ms)}</b>{' '}
      <span className="dim">{objective === null ? 'ms' : `/ ${ms(objective.latencyMs).replace(/\.0$/, '')} ms`}</span>
      <span className="two">p{objective?.percentile ?? 95}</span>
    </>
  );
}

/** On narrow screens, the rate is below. */
function InTime({ row }: { readonly row: Row }): ReactElement {
  const { in_time: share } = row;
  return (
    <>
      {share === null ? '–' : <span className={isMissingObjective(row) ? 'bad' : undefined}>{percentInTime(share)} %</span>}
      <span className="two m-only">{rate(row.rate)} /s</span>
    </>
  );
}

const columns: readonly TableColumn<Row>[] = [
  { title: 'Endpoint', cell: (row) => <Name row={row} />, sort: ({ name }) => name },
  { title: 'State', isWide: true, cell: (row) => <State row={row} />, sort: (row) => endpointState(row).rank },
  { title: 'Rate', isNumber: true, isWide: true, cell: (row) => unitOf(rate(row.rate), '/s'), sort: (row) => row.rate },
  { title: 'Latency', isWide: true, cell: (row) => <Latency row={row} /> },
  {
    title: 'Now / objective',
    isNumber: true,
    cell: (row) => <NowAndObjective row={row} />,
    sort: ({ latency_ms: latency, objective }) => (latency === null ? null : latency / (parseObjectiveText(objective)?.latencyMs ?? 1e9)),
  },
  {
    title: 'In time',
    isNumber: true,
    cell: (row) => <InTime row={row} />,
    sort: (row) => row.in_time,
  },
  { title: 'Capacity', isWide: true, cell: (row) => <Capacity row={row} /> },
  { title: 'Per hour', isNumber: true, isWide: true, cell: (row) => usd(row.usd_per_hour), sort: (row) => row.usd_per_hour },
  { title: 'Per million', isNumber: true, isWide: true, cell: (row) => usd(row.usd_per_million), sort: (row) => row.usd_per_million },
];

/** The reason if the endpoint has a problem, otherwise its capacity. */
function Capacity({ row }: { readonly row: Row }): ReactElement {
  const { kind } = endpointState(row);
  if (row.reason === null || (kind !== 'bad' && kind !== 'warn')) return <span className="mut">{formatCapacity(row)}</span>;
  return (
    <span className="mut reason" title={row.reason}>
      {row.reason}
    </span>
  );
}

export function EndpointTable({
  endpoints,
  whenEmpty,
}: {
  readonly endpoints: readonly Row[];
  readonly whenEmpty?: ReactNode;
}): ReactElement {
  return <DataTable caption="Endpoints" columns={columns} rows={endpoints} keyOf={({ name }) => name} whenEmpty={whenEmpty} />;
}
