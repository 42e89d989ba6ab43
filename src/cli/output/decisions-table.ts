/** The tables of decisions: batching, scaling and selection, with predictions and measured effects. */
import type {
  AnyDecisionBody,
  DecisionBody,
  HostSetDecisionBody,
  PlacementDecisionBody,
  PredictionBody,
  ScalingDecisionBody,
  SelectionDecisionBody,
  SettingBody,
  TrainingDecisionBody,
} from '../../api/index.ts';
import { formatMsText, formatUsd, shareText, timeText } from './format.ts';
import { type Column, table } from './table.ts';

/** How long requests wait for a batch: `slack`, `20 ms`, or nothing if they do not wait. */
export function waitText({ batch_size_max: rows, wait_ms_max: waitMs }: SettingBody): string | null {
  if (rows === 1 || waitMs === 0) return null;
  return waitMs === null ? 'slack' : formatMsText(waitMs);
}

/** A table for each kind. `several`: includes the endpoint of each decision. */
export function allDecisionsText(decisions: readonly AnyDecisionBody[], several: boolean): string {
  const batching = decisions.filter((decision) => decision.kind === 'batching');
  const scaling = decisions.filter((decision) => decision.kind === 'scaling');
  const selection = decisions.filter((decision) => decision.kind === 'selection');
  const training = decisions.filter((decision) => decision.kind === 'training');
  const placement = decisions.filter((decision) => decision.kind === 'placement');
  const texts = [
    decisionsText(batching, several),
    scalingText(scaling, several),
    selectionText(selection, several),
    trainingText(training, several),
    placementText(placement, several),
    hostSetText(decisions.filter((decision) => decision.kind === 'host-set')),
  ];
  return texts.filter((text) => text !== '').join('\n');
}

/** Decisions of selections: the plans that answer, what was predicted of them, and what was measured. */
function selectionText(decisions: readonly SelectionDecisionBody[], several: boolean): string {
  const accuracy = (value: number | null | undefined): string | null => (value === null || value === undefined ? null : value.toFixed(4));
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'TRIGGER', cell: ({ trigger }) => trigger },
    { title: 'REVIEWS', cell: reviewsText },
    { title: 'STATE', cell: ({ chosen }) => chosen.state },
    { title: 'FLOOR PLAN', cell: ({ chosen }) => chosen.floor_plan },
    { title: 'TOP PLAN', cell: ({ chosen }) => chosen.top_plan },
    { title: 'PLANS', cell: ({ chosen }) => chosen.ladder.length, align: 'right' },
    { title: 'ACCURACY', cell: ({ chosen }) => accuracy(chosen.predicted.accuracy_min), align: 'right' },
    { title: 'BY LABELS', cell: ({ effect }) => accuracy(effect?.labelled?.accuracy), align: 'right' },
    { title: 'P95', cell: ({ chosen: { predicted } }) => predicted.p95_ms && formatMsText(predicted.p95_ms), align: 'right' },
    { title: 'P95 MEASURED', cell: ({ effect }) => effect && formatMsText(effect.p95_ms), align: 'right' },
    { title: 'COST/M ROWS', cell: ({ chosen }) => formatUsd(chosen.predicted.usd_per_million), align: 'right' },
    { title: 'COST/M ROWS MEASURED', cell: ({ effect }) => effect && formatUsd(effect.usd_per_million), align: 'right' },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** Decisions about trained versions, and how their rollouts ended. */
function trainingText(decisions: readonly TrainingDecisionBody[], several: boolean): string {
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'RUN', cell: ({ inputs }) => inputs.run },
    { title: 'TRIGGER', cell: ({ trigger }) => trigger },
    { title: 'VERSION', cell: ({ chosen }) => chosen.version },
    { title: 'CHOSEN', cell: ({ chosen }) => chosen.action },
    { title: 'P', cell: ({ inputs }) => inputs.p_better?.toPrecision(3) ?? null, align: 'right' },
    { title: 'EFFECT', cell: ({ effect }) => effect?.outcome ?? null },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** Decisions about the hosts of workers. */
function placementText(decisions: readonly PlacementDecisionBody[], several: boolean): string {
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'TRIGGER', cell: ({ trigger }) => trigger },
    { title: 'WORKER', cell: ({ inputs }) => inputs.worker },
    { title: 'FROM', cell: ({ inputs }) => inputs.from },
    { title: 'HOST', cell: ({ chosen }) => chosen.host },
    { title: 'ZONE', cell: ({ chosen }) => chosen.zone },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** Decisions about the number of hosts of a set. */
function hostSetText(decisions: readonly HostSetDecisionBody[]): string {
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'SET', cell: ({ inputs }) => inputs.set },
    { title: 'WANTED', cell: ({ inputs }) => inputs.wanted?.hosts ?? null, align: 'right' },
    { title: 'CHANGE', cell: hostSetChangeText },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** `2 to 3 hosts`, `gpu-2 drains`, `gpu-2 returns`. */
export function hostSetChangeText({ inputs, chosen: { action, hosts, host } }: HostSetDecisionBody): string {
  if (action === 'scale') return `${inputs.hosts} to ${hosts} hosts`;
  return `${host} ${action === 'drain' ? 'drains' : 'returns'}`;
}

/** Scaling decisions: the load of the last slot, the instances before and after, and the effect. */
function scalingText(decisions: readonly ScalingDecisionBody[], several: boolean): string {
  const planned = ({ chosen }: ScalingDecisionBody) => Object.values(chosen.plan).reduce((sum, count) => sum + count, 0);
  const inTime = ({ effect, effect_unknown: unknown }: ScalingDecisionBody) =>
    unknown !== null ? 'unknown' : effect === null || effect.attainment === null ? null : shareText(effect.attainment);
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'TRIGGER', cell: ({ trigger }) => trigger },
    { title: 'REVIEWS', cell: reviewsText },
    { title: 'LAST SLOT', cell: ({ inputs }) => inputs?.last_count ?? null, align: 'right' },
    { title: 'BEFORE', cell: ({ before }) => before, align: 'right' },
    { title: 'INSTANCES', cell: planned, align: 'right' },
    { title: 'IN TIME', cell: inTime, align: 'right' },
    { title: 'SPENT/H', cell: usdPerHour, align: 'right' },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** `360 since 2026-11-24 09:00:00`: consecutive reviews without a change, shown as one. */
function reviewsText({ folded }: AnyDecisionBody): string | null {
  return folded === undefined ? null : `${folded.count}${folded.complete ? '' : '+'} since ${timeText(folded.since)}`;
}

/** A rate, because effect windows differ in length and overlap those of later decisions, so their costs must not be added up. */
function usdPerHour({ effect }: ScalingDecisionBody): string | null {
  return effect === null || effect.window_s === 0 ? null : formatUsd((effect.spent_usd * 3600) / effect.window_s);
}

function decisionsText(decisions: readonly DecisionBody[], several: boolean): string {
  const predicted = ({ alternatives }: DecisionBody) => alternatives.find(({ label }) => label === 'chosen')?.predicted;
  const rate = ({ inputs: { arrivals } }: DecisionBody) => Math.round(10 * arrivals.rate_per_second) / 10;
  const usd = (value: number | undefined): string | null => (value === undefined ? null : formatUsd(value));
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'TRIGGER', cell: ({ trigger }) => trigger },
    { title: 'REVIEWS', cell: reviewsText },
    { title: 'ROWS/S', cell: rate, align: 'right' },
    { title: 'MEMORY', cell: ({ chosen }) => `${chosen.memory_mib} MiB`, align: 'right' },
    { title: 'B', cell: ({ chosen }) => chosen.batch_size_max, align: 'right' },
    { title: 'WAIT', cell: ({ chosen }) => waitText(chosen), align: 'right' },
    ...percentilesOf(decisions).flatMap((percentile) => percentileColumns(percentile, predicted)),
    { title: 'COST/M ROWS', cell: (decision) => usd(predicted(decision)?.cost_usd_per_million), align: 'right' },
    { title: 'COST/M ROWS MEASURED', cell: ({ effect }) => usd(effect?.cost_usd_per_million), align: 'right' },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** The predicted percentiles nearest to the objectives. */
function percentilesOf(decisions: readonly DecisionBody[]): readonly Percentile[] {
  const objectives = decisions.map(({ inputs: { objective } }) => Number(/^p([\d.]+)/.exec(objective ?? '')?.[1] ?? 95));
  const nearest = objectives.map((percentile): Percentile => (percentile >= 98 ? 99 : percentile <= 70 ? 50 : 95));
  return ([50, 95, 99] as const).filter((percentile) => nearest.includes(percentile));
}

type Percentile = 50 | 95 | 99;

function percentileColumns(
  percentile: Percentile,
  predicted: (decision: DecisionBody) => PredictionBody | undefined,
): Column<DecisionBody>[] {
  const text = (of: PredictionBody | null | undefined) => (of === null || of === undefined ? null : formatMsText(of[`p${percentile}_ms`]));
  return [
    { title: `P${percentile}`, cell: (decision) => text(predicted(decision)), align: 'right' },
    { title: `P${percentile} MEASURED`, cell: ({ effect }) => text(effect), align: 'right' },
  ];
}
