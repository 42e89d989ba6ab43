/** The simulation form: load, policies, objective and service times. */
import { Button, Checkbox, NumberInput, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { SimulationBody, SimulationInput } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { groupsQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { plural } from '../kit/format/format.ts';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { type ChosenLoad, LoadFields } from './load-fields.tsx';

interface Preset {
  readonly policy: string;
  readonly name: string;
  readonly what: string;
}

const presets: readonly Preset[] = [
  { policy: 'economic', name: 'Penstock', what: 'forecast; the cheapest mix of instances and functions' },
  { policy: 'mark-greedy', name: 'MArk', what: 'forecast; instances for the base load, functions for the rest' },
  { policy: 'batch', name: 'BATCH', what: 'functions only, requests buffered' },
  { policy: 'target-tracking', name: 'Target tracking', what: 'like Application Auto Scaling' },
  { policy: 'hpa:70', name: 'Kubernetes HPA', what: '70 % utilization' },
  { policy: 'static', name: 'Always-on', what: 'enough instances for the peak minute' },
];

export function SimulationForm(): ReactElement {
  const [load, setLoad] = useState<ChosenLoad>({ load: null, missing: 'Choose a load.' });
  const [policies, setPolicies] = useState<readonly string[]>(['economic', 'target-tracking', 'static']);
  const [own, setOwn] = useState('');
  const [percentile, setPercentile] = useState('p95');
  const [latencyMs, setLatencyMs] = useState<number | string>('');
  const [profile, setProfile] = useState<string | null>(null);
  const models = useModels();
  const isRecorded = load.load?.kind === 'recorded';
  const selected = [...policies, ...own.split(';').flatMap((text) => (text.trim() === '' ? [] : [text.trim()]))];
  const { start, error, isBusy } = useStart();
  const missing =
    load.missing ?? (selected.length === 0 ? 'Choose a policy.' : selected.length > 8 ? 'Choose at most eight policies.' : null);
  const submit = (): void => {
    if (load.load === null) return;
    start({
      load: load.load,
      policies: selected,
      ...(latencyMs === '' ? {} : { objective: `${percentile}<=${latencyMs}ms` }),
      ...(profile === null ? {} : { profile }),
    });
  };
  return (
    <form
      className="grid"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Card title="Load" span={4} padded className="what-if-form">
        <LoadFields onChange={setLoad} />
      </Card>
      <PolicyFields policies={policies} setPolicies={setPolicies} own={own} setOwn={setOwn} />
      <Card title="Objective and service times" span={4} padded className="what-if-form">
        <div className="row wrap end-aligned">
          <SegmentedControl aria-label="Percentile" value={percentile} onChange={setPercentile} data={['p50', 'p95', 'p99']} />
          <NumberInput
            label="Latency in ms"
            placeholder={isRecorded ? 'as deployed' : '500'}
            min={0.1}
            max={3_600_000}
            value={latencyMs}
            onChange={setLatencyMs}
          />
        </div>
        <Select
          label="Service times"
          description={isRecorded ? 'Default: those of the deployed model.' : 'Default: a synthetic model with 140 ms.'}
          placeholder={isRecorded ? 'as deployed' : 'reference'}
          clearable
          searchable
          data={['reference', ...models]}
          value={profile}
          onChange={setProfile}
        />
        {error === null ? null : <LoadFailure error={error} what="The simulation was not started." />}
        <div className="row">
          <Button type="submit" variant="filled" disabled={missing !== null} loading={isBusy}>
            Simulate {plural(selected.length + (isRecorded ? 1 : 0), 'policy', 'policies')}
          </Button>
        </div>
        <p className="sm dim" role="status">
          {missing ?? `${isRecorded ? 'Includes the deployed policy. ' : ''}Takes about one second per policy and 100,000 requests.`}
        </p>
      </Card>
    </form>
  );
}

interface PolicyFieldsProps {
  readonly policies: readonly string[];
  readonly setPolicies: (policies: readonly string[]) => void;
  readonly own: string;
  readonly setOwn: (own: string) => void;
}

function PolicyFields({ policies, setPolicies, own, setOwn }: PolicyFieldsProps): ReactElement {
  return (
    <Card title="Policies" span={4} padded className="what-if-form">
      {presets.map(({ policy, name, what }) => (
        <Checkbox
          key={policy}
          label={name}
          description={what}
          checked={policies.includes(policy)}
          onChange={(event) => {
            const isOn = event.currentTarget.checked;
            setPolicies(isOn ? [...policies, policy] : policies.filter((other) => other !== policy));
          }}
        />
      ))}
      <TextInput
        label="Other policies"
        description="Syntax of penstock simulate --policy, separated by ;"
        placeholder="hpa:50,window=300s+overflow; kpa"
        value={own}
        onChange={(event) => setOwn(event.currentTarget.value)}
        autoComplete="off"
      />
    </Card>
  );
}

/** The latest version of each group. */
function useModels(): string[] {
  const { data } = useQuery(groupsQuery());
  return (data?.items ?? []).flatMap(({ name, latest_version: version }) => (version === null ? [] : [`${name}/${version}`]));
}

function useStart() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const start = (input: SimulationInput): void => {
    setIsBusy(true);
    setError(null);
    post<SimulationBody>('/simulations', input)
      .then(async ({ id }) => {
        await client.invalidateQueries({ queryKey: ['simulations'] });
        await navigate({ to: '/what-if', search: { run: id } });
      })
      .catch((thrown: unknown) => setError(thrown as Error))
      .finally(() => setIsBusy(false));
  };
  return { start, error, isBusy };
}
