/** The current setting, and its predictions next to the measurements. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement, ReactNode } from 'react';
import type { DecisionBody, EndpointBody, ScalingDecisionBody, VariantBody } from '../../../../src/api/index.ts';
import { decisionsQuery } from '../../api/queries.ts';
import { Card } from '../../kit/card.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { difference, fixed, ms, percent, plural, rate, usd } from '../../kit/format/format.ts';
import { Pairs } from '../../kit/pairs.tsx';
import { formatPolicyText } from '../decisions/format-policy.ts';
import type { HistorySums } from '../decisions/history-sums.ts';

interface SettingNowProps {
  readonly endpoint: EndpointBody;
  readonly variant: VariantBody;
  readonly sums: HistorySums;
  readonly span: string;
}

export function SettingNow({ endpoint, variant, sums, span }: SettingNowProps): ReactElement {
  const batching = useLatest<DecisionBody>(endpoint.name, 'batching', variant.name);
  const scaling = useLatest<ScalingDecisionBody>(endpoint.name, 'scaling', variant.name);
  const latest = [batching?.at, scaling?.at]
    .filter((at) => at !== undefined)
    .toSorted()
    .at(-1);
  const rows = comparison(variant, sums, scaling);
  return (
    <Card
      title={endpoint.variants.length > 1 ? `Current setting of ${variant.name}` : 'Current setting'}
      end={
        latest === undefined ? undefined : (
          <>
            reviewed <Ago at={latest} />
          </>
        )
      }
      footer={footerOf(rows, variant)}
    >
      <div className="body">
        <Pairs pairs={pairsOf(variant, batching, scaling)} />
      </div>
      {rows.length === 0 ? null : (
        <div className="tw">
          <Comparison rows={rows} span={span} />
        </div>
      )}
    </Card>
  );
}

/** The latest decision of the batching or of the scaling policy. */
function useLatest<T extends { readonly variant: string; readonly inputs: unknown }>(
  endpoint: string,
  kind: 'batching' | 'scaling',
  variant: string,
): T | undefined {
  const { data } = useQuery({ ...decisionsQuery(endpoint, { kind, limit: 10 }), staleTime: 5000 });
  return data?.items.find((decision) => decision.variant === variant && decision.inputs !== null) as T | undefined;
}

function pairsOf(
  variant: VariantBody,
  batching: DecisionBody | undefined,
  scaling: ScalingDecisionBody | undefined,
): (readonly [string, ReactNode])[] {
  const pairs: (readonly [string, ReactNode])[] = [];
  if (variant.wanted > 0 || variant.scaling !== null || variant.functions === null) pairs.push(['Instances', formatInstances(variant)]);
  const { scaling: policy } = variant;
  if (policy !== null) pairs.push(['Scaling', `${policy.instances_min} to ${policy.instances_max}: ${formatPolicyText(policy.policy)}`]);
  if (variant.functions !== null) pairs.push(['Functions', formatFunctions(variant)]);
  const arrivals = batching?.inputs.arrivals;
  // With instances, functions receive only the overflow.
  if (arrivals !== undefined) pairs.push([variant.wanted > 0 ? 'Overflow' : 'Arrivals', formatArrivals(arrivals)]);
  else if (scaling?.inputs?.rate_per_second !== undefined && scaling.inputs.rate_per_second !== null) {
    pairs.push(['Arrivals', `${rate(scaling.inputs.rate_per_second)} /s at the last review`]);
  }
  if (variant.decision?.feasible === false)
    pairs.push([
      'Objective',
      <span className="bad" key="bad">
        {variant.decision.reason}
      </span>,
    ]);
  return pairs;
}

function formatInstances({ ready, wanted, instance_type: type, batch_size: batch }: VariantBody): ReactNode {
  if (wanted === 0) return <>none now</>;
  const missing = ready < wanted ? `, ${wanted - ready} not ready` : '';
  return (
    <>
      <b>
        {wanted} × {type}
      </b>
      {missing}
      {batch === null ? '' : `, batch up to ${batch}`}, dispatched when one is idle
    </>
  );
}

function formatFunctions({ setting, functions, environments }: VariantBody): ReactNode {
  const memory = setting?.memory_mib ?? functions?.memory_mib;
  const size = memory === 'auto' || memory === undefined ? 'memory not chosen yet' : `${fixed(memory)} MB`;
  const how =
    setting === null
      ? ''
      : setting.batch_size_max === 1
        ? ', no batching'
        : `, batch up to ${setting.batch_size_max}, dispatched when full or ${formatWait(setting.wait_ms_max)}`;
  const now = environments === null ? '' : `; ${environments.busy} busy, ${environments.idle} warm`;
  return (
    <>
      <b>{size}</b>
      {how}
      {now}
    </>
  );
}

const formatWait = (waitMs: number | null): string => (waitMs === null ? 'when slack runs out' : `after ${ms(waitMs)} ms`);

function formatArrivals({ rate_per_second: perSecond, index_of_dispersion: dispersion, scv }: DecisionBody['inputs']['arrivals']): string {
  const spread = dispersion ?? scv;
  if (spread === null) return `${rate(perSecond)} /s`;
  const word = spread > 1.5 ? 'bursty' : spread < 0.7 ? 'even' : 'random';
  return `${word}, ${rate(perSecond)} /s, ${fixed(spread, 1)} × the variance of a Poisson stream`;
}

interface Compared {
  readonly name: string;
  readonly predicted: number;
  readonly measured: number;
  readonly format: (value: number) => string;
  readonly unit?: string;
}

/** A percentile of fewer requests says nothing about a prediction. */
const requestsEnough = 20;

function hasEnough(decision: VariantBody['decision']): decision is NonNullable<VariantBody['decision']> {
  return (decision?.measured?.requests ?? 0) >= requestsEnough;
}

/** Only values that were both predicted and measured, in the same unit. */
function comparison({ decision }: VariantBody, sums: HistorySums, scaling: ScalingDecisionBody | undefined): Compared[] {
  const rows: Compared[] = [];
  const add = (
    name: string,
    predicted: number | null | undefined,
    measured: number | null | undefined,
    format: Compared['format'],
    unit?: string,
  ): void => {
    if (typeof predicted !== 'number' || typeof measured !== 'number') return;
    rows.push({ name, predicted, measured, format, ...(unit === undefined ? {} : { unit }) });
  };
  const { predicted, measured } = hasEnough(decision) ? decision : { predicted: null, measured: null };
  add('p50', predicted?.p50_ms, measured?.p50_ms, ms, 'ms');
  add('p95', predicted?.p95_ms, measured?.p95_ms, ms, 'ms');
  add('p99', predicted?.p99_ms, measured?.p99_ms, ms, 'ms');
  add('In time', predicted?.within_slo, measured?.within_slo, percent, '%');
  add('Mean batch', predicted?.mean_batch, measured?.mean_batch, (value) => fixed(value, 1));
  add('Per million', predicted?.cost_usd_per_million, measured?.cost_usd_per_million, usd);
  if (scaling === undefined || scaling.inputs === null) return rows;
  const { inputs, chosen, alternatives } = scaling;
  const mean = inputs.forecast?.mean[Math.max(0, (inputs.forecast.horizons ?? []).indexOf(inputs.horizon))];
  add('Rate', mean === undefined ? null : mean / inputs.slot_s, sums.rate, rate, '/s');
  const plan = alternatives.find((each) => JSON.stringify(each.plan) === JSON.stringify(chosen.plan));
  if (plan !== undefined) {
    if (inputs.regime === 'hybrid' && mean !== undefined && mean > 0)
      add(
        'Overflow',
        Math.min(1, plan.expected_overflow / mean),
        sums.rate === null || sums.rate === 0 ? null : (sums.functionRate ?? 0) / sums.rate,
        percent,
        '%',
      );
    add('Cost per hour', (plan.total_usd * 3600) / inputs.slot_s, sums.usdPerHour, usd);
  }
  return rows;
}

const relative = ({ predicted, measured }: Compared): number | null =>
  predicted === 0 ? (measured === 0 ? 0 : null) : (measured - predicted) / predicted;

function footerOf(rows: readonly Compared[], { decision }: VariantBody): string {
  const missing = requestsEnough - (decision?.measured?.requests ?? 0);
  const waits = decision !== null && missing > 0 ? `Functions are compared after ${plural(missing, 'more request')} on them.` : null;
  if (waits !== null) return waits;
  if (rows.length === 0) return 'No prediction: the setting was configured, not chosen by Penstock.';
  const [worst] = rows
    .flatMap((row) => {
      const off = relative(row);
      return off === null ? [] : [{ name: row.name, off }];
    })
    .toSorted((a, b) => Math.abs(b.off) - Math.abs(a.off));
  if (decision !== null && decision.correction !== null) return `Predictions are ${decision.correction}.`;
  if (worst === undefined || Math.abs(worst.off) <= 0.15)
    return `All predictions are within ${fixed(Math.ceil(Math.abs(worst?.off ?? 0) * 100))} %.`;
  return `Largest deviation: ${worst.name}, ${difference(worst.off * 100, 0)} %.`;
}

const barFull = 0.08;

function Comparison({ rows, span }: { readonly rows: readonly Compared[]; readonly span: string }): ReactElement {
  return (
    <table className="dense">
      <caption className="unseen">Predicted and measured values, {span}</caption>
      <thead>
        <tr>
          <th scope="col">Metric</th>
          <th scope="col" className="n">
            Predicted
          </th>
          <th scope="col" className="n">
            Measured
          </th>
          <th scope="col" className="n">
            Difference
          </th>
          <td className="wide bar-cell" />
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <ComparedRow key={row.name} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function ComparedRow({ row }: { readonly row: Compared }): ReactElement {
  const { name, predicted, measured, format, unit } = row;
  const off = relative(row);
  const length = off === null ? 0 : Math.min(1, Math.abs(off) / barFull) * 40;
  const units = unit === undefined ? null : <span className="u">{unit}</span>;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td className="n mut">
        {format(predicted)}
        {units}
      </td>
      <td className="n">
        <b>{format(measured)}</b>
        {units}
      </td>
      <td className="n mut">{off === null ? '–' : `${difference(off * 100)} %`}</td>
      <td className="wide bar-cell">
        <svg width="84" height="12" aria-hidden="true">
          <line x1="42" x2="42" y1="0" y2="12" stroke="var(--line-2)" />
          <rect x={off !== null && off < 0 ? 42 - length : 42} y="3" width={length} height="6" rx="1" fill="var(--accent)" />
        </svg>
      </td>
    </tr>
  );
}
