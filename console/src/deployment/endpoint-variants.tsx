/** Who serves an endpoint, and who gets how much of its traffic. */
import { Button, NumberInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, type ReactNode, useState } from 'react';
import type { EndpointBody, VariantBody } from '../../../src/api/index.ts';
import { patch, path } from '../api/client.ts';
import { endpointQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { bytes, count, duration, ms, percent, usd } from '../kit/format.ts';
import { Failure } from '../kit/loaded.tsx';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { RolloutCard } from './rollout-card.tsx';
import { variantInputOf } from './variant-input.ts';

export function shareOf(variant: VariantBody, endpoint: EndpointBody): number {
  const total = endpoint.variants.reduce((sum, { weight }) => sum + weight, 0);
  const { rollout } = endpoint;
  // While an update takes over in steps, its variants share what the step gives them.
  const part = rollout?.state === 'shifting' ? (rollout.watched_since === null ? 0 : rollout.share_percent / 100) : 1;
  return total === 0 ? 0 : (part * variant.weight) / total;
}

const requestsOf = ({ statistics }: VariantBody): number => statistics?.requests ?? 0;

/** How fast, how often wrong: of the version that serves, since it was loaded. What it costs: since the server started, over all versions. */
export function VariantTable({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const columns: readonly TableColumn<VariantBody>[] = [
    { title: 'Variant', cell: (variant) => <Name variant={variant} /> },
    { title: 'Traffic', isNumber: true, cell: (variant) => `${percent(shareOf(variant, endpoint))} %` },
    { title: 'Mean', isNumber: true, cell: (variant) => <Mean variant={variant} /> },
    { title: 'Errors', isNumber: true, cell: errorsOf },
    {
      title: 'Per million',
      isNumber: true,
      cell: ({ usage }) => (usage.requests === 0 ? '–' : usd((usage.total_usd / usage.requests) * 1e6)),
    },
  ];
  return (
    <DataTable
      caption={`Variants of ${endpoint.name}: of the version that serves, and per million of all since the server started`}
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
        <ModelLink model={variant.model} />
      </span>
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
  const mayDeploy = useMay('deploy');
  return (
    <>
      <RolloutCard endpoint={endpoint} />
      <Card title="Variants">
        <VariantTable endpoint={endpoint} />
      </Card>
      {mayDeploy && endpoint.variants.length > 1 ? <Traffic key={endpoint.generation} endpoint={endpoint} /> : null}
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
      const variants = endpoint.variants.map((variant) => ({
        ...variantInputOf(variant),
        weight: weights[variant.name] ?? variant.weight,
      }));
      const changed = await patch<EndpointBody>(path('/endpoints/:endpoint', { endpoint: endpoint.name }), { variants });
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
            description={total === 0 ? 'no traffic at all' : `${percent((weights[name] ?? 0) / total)} % of the requests`}
            value={weights[name] ?? 0}
            min={0}
            onChange={(value) => setWeights({ ...weights, [name]: Number(value) })}
          />
        ))}
        {error === null ? null : <Failure error={error} what="Traffic stays as it was." />}
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

const workerColumns: readonly TableColumn<Worker>[] = [
  { title: 'Worker', cell: ({ id }) => <span className="mono">{id}</span>, sort: ({ id }) => id },
  { title: 'Version', cell: ({ model }) => model, sort: ({ model }) => model },
  {
    title: 'State',
    cell: ({ state }) => <StateMark kind={workerStates[state] ?? 'zero'}>{state}</StateMark>,
    sort: ({ state }) => state,
  },
  { title: 'Memory', isNumber: true, cell: ({ rss_bytes: memory }) => bytes(memory), sort: ({ rss_bytes: memory }) => memory },
  { title: 'Process', isNumber: true, isWide: true, cell: ({ pid }) => pid ?? '–' },
  { title: 'Restarts', isNumber: true, cell: ({ restarts }) => count(restarts), sort: ({ restarts }) => restarts },
  { title: 'Reason', isWide: true, cell: ({ reason }) => <span className="mut">{reason ?? ''}</span> },
];

function Workers({ variant }: { readonly variant: VariantBody }): ReactElement {
  return (
    <Card title={`Workers of ${variant.name}`} end={environmentWords(variant.environments)}>
      <DataTable
        caption={`Workers of ${variant.name}`}
        isDense
        columns={workerColumns}
        rows={variant.workers}
        keyOf={({ id }) => id}
        whenEmpty="None runs now."
      />
    </Card>
  );
}

function environmentWords(environments: VariantBody['environments']): string | undefined {
  if (environments === null) return undefined;
  const { busy, idle, starting, cold_start_ms: coldMs } = environments;
  return `functions: ${busy} run, ${idle} warm, ${starting} starting${coldMs === null ? '' : `; a cold start takes ${duration(coldMs)}`}`;
}
