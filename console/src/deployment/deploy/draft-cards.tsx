/** The input cards of the deploy page: name and version, objective, traffic, limits. */

import { Button, Checkbox, NumberInput, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { DeploymentPlanBody, EndpointBody, OverviewEndpointBody } from '../../../../src/api/index.ts';
import { pricesQuery, profileQuery } from '../../api/model-queries.ts';
import { historyQuery } from '../../api/queries.ts';
import { rolledBackBy } from '../../api/rolled-back-versions.ts';
import { Card } from '../../kit/card.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { fixed, sentence } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { Icon } from '../../kit/icon.tsx';
import { StateMark } from '../../kit/state-mark.tsx';
import type { CurvePoints } from './cost-curve.ts';
import type { DeployDraft } from './draft.ts';
import { rateText, versionSentence } from './format-plan.ts';
import type { ModelsToDeploy } from './models-to-deploy.ts';
import { ObjectiveFields, Percentiles } from './objective-fields.tsx';
import { recordedTraffic } from './recorded-traffic.ts';
import { Slide } from './slide.tsx';
import { peakScale, rateScale } from './slider-scale.ts';

export interface DraftProps {
  readonly draft: DeployDraft;
  readonly change: (change: Partial<DeployDraft>) => void;
}

interface ModelCardProps extends DraftProps {
  readonly name: string;
  readonly nameProblem: string | null;
  readonly models: ModelsToDeploy;
}

export function ModelCard({ draft, change, name, nameProblem, models }: ModelCardProps): ReactElement {
  const { names, version, endpoints } = models;
  const { data: profiles } = useQuery({ ...profileQuery(draft.model), enabled: draft.model !== '' });
  const profile = profiles?.items.find(({ executor }) => executor === 'instance:local.1');
  return (
    <section className="card" aria-label="Endpoint and model">
      <div className="body">
        <div className="two-fields">
          <TextInput
            label="Endpoint name"
            value={name}
            error={nameProblem}
            onChange={(event) => change({ name: event.currentTarget.value })}
            autoComplete="off"
            spellCheck={false}
          />
          <Select
            label="Model version"
            data={[...names]}
            renderOption={({ option }) => <VersionOption name={option.value} endpoints={endpoints} />}
            value={draft.model}
            onChange={(model) => model !== null && change({ model, name: null })}
            searchable
            allowDeselect={false}
            nothingFoundMessage="No matching approved version."
          />
        </div>
        {version === undefined ? null : <p className="sm dim takes">{versionSentence(version, profile)}</p>}
        <RolledBackNotes draft={draft} models={models} />
      </div>
    </section>
  );
}

interface OptionProps {
  readonly name: string;
  readonly endpoints: readonly EndpointBody[];
}

function VersionOption({ name, endpoints }: OptionProps): ReactElement {
  const by = rolledBackBy(endpoints, name).map(({ endpoint }) => endpoint);
  return (
    <span>
      {name}
      {by.length === 0 ? null : (
        <span className="two">
          <StateMark kind="warn">rolled back by {by.join(' and ')}</StateMark>
        </span>
      )}
    </span>
  );
}

/** Warns if the chosen version, or a newer one, was rolled back. */
function RolledBackNotes({
  draft,
  models: { names, endpoints },
}: {
  readonly draft: DeployDraft;
  readonly models: ModelsToDeploy;
}): ReactElement[] {
  const [group, number] = draft.model.split('/');
  return names
    .filter((name) => name.startsWith(`${group}/`) && Number(name.split('/')[1]) >= Number(number))
    .flatMap((name) => rolledBackBy(endpoints, name).map((back) => ({ name, ...back })))
    .map(({ name, endpoint, reason, at }) => (
      <p key={`${name} ${endpoint}`} className="sm mut rolled-back">
        <StateMark kind="warn">{name} was rolled back</StateMark> by {endpoint} <Ago at={at} />. {sentence(reason)}
      </p>
    ));
}

interface ObjectiveCardProps extends DraftProps {
  readonly curve: CurvePoints | null;
  readonly plan: DeploymentPlanBody | undefined;
}

export function ObjectiveCard({ draft, change, curve, plan }: ObjectiveCardProps): ReactElement {
  return (
    <Card title="Objective" padded end={<Percentiles percentile={draft.percentile} onChange={(percentile) => change({ percentile })} />}>
      <ObjectiveFields value={draft} change={change} curve={curve} usdPerHour={plan?.chosen?.usd_per_hour ?? null} />
      <p className="sm dim">Lowest cost per hour for each objective, at the traffic below.</p>
    </Card>
  );
}

interface TrafficCardProps extends DraftProps {
  /** An endpoint with the same model and recorded traffic. */
  readonly recorded: OverviewEndpointBody | undefined;
}

const daySpan = { periodS: 60, spanS: 86_400, fromMs: null, toMs: null } as const;

export function TrafficCard({ draft, change, recorded }: TrafficCardProps): ReactElement {
  const { ratePerSecond, peakFactor } = draft;
  return (
    <Card title="Traffic" padded end={recorded === undefined ? undefined : <UseRecorded endpoint={recorded.name} change={change} />}>
      <div className="row">
        <label htmlFor="rate" className="mut">
          Average rate
        </label>
        <b className="end t">
          {rateText(ratePerSecond)}
          <span className="u">/s</span>
        </b>
      </div>
      <Slide
        id="rate"
        scale={rateScale}
        value={ratePerSecond}
        onChange={(value) => change({ ratePerSecond: value })}
        label="Average rate"
        valueLabel={`${rateText(ratePerSecond)} requests per second`}
      />
      <div className="row peak">
        <label htmlFor="peak" className="mut">
          Peak minute
        </label>
        <b className="end t">
          {fixed(peakFactor, 2)}
          <span className="u">× average</span>
        </b>
      </div>
      <Slide
        id="peak"
        scale={peakScale}
        value={peakFactor}
        onChange={(value) => change({ peakFactor: value })}
        label="Peak minute"
        valueLabel={`${peakFactor} times the average`}
      />
    </Card>
  );
}

function UseRecorded({ endpoint, change }: { readonly endpoint: string; readonly change: DraftProps['change'] }): ReactElement {
  const { refetch, isFetching } = useQuery({ ...historyQuery(endpoint, daySpan), enabled: false });
  const [isNothing, setIsNothing] = useState(false);
  const use = async (): Promise<void> => {
    const { data } = await refetch();
    const traffic = data === undefined ? null : recordedTraffic(data.columns.rate);
    setIsNothing(traffic === null);
    if (traffic !== null) change(traffic);
  };
  return (
    <Button size="sm" leftSection={<Icon name="monitoring" />} loading={isFetching} onClick={() => void use()}>
      {isNothing ? `No traffic recorded for ${endpoint}` : `Use traffic of ${endpoint}`}
    </Button>
  );
}

export function LimitsCard({ draft, change }: DraftProps): ReactElement {
  return (
    <Card title="Limits" padded>
      <div className="limits">
        <Allowed draft={draft} change={change} />
        {draft.instanceType === null ? null : <InstanceType instanceType={draft.instanceType} change={change} />}
        <div className="row wrap choices">
          <span className="row">
            <span className="mut">Late requests</span>
            <SegmentedControl
              aria-label="Late requests"
              data={[
                { value: 'serve', label: 'serve' },
                { value: 'shed', label: 'reject' },
              ]}
              value={draft.late}
              onChange={(value) => change({ late: value === 'shed' ? 'shed' : 'serve' })}
            />
          </span>
          <span className="row">
            <span className="mut">Without traffic</span>
            <SegmentedControl
              aria-label="Without traffic"
              // Instances alone cannot scale to zero: no function would serve requests while one starts.
              disabled={!draft.hasFunctions}
              data={[
                { value: 'zero', label: 'to zero' },
                { value: 'one', label: 'keep 1' },
              ]}
              value={draft.keepOne || !draft.hasFunctions ? 'one' : 'zero'}
              onChange={(value) => change({ keepOne: value === 'one' })}
            />
          </span>
        </div>
      </div>
    </Card>
  );
}

/** At least one of the two stays checked: with neither there is nothing to plan. */
function Allowed({ draft, change }: DraftProps): ReactElement {
  const { instanceType, hasFunctions, usdPerHourMax } = draft;
  const allowInstances = (isAllowed: boolean): void =>
    change(isAllowed ? { instanceType: 'local.1' } : { instanceType: null, hasFunctions: true });
  const allowFunctions = (isAllowed: boolean): void =>
    change(isAllowed ? { hasFunctions: true } : { hasFunctions: false, instanceType: instanceType ?? 'local.1' });
  return (
    <div className="row wrap">
      <Checkbox
        size="xs"
        label="Instances"
        checked={instanceType !== null}
        onChange={(event) => allowInstances(event.currentTarget.checked)}
      />
      <Checkbox size="xs" label="Functions" checked={hasFunctions} onChange={(event) => allowFunctions(event.currentTarget.checked)} />
      <span className="row nw">
        <label htmlFor="at-most">At most</label>
        <NumberInput
          id="at-most"
          className="money"
          value={usdPerHourMax ?? ''}
          placeholder="no limit"
          prefix="$"
          min={0}
          step={0.1}
          decimalScale={6}
          hideControls
          onChange={(value) => change({ usdPerHourMax: typeof value === 'number' && value > 0 ? value : null })}
        />
        per hour
      </span>
    </div>
  );
}

function InstanceType({
  instanceType,
  change,
}: {
  readonly instanceType: string;
  readonly change: DraftProps['change'];
}): ReactElement | null {
  const { data: prices } = useQuery(pricesQuery());
  if (prices === undefined) return null;
  const types = Object.entries(prices.instances).map(([name, { usdPerHour }]) => {
    return { value: name, label: `${name}, ${usdFine(usdPerHour)} per hour` };
  });
  return (
    <div className="row">
      <label htmlFor="instance-type" className="mut nw">
        Instance type
      </label>
      <Select
        id="instance-type"
        className="grow"
        data={types}
        value={instanceType}
        searchable
        allowDeselect={false}
        onChange={(value) => value !== null && change({ instanceType: value })}
      />
    </div>
  );
}
