/** The left half of Deploy: what somebody wants. Name and version, the promise, the traffic, the limits. */

import { Button, Checkbox, NumberInput, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { DeploymentPlanBody, EndpointBody, OverviewEndpointBody } from '../../../../src/api/index.ts';
import { pricesQuery, profileQuery } from '../../api/model-queries.ts';
import { historyQuery } from '../../api/queries.ts';
import { takenBackBy } from '../../api/taken-back.ts';
import { Ago } from '../../kit/ago.tsx';
import { Card } from '../../kit/card.tsx';
import { fixed, sentence } from '../../kit/format.ts';
import { Icon } from '../../kit/icon.tsx';
import { usdFine } from '../../kit/money.ts';
import { StateMark } from '../../kit/state-mark.tsx';
import { type CurvePoints, looserPromise } from './cost-curve.ts';
import { CostCurve } from './cost-curve-chart.tsx';
import type { ModelsToDeploy } from './models-to-deploy.ts';
import { promiseSpoken, rateText, versionSentence } from './plan-words.ts';
import { type PromiseScale, peakScale, promiseScale, rateScale } from './promise-scale.ts';
import { recordedTraffic } from './recorded-traffic.ts';
import { Slide } from './slide.tsx';
import type { Wish } from './wish.ts';

export interface WishProps {
  readonly wish: Wish;
  readonly change: (change: Partial<Wish>) => void;
}

interface ModelCardProps extends WishProps {
  readonly name: string;
  readonly nameTrouble: string | null;
  readonly models: ModelsToDeploy;
}

export function ModelCard({ wish, change, name, nameTrouble, models }: ModelCardProps): ReactElement {
  const { names, version, endpoints } = models;
  const { data: profiles } = useQuery({ ...profileQuery(wish.model), enabled: wish.model !== '' });
  const profile = profiles?.items.find(({ executor }) => executor === 'instance:local.1');
  return (
    <section className="card" aria-label="Endpoint and model">
      <div className="body">
        <div className="two-fields">
          <TextInput
            label="Endpoint name"
            value={name}
            error={nameTrouble}
            onChange={(event) => change({ name: event.currentTarget.value })}
            autoComplete="off"
            spellCheck={false}
          />
          <Select
            label="Model version"
            data={[...names]}
            renderOption={({ option }) => <VersionOption name={option.value} endpoints={endpoints} />}
            value={wish.model}
            onChange={(model) => model !== null && change({ model, name: null })}
            searchable
            allowDeselect={false}
            nothingFoundMessage="No approved version is called that."
          />
        </div>
        {version === undefined ? null : <p className="sm dim takes">{versionSentence(version, profile)}</p>}
        <TakenBackNotes wish={wish} models={models} />
      </div>
    </section>
  );
}

interface OptionProps {
  readonly name: string;
  readonly endpoints: readonly EndpointBody[];
}

function VersionOption({ name, endpoints }: OptionProps): ReactElement {
  const by = takenBackBy(endpoints, name).map(({ endpoint }) => endpoint);
  return (
    <span>
      {name}
      {by.length === 0 ? null : (
        <span className="two">
          <StateMark kind="warn">taken back by {by.join(' and ')}</StateMark>
        </span>
      )}
    </span>
  );
}

/** Why the version that is chosen is not to be trusted, or not the newest. */
function TakenBackNotes({ wish, models: { names, endpoints } }: { readonly wish: Wish; readonly models: ModelsToDeploy }): ReactElement[] {
  const [group, number] = wish.model.split('/');
  return names
    .filter((name) => name.startsWith(`${group}/`) && Number(name.split('/')[1]) >= Number(number))
    .flatMap((name) => takenBackBy(endpoints, name).map((back) => ({ name, ...back })))
    .map(({ name, endpoint, reason, at }) => (
      <p key={`${name} ${endpoint}`} className="sm mut taken-back">
        <StateMark kind="warn">{name} was taken back</StateMark> by {endpoint} <Ago at={at} />. {sentence(reason)}
      </p>
    ));
}

interface PromiseCardProps extends WishProps {
  readonly curve: CurvePoints | null;
  readonly plan: DeploymentPlanBody | undefined;
}

export function PromiseCard({ wish, change, curve, plan }: PromiseCardProps): ReactElement {
  const { percentile, latencyMs } = wish;
  const scale: PromiseScale = promiseScale(curve?.[0]?.latency_ms ?? 1, curve?.at(-1)?.latency_ms ?? 1000);
  const usdPerHour = plan?.chosen?.usd_per_hour ?? null;
  const looser = curve === null || usdPerHour === null ? null : looserPromise(curve, latencyMs, usdPerHour);
  return (
    <Card
      title="Promise"
      padded
      end={
        <SegmentedControl
          aria-label="Percentile"
          data={['50', '95', '99'].map((value) => ({ value, label: `p${value}` }))}
          value={String(percentile)}
          onChange={(value) => change({ percentile: Number(value) })}
        />
      }
    >
      <div className="row promise">
        <span className="figure t">
          p{percentile} ≤ {latencyMs >= 1000 ? fixed(latencyMs / 1000, latencyMs % 1000 === 0 ? 0 : 1) : latencyMs}
        </span>
        <span className="dim">{latencyMs >= 1000 ? 's' : 'ms'}</span>
        <span className="end sm dim">
          {usdPerHour === null
            ? ''
            : looser === null
              ? 'a looser promise saves nothing'
              : `${looser.ms} ms would cost ${usdFine(looser.usd)} per hour`}
        </span>
      </div>
      {curve === null ? (
        <div className="curve curve-empty" />
      ) : (
        <CostCurve points={curve} percentile={percentile} latencyMs={latencyMs} usdPerHour={usdPerHour} />
      )}
      <Slide
        scale={scale}
        value={latencyMs}
        onChange={(value) => change({ latencyMs: value })}
        label="Latency objective"
        spoken={promiseSpoken(percentile, latencyMs, usdPerHour)}
      />
      <p className="sm dim">Cheapest cost per hour for each promise, at the traffic below.</p>
    </Card>
  );
}

interface TrafficCardProps extends WishProps {
  /** Endpoints of the same model that have traffic. */
  readonly recorded: OverviewEndpointBody | undefined;
}

const daySpan = { periodS: 60, spanS: 86_400, fromMs: null, toMs: null } as const;

export function TrafficCard({ wish, change, recorded }: TrafficCardProps): ReactElement {
  const { ratePerSecond, peakFactor } = wish;
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
        spoken={`${rateText(ratePerSecond)} requests per second`}
      />
      <div className="row peak">
        <label htmlFor="peak" className="mut">
          Busiest minute
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
        label="Busiest minute"
        spoken={`${peakFactor} times the average`}
      />
    </Card>
  );
}

function UseRecorded({ endpoint, change }: { readonly endpoint: string; readonly change: WishProps['change'] }): ReactElement {
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
      {isNothing ? `Nothing recorded of ${endpoint}` : `Use recorded, ${endpoint}`}
    </Button>
  );
}

export function LimitsCard({ wish, change }: WishProps): ReactElement {
  return (
    <Card title="Limits" padded>
      <div className="limits">
        <Allowed wish={wish} change={change} />
        {wish.instanceType === null ? null : <InstanceType instanceType={wish.instanceType} change={change} />}
        <div className="row wrap choices">
          <span className="row">
            <span className="mut">Late requests</span>
            <SegmentedControl
              aria-label="Late requests"
              data={[
                { value: 'serve', label: 'serve' },
                { value: 'shed', label: 'refuse' },
              ]}
              value={wish.late}
              onChange={(value) => change({ late: value === 'shed' ? 'shed' : 'serve' })}
            />
          </span>
          <span className="row">
            <span className="mut">Without traffic</span>
            <SegmentedControl
              aria-label="Without traffic"
              // Instances alone never go to zero: nobody would be there to start one.
              disabled={!wish.hasFunctions}
              data={[
                { value: 'zero', label: 'to zero' },
                { value: 'one', label: 'keep 1' },
              ]}
              value={wish.keepOne || !wish.hasFunctions ? 'one' : 'zero'}
              onChange={(value) => change({ keepOne: value === 'one' })}
            />
          </span>
        </div>
      </div>
    </Card>
  );
}

/** One of the two stays allowed: with neither there is nothing to plan. */
function Allowed({ wish, change }: WishProps): ReactElement {
  const { instanceType, hasFunctions, usdPerHourMax } = wish;
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
  readonly change: WishProps['change'];
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
