/** Endpoints in rows: how they are, what they promised, who serves, what that costs. */
import { Link } from '@tanstack/react-router';
import type { ReactElement, ReactNode } from 'react';
import type { OverviewEndpointBody } from '../../../src/api/index.ts';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { ms, parseObjective, percentInTime, rate, usd } from '../kit/format.ts';
import { Spark } from '../kit/spark.tsx';
import { StateMark } from '../kit/state-mark.tsx';
import { capacityWords, endpointState, isOverObjective } from './endpoint-state.ts';

type Row = OverviewEndpointBody;

const unitOf = (text: string, unit: string): ReactNode => (
  <>
    {text}
    {text === '–' || text === '0' ? null : <span className="u">{unit}</span>}
  </>
);

function State({ row }: { readonly row: Row }): ReactElement {
  const { kind, word } = endpointState(row);
  return <StateMark kind={kind}>{word}</StateMark>;
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
    <Spark values={row.spark} objective={parseObjective(row.objective)?.latencyMs ?? null} color={isOverObjective(row) ? 'bad' : 'p95'} />
  );
}

function NowAndObjective({ row }: { readonly row: Row }): ReactElement {
  const promise = parseObjective(row.objective);
  return (
    <>
      <b className={isOverObjective(row) ? 'bad' : undefined}>{ms(row.latency_ms)}</b>{' '}
      <span className="dim">{promise === null ? 'ms' : `/ ${ms(promise.latencyMs).replace(/\.0$/, '')} ms`}</span>
      <span className="two">p{promise?.percentile ?? 95}</span>
    </>
  );
}

const columns: readonly TableColumn<Row>[] = [
  { title: 'Endpoint', cell: (row) => <Name row={row} />, sort: ({ name }) => name },
  { title: 'State', isWide: true, cell: (row) => <State row={row} />, sort: (row) => endpointState(row).rank },
  { title: 'Rate', isNumber: true, cell: (row) => unitOf(rate(row.rate), '/s'), sort: (row) => row.rate },
  { title: 'Latency', isWide: true, cell: (row) => <Latency row={row} /> },
  {
    title: 'Now / objective',
    isNumber: true,
    cell: (row) => <NowAndObjective row={row} />,
    sort: ({ latency_ms: latency, objective }) => (latency === null ? null : latency / (parseObjective(objective)?.latencyMs ?? 1e9)),
  },
  {
    title: 'In time',
    isNumber: true,
    isWide: true,
    cell: ({ in_time: share }) => (share === null ? '–' : `${percentInTime(share)} %`),
    sort: (row) => row.in_time,
  },
  { title: 'Capacity', isWide: true, cell: (row) => <Capacity row={row} /> },
  { title: 'Per hour', isNumber: true, isWide: true, cell: (row) => usd(row.usd_per_hour), sort: (row) => row.usd_per_hour },
  { title: 'Per million', isNumber: true, isWide: true, cell: (row) => usd(row.usd_per_million), sort: (row) => row.usd_per_million },
];

/** Why it failed, where it did; else who serves. */
function Capacity({ row }: { readonly row: Row }): ReactElement {
  const { kind } = endpointState(row);
  if (row.reason === null || (kind !== 'bad' && kind !== 'warn')) return <span className="mut">{capacityWords(row)}</span>;
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
