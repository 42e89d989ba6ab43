/** Who serves an endpoint, and who gets how much of its traffic. */
import { Button, NumberInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { EndpointBody, VariantBody } from '../../../src/api/index.ts';
import { patch, path } from '../api/client.ts';
import { endpointQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { bytes, count, duration, fixed, ms, percent, usd } from '../kit/format.ts';
import { Failure } from '../kit/loaded.tsx';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { variantInputOf } from './variant-input.ts';

export function shareOf(variant: VariantBody, endpoint: EndpointBody): number {
  const total = endpoint.variants.reduce((sum, { weight }) => sum + weight, 0);
  return total === 0 ? 0 : variant.weight / total;
}

/** Since the server started, as their statistics are. */
export function VariantTable({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  return (
    <div className="tw">
      <table className="dense">
        <caption className="unseen">Variants of {endpoint.name}, since the server started</caption>
        <thead>
          <tr>
            <th scope="col">Variant</th>
            <th scope="col" className="n">
              Traffic
            </th>
            <th scope="col" className="n">
              Mean
            </th>
            <th scope="col" className="n">
              Errors
            </th>
            <th scope="col" className="n">
              Per million
            </th>
          </tr>
        </thead>
        <tbody>
          {endpoint.variants.map((variant) => (
            <VariantRow key={variant.name} variant={variant} share={shareOf(variant, endpoint)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function VariantRow({ variant, share }: { readonly variant: VariantBody; readonly share: number }): ReactElement {
  const { requests = 0, failures = 0, total_ms: totalMs = 0 } = variant.statistics ?? {};
  const all = requests + failures;
  return (
    <tr>
      <th scope="row">
        <b>{variant.name}</b>
        <span className="two">
          <ModelLink model={variant.model} />
        </span>
      </th>
      <td className="n">{percent(share)} %</td>
      <td className="n">
        {requests === 0 ? '–' : ms(totalMs / requests)}
        {requests === 0 ? null : <span className="u">ms</span>}
      </td>
      <td className="n">{all === 0 ? '–' : `${percent(failures / all)} %`}</td>
      <td className="n">{requests === 0 ? '–' : usd((variant.usage.total_usd / requests) * 1e6)}</td>
    </tr>
  );
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

function Workers({ variant }: { readonly variant: VariantBody }): ReactElement {
  const { environments } = variant;
  const end =
    environments === null
      ? undefined
      : `functions: ${environments.busy} run, ${environments.idle} warm, ${environments.starting} starting${environments.cold_start_ms === null ? '' : `; a cold start takes ${duration(environments.cold_start_ms)}`}`;
  return (
    <Card title={`Workers of ${variant.name}`} end={end}>
      {variant.workers.length === 0 ? (
        <p className="body mut">None runs now.</p>
      ) : (
        <div className="tw">
          <table className="dense">
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">State</th>
                <th scope="col" className="n">
                  Memory
                </th>
                <th scope="col" className="n wide">
                  Process
                </th>
                <th scope="col" className="n">
                  Restarts
                </th>
                <th scope="col" className="wide">
                  Reason
                </th>
              </tr>
            </thead>
            <tbody>
              {variant.workers.map((worker) => (
                <tr key={worker.id}>
                  <th scope="row" className="mono">
                    {worker.id}
                  </th>
                  <td>
                    <StateMark kind={workerStates[worker.state] ?? 'zero'}>{worker.state}</StateMark>
                  </td>
                  <td className="n">{bytes(worker.rss_bytes)}</td>
                  <td className="n wide">{worker.pid === null ? '–' : fixed(worker.pid).replaceAll(',', '')}</td>
                  <td className="n">{count(worker.restarts)}</td>
                  <td className="wide mut">{worker.reason ?? ''}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
