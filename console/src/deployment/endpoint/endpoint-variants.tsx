/** The variants of an endpoint, their share of traffic and their workers. */
import { Button, NumberInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, type ReactNode, useState } from 'react';
import type { EndpointBody, VariantBody } from '../../../../src/api/index.ts';
import { patch, path } from '../../api/client.ts';
import { endpointQuery } from '../../api/queries.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { DataTable, type TableColumn } from '../../kit/data-table.tsx';
import { bytes, count, duration, ms, percent, usd } from '../../kit/format/format.ts';
import { pricePerMillion } from '../../kit/format/money.ts';
import { LiveStateMark } from '../../kit/live-state-mark.tsx';
import { LoadFailure } from '../../kit/page/loaded.tsx';
import type { StateKind } from '../../kit/state-mark.tsx';
import { weightChangesOf } from './endpoint-changes.ts';
import { RolloutCard } from './rollout-card.tsx';
import { isUpdateInProgress } from './rollout-state.ts';

/** The current share of traffic of a variant, from 0 to 1; for a shadow, the share that it receives copies of. */
export function shareOf(variant: VariantBody, endpoint: EndpointBody): number {
  if (variant.shadow !== null) return variant.shadow.share;
  const total = answering(endpoint).reduce((sum, { weight }) => sum + weight, 0);
  const { rollout } = endpoint;
  // During a canary update, the new variants share the traffic of the current step.
  const part = isUpdateInProgress(rollout) ? (rollout.watched_since === null ? 0 : rollout.share_percent / 100) : 1;
  return total === 0 ? 0 : (part * variant.weight) / total;
}

/** The variants that answer requests: all but shadows. */
const answering = ({ variants }: EndpointBody): readonly VariantBody[] => variants.filter(({ shadow }) => shadow === null);

const requestsOf = ({ statistics }: VariantBody): number => statistics?.requests ?? 0;

/** Latency and errors count since the serving version was loaded. Cost counts all versions since the server started. */
export function VariantTable({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const columns: readonly TableColumn<VariantBody>[] = [
    { title: 'Variant', cell: (variant) => <Name variant={variant} /> },
    { title: 'Traffic', isNumber: true, cell: (variant) => <TrafficShare variant={variant} endpoint={endpoint} /> },
    { title: 'Mean', isNumber: true, cell: (variant) => <Mean variant={variant} /> },
    { title: 'Errors', isNumber: true, cell: errorsOf },
    {
      title: 'Per million',
      isNumber: true,
      cell: ({ usage }) => usd(pricePerMillion(usage.total_usd, usage.requests)),
    },
  ];
  return (
    <DataTable
      caption={`Variants of ${endpoint.name}: numbers of the serving version, and cost per million requests since the server started`}
      isDense
      columns={columns}
      rows={endpoint.variants}
      keyOf={({ name }) => name}
    />
  );
}

function Name({ variant }: { readonly variant: VariantBody }): ReactElement {
  return (
    <>
      <b>{variant.name}</b>
      <span className="two">
        {variant.multi_model === null ? (
          <ModelLink model={variant.model} />
        ) : (
          `${count(variant.multi_model.models_loaded)} of the models at ${variant.multi_model.url} loaded`
        )}
      </span>
    </>
  );
}

function TrafficShare({ variant, endpoint }: { readonly variant: VariantBody; readonly endpoint: EndpointBody }): ReactElement {
  const share = `${percent(shareOf(variant, endpoint))} %`;
  if (variant.shadow === null) return <>{share}</>;
  const { copies_dropped: dropped, shares_workers: isShared } = variant.shadow;
  return (
    <>
      shadow of {share}
      {isShared ? <span className="two">in idle time</span> : null}
      {dropped === 0 ? null : <span className="two">{count(dropped)} copies dropped</span>}
    </>
  );
}

function Mean({ variant }: { readonly variant: VariantBody }): ReactNode {
  const requests = requestsOf(variant);
  if (requests === 0) return '–';
  return (
    <>
      {ms((variant.statistics?.total_ms ?? 0) / requests)}
      <span className="u">ms</span>
    </>
  );
}

function errorsOf(variant: VariantBody): string {
  const failures = variant.statistics?.failures ?? 0;
  const all = requestsOf(variant) + failures;
  return all === 0 ? '–' : `${percent(failures / all)} %`;
}

function ModelLink({ model }: { readonly model: string }): ReactElement {
  const [group = ''] = model.split('/');
  return (
    <Link to="/models/$group" params={{ group }}>
      {model}
    </Link>
  );
}

export function EndpointVariants({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  return (
    <>
      <RolloutCard endpoint={endpoint} />
      <Card title="Variants">
        <VariantTable endpoint={endpoint} />
      </Card>
      {mayDeploy && answering(endpoint).length > 1 ? <Traffic key={endpoint.generation} endpoint={endpoint} /> : null}
      {endpoint.variants.map((variant) => (
        <Workers key={variant.name} variant={variant} />
      ))}
    </>
  );
}

function Traffic({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const client = useQueryClient();
  const [weights, setWeights] = useState<Readonly<Record<string, number>>>(
    Object.fromEntries(endpoint.variants.map(({ name, weight }) => [name, weight])),
  );
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const isChanged = endpoint.variants.some(({ name, weight }) => weights[name] !== weight);
  const save = async (): Promise<void> => {
    setIsBusy(true);
    setError(null);
    try {
      const changes = weightChangesOf(endpoint, weights);
      const changed = await patch<EndpointBody>(path('/endpoints/:endpoint', { endpoint: endpoint.name }), changes);
      client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
    } catch (thrown) {
      setError(thrown as Error);
    }
    setIsBusy(false);
  };
  return (
    <Card title="Traffic" padded>
      <form
        className="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {endpoint.variants.map(({ name, model }) => (
          <NumberInput
            key={name}
            label={`${name}, ${model}`}
            description={total === 0 ? 'no traffic' : `${percent((weights[name] ?? 0) / total)} % of the requests`}
            value={weights[name] ?? 0}
            min={0}
            onChange={(value) => setWeights({ ...weights, [name]: Number(value) })}
          />
        ))}
        {error === null ? null : <LoadFailure error={error} what="The traffic split was not changed." />}
        <div className="row">
          <Button type="submit" disabled={!isChanged || total === 0} loading={isBusy}>
            Change traffic
          </Button>
        </div>
      </form>
    </Card>
  );
}

const workerStates: Readonly<Record<string, StateKind>> = {
  ready: 'ok',
  starting: 'changing',
  loading: 'changing',
  failed: 'bad',
  draining: 'changing',
  stopping: 'changing',
};

type Worker = VariantBody['workers'][number];

const columns: readonly TableColumn<Worker>[] = [
  { title: 'Worker', cell: ({ id }) => <span className="mono">{id}</span>, sort: ({ id }) => id },
  { title: 'Version', cell: ({ model }) => model, sort: ({ model }) => model },
  {
    title: 'State',
    cell: ({ state }) => <LiveStateMark kind={workerStates[state] ?? 'zero'} word={state} />,
    sort: ({ state }) => state,
  },
  {
    title: 'Host',
    cell: ({ host, zone }) => (
      <>
        {host ?? <span className="dim">none</span>} <span className="mut">{zone}</span>
      </>
    ),
    sort: ({ host }) => host,
  },
  { title: 'Memory', isNumber: true, cell: ({ rss_bytes: memory }) => bytes(memory), sort: ({ rss_bytes: memory }) => memory },
  { title: 'Process', isNumber: true, isWide: true, cell: ({ pid }) => pid ?? '–' },
  { title: 'Restarts', isNumber: true, cell: ({ restarts }) => count(restarts), sort: ({ restarts }) => restarts },
  { title: 'Reason', isWide: true, cell: ({ reason }) => <span className="mut">{reason ?? ''}</span> },
];

const columnsOfOneMachine = columns.filter(({ title }) => title !== 'Host');

function Workers({ variant }: { readonly variant: VariantBody }): ReactElement {
  const hasHosts = variant.workers.some(({ host }) => host !== null);
  return (
    <Card title={`Workers of ${variant.name}`} end={formatEnvironments(variant.environments)}>
      <DataTable
        caption={`Workers of ${variant.name}`}
        isDense
        columns={hasHosts ? columns : columnsOfOneMachine}
        rows={variant.workers}
        keyOf={({ id }) => id}
        whenEmpty="No workers are running."
      />
    </Card>
  );
}

function formatEnvironments(environments: VariantBody['environments']): string | undefined {
  if (environments === null) return undefined;
  const { busy, idle, starting, cold_start_ms: coldMs } = environments;
  return `functions: ${busy} busy, ${idle} warm, ${starting} starting${coldMs === null ? '' : `; a cold start takes ${duration(coldMs)}`}`;
}
