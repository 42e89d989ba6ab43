/** What to simulate: what comes, who scales, what is promised, on what it runs. */
import { Button, Checkbox, NumberInput, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { SimulationBody, SimulationInput } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { groupsQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { plural } from '../kit/format.ts';
import { Failure } from '../kit/loaded.tsx';
import { type ChosenLoad, LoadFields } from './load-fields.tsx';

interface Preset {
  readonly policy: string;
  readonly name: string;
  readonly what: string;
}

const presets: readonly Preset[] = [
  { policy: 'economic', name: 'Penstock', what: 'forecast; instances and functions, whatever costs least' },
  { policy: 'mark-greedy', name: 'MArk', what: 'forecast; instances for the base, functions for what comes on top' },
  { policy: 'batch', name: 'BATCH', what: 'functions only, requests buffered' },
  { policy: 'target-tracking', name: 'Target tracking', what: 'as Application Auto Scaling' },
  { policy: 'hpa:70', name: 'Kubernetes HPA', what: '70 % utilisation' },
  { policy: 'static', name: 'Always-on', what: 'instances enough for the busiest minute' },
];

export function SimulationForm(): ReactElement {
  const [load, setLoad] = useState<ChosenLoad>({ load: null, needs: 'Choose what comes.' });
  const [policies, setPolicies] = useState<readonly string[]>(['economic', 'target-tracking', 'static']);
  const [own, setOwn] = useState('');
  const [percentile, setPercentile] = useState('p95');
  const [latencyMs, setLatencyMs] = useState<number | string>('');
  const [profile, setProfile] = useState<string | null>(null);
  const models = useModels();
  const isRecorded = load.load?.kind === 'recorded';
  const wished = [...policies, ...own.split(';').flatMap((text) => (text.trim() === '' ? [] : [text.trim()]))];
  const { start, error, isBusy } = useStart();
  const needs = load.needs ?? (wished.length === 0 ? 'Choose a policy.' : wished.length > 8 ? 'At most eight policies.' : null);
  const submit = (): void => {
    if (load.load === null) return;
    start({
      load: load.load,
      policies: wished,
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
      <Card title="What comes" span={4} padded className="what-if-form">
        <LoadFields onChange={setLoad} />
      </Card>
      <PolicyFields policies={policies} setPolicies={setPolicies} own={own} setOwn={setOwn} />
      <Card title="What is promised, and on what it runs" span={4} padded className="what-if-form">
        <div className="row wrap end-aligned">
          <SegmentedControl aria-label="Percentile" value={percentile} onChange={setPercentile} data={['p50', 'p95', 'p99']} />
          <NumberInput
            label="At most, in ms"
            placeholder={isRecorded ? 'as promised' : '500'}
            min={0.1}
            max={3_600_000}
            value={latencyMs}
            onChange={setLatencyMs}
          />
        </div>
        <Select
          label="Service times"
          description={
            isRecorded ? 'Those of what it serves, unless another is chosen.' : 'A made-up model of 140 ms, unless another is chosen.'
          }
          placeholder={isRecorded ? 'as it serves' : 'reference'}
          clearable
          searchable
          data={['reference', ...models]}
          value={profile}
          onChange={setProfile}
        />
        {error === null ? null : <Failure error={error} what="It was not begun." />}
        <div className="row">
          <Button type="submit" variant="filled" disabled={needs !== null} loading={isBusy}>
            Simulate {plural(wished.length + (isRecorded ? 1 : 0), 'policy', 'policies')}
          </Button>
        </div>
        <p className="sm dim" role="status">
          {needs ?? `${isRecorded ? 'What is deployed is one of them. ' : ''}Takes about a second for 100,000 requests and a policy.`}
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
    <Card title="Who scales" span={4} padded className="what-if-form">
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
        label="Others"
        description="As penstock simulate --policy takes them, separated by ;"
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
