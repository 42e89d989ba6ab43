/** Formats a decision: the change, the reason, the alternatives and the result. */

import type {
  AnyDecisionBody,
  DecisionBody,
  PlacementDecisionBody,
  ScalingDecisionBody,
  SelectionDecisionBody,
  TrainingDecisionBody,
} from '../../../../src/api/index.ts';
import { difference, fixed, ms, percent, usd } from '../../kit/format/format.ts';
import { formatReason } from '../../kit/format/format-reason.ts';
import type { ChangeEntry } from './format-change.ts';

export interface AlternativeRow {
  readonly key: string;
  readonly name: string;
  readonly isChosen: boolean;
  readonly cells: readonly string[];
  readonly note: string;
}

export interface DecisionText {
  readonly title: string;
  readonly why: string;
  readonly heads: readonly string[];
  readonly alternatives: readonly AlternativeRow[];
  /** The measured result as names and values. Empty until it is known. */
  readonly effect: readonly (readonly [name: string, value: string])[];
}

export function formatDecision(decision: AnyDecisionBody): DecisionText {
  if (decision.kind === 'placement') return formatPlacementDecision(decision);
  // About the cluster: no endpoint has such a decision.
  if (decision.kind === 'host-set') return { title: decision.explanation, why: decision.reason, heads: [], alternatives: [], effect: [] };
  if (decision.kind === 'training') return formatTrainingDecision(decision);
  if (decision.kind === 'selection') return formatSelectionDecision(decision);
  return decision.kind === 'batching' ? formatBatchingDecision(decision) : formatScalingDecision(decision);
}

function formatSelectionDecision(decision: SelectionDecisionBody): DecisionText {
  const { chosen, alternatives, inputs, explanation, effect, effect_unknown: unknown, changes } = decision;
  return {
    title: changes ? formatPlanChange(inputs.before?.floor_plan, chosen) : 'Plans unchanged',
    why: explanation,
    heads: ['Accuracy', 'At least', 'Per hour'],
    alternatives: alternatives.map(({ plan, accuracy, lower, usd_per_hour: perHour, rejected }) => ({
      key: plan,
      name: plan,
      isChosen: plan === chosen.floor_plan,
      cells: [`${fixed(100 * accuracy, 2)} %`, `${fixed(100 * lower, 2)} %`, usd(perHour)],
      note: rejected ?? 'on the ladder',
    })),
    effect: effect === null ? (unknown === null ? [] : [['unknown', unknown]]) : selectionEffect(effect, chosen.predicted),
  };
}

function formatPlacementDecision({ chosen, inputs, alternatives, explanation }: PlacementDecisionBody): DecisionText {
  const { worker, from } = inputs;
  return {
    title: from === null ? `${worker} on ${chosen.host}` : `${worker} moved from ${from} to ${chosen.host}`,
    why: explanation,
    heads: [],
    alternatives: [
      { key: chosen.host, name: chosen.host, isChosen: true, cells: [], note: chosen.zone === null ? '' : `zone ${chosen.zone}` },
      ...alternatives.map(({ host, text }) => ({ key: host, name: host, isChosen: false, cells: [], note: text })),
    ],
    effect: [],
  };
}

const trainingTitles = { approve: 'approved', keep: 'left pending', reject: 'rejected' } as const;

function formatTrainingDecision({
  chosen,
  alternatives,
  explanation,
  effect,
  effect_unknown: unknown,
}: TrainingDecisionBody): DecisionText {
  const requests = (effect?.versions ?? []).map(
    ({ model, answered, failed }) => [model, `${answered} answered, ${failed} failed`] as const,
  );
  return {
    title: `${chosen.version} ${trainingTitles[chosen.action]}`,
    why: explanation,
    heads: [],
    alternatives: alternatives.map(({ action, text }) => ({
      key: action,
      name: action,
      isChosen: action === chosen.action,
      cells: [],
      note: text,
    })),
    effect: effect === null ? (unknown === null ? [] : [['unknown', unknown]]) : [[effect.outcome, effect.reason], ...requests],
  };
}

function formatPlanChange(before: string | undefined, { floor_plan: floor, top_plan: top }: SelectionDecisionBody['chosen']): string {
  const now = top === floor ? floor : `${floor}, up to ${top}`;
  return before === undefined || before === floor ? `Answered by ${now}` : `Floor plan ${before} → ${now}`;
}

/** Measured values, with the prediction error in parentheses. */
function selectionEffect(
  effect: NonNullable<SelectionDecisionBody['effect']>,
  predicted: SelectionDecisionBody['chosen']['predicted'],
): (readonly [string, string])[] {
  const off = (measured: number, expected: number | null, decimals: number): string =>
    expected === null ? '' : ` (${difference(measured - expected, decimals)})`;
  const { labelled, accuracy_estimated: estimated, in_time: inTime, p95_ms: p95, usd_per_million: perMillion } = effect;
  const results: (readonly [string, string])[] = [];
  if (labelled !== null) results.push([`accuracy by ${fixed(labelled.rows)} labels`, `${fixed(100 * labelled.accuracy, 2)} %`]);
  if (estimated !== null) results.push(['accuracy, estimated', `${fixed(100 * estimated, 2)} %`]);
  results.push(['p95', `${ms(p95)} ms${off(p95, predicted.p95_ms, 1)}`]);
  if (inTime !== null) results.push(['in time', `${percent(inTime)} %`]);
  results.push(['per million', `${usd(perMillion)}${off(perMillion, predicted.usd_per_million, 3)}`], ['rows', fixed(effect.rows)]);
  return results;
}

/** `2 × local.1, 1 × local.2`. Also identifies a plan among the alternatives. */
export function formatScalingPlan(plan: Readonly<Record<string, number>>): string {
  const parts = Object.entries(plan).filter(([, number]) => number > 0);
  return parts.length === 0 ? 'no instances' : parts.map(([type, number]) => `${number} × ${type}`).join(', ');
}

const totalOf = (plan: Readonly<Record<string, number>>): number => Object.values(plan).reduce((sum, number) => sum + number, 0);

function formatScalingDecision({
  before,
  inputs,
  chosen,
  alternatives,
  explanation,
  effect,
  effect_unknown: unknown,
}: ScalingDecisionBody): DecisionText {
  const after = totalOf(chosen.plan);
  const perHour = inputs === null ? 1 : 3600 / inputs.slot_s;
  const chosenKey = formatScalingPlan(chosen.plan);
  const cheapest = Math.min(...alternatives.filter(({ excluded_by: by }) => by === null).map(({ total_usd: total }) => total));
  return {
    title: before === after ? `Instances stay at ${after}` : `Instances ${before} → ${after}`,
    why: explanation,
    heads: ['Instances', 'Overflow', 'Total'],
    alternatives: alternatives.map((alternative) => {
      const name = formatScalingPlan(alternative.plan);
      return {
        key: name,
        name: inputs?.regime === 'hybrid' ? `${name} + functions` : name,
        isChosen: name === chosenKey,
        cells: [
          `${usd(alternative.instance_usd * perHour)}`,
          `${usd(alternative.overflow_usd * perHour)}`,
          `${usd((alternative.total_usd + alternative.launch_usd) * perHour)}`,
        ],
        note:
          alternative.excluded_by !== null
            ? formatReason(alternative.excluded_by)
            : name === chosenKey
              ? 'chosen'
              : costNote(alternative.total_usd, cheapest),
      };
    }),
    effect: effect === null ? (unknown === null ? [] : [['unknown', unknown]]) : scalingEffect(effect),
  };
}

/** How much more an alternative costs than the cheapest permitted one. */
function costNote(total: number, cheapest: number): string {
  if (!Number.isFinite(cheapest) || cheapest <= 0 || total <= cheapest) return '';
  const factor = total / cheapest;
  return factor >= 1.995 ? `${fixed(factor, 1)} × the cost` : `${fixed((factor - 1) * 100)} % more expensive`;
}

function scalingEffect(effect: NonNullable<ScalingDecisionBody['effect']>): (readonly [string, string])[] {
  const { attainment, overflow_share: overflow, spent_usd: spent, window_s: windowS, forecast_error: error, regret_usd: regret } = effect;
  const results: (readonly [string, string])[] = [];
  if (attainment !== null) results.push(['in time', `${percent(attainment)} %`]);
  if (overflow !== null) results.push(['to functions', `${percent(overflow)} %`]);
  results.push(['spent', `${usd((spent * 3600) / windowS)} per hour`]);
  if (error !== null) results.push(['forecast error', `${difference(error, 0)} rows`]);
  if (regret !== null) results.push(['more than the best choice in hindsight', usd(regret)]);
  return results;
}

const labels: Readonly<Record<DecisionBody['alternatives'][number]['label'], string>> = {
  chosen: 'chosen',
  current: 'previous',
  'no-batching': 'without batching',
  'runner-up': 'runner-up',
  'cheapest-infeasible': 'cheapest, misses the objective',
  fastest: 'fastest',
};

function formatSetting(setting: DecisionBody['chosen']): string {
  const wait = setting.wait_ms_max === null ? '' : `, wait ${ms(setting.wait_ms_max)} ms`;
  return `batch ${setting.batch_size_max}, ${fixed(setting.memory_mib)} MB${wait}`;
}

function formatBatchingDecision({ chosen, alternatives, explanation, effect, changes }: DecisionBody): DecisionText {
  const before = alternatives.find(({ label }) => label === 'current');
  const predicted = alternatives.find(({ label }) => label === 'chosen')?.predicted;
  return {
    title: changes ? `Functions: ${formatSettingChange(before, chosen)}` : 'Functions unchanged',
    why: explanation,
    heads: ['p95', 'In time', 'Per million'],
    alternatives: alternatives.map((alternative) => ({
      key: alternative.label,
      name: formatSetting(alternative),
      isChosen: alternative.label === 'chosen',
      cells: [
        `${ms(alternative.predicted.p95_ms)} ms`,
        `${percent(alternative.predicted.within_slo)} %`,
        usd(alternative.predicted.cost_usd_per_million),
      ],
      note: alternative.rejected_because ?? labels[alternative.label],
    })),
    effect: effect === null ? [] : batchingEffect(effect, predicted),
  };
}

function formatSettingChange(before: DecisionBody['chosen'] | undefined, after: DecisionBody['chosen']): string {
  if (before === undefined) return formatSetting(after);
  const changes: string[] = [];
  if (before.batch_size_max !== after.batch_size_max) changes.push(`batch ${before.batch_size_max} → ${after.batch_size_max}`);
  if (before.memory_mib !== after.memory_mib) changes.push(`memory ${fixed(before.memory_mib)} → ${fixed(after.memory_mib)} MB`);
  if (before.wait_ms_max !== after.wait_ms_max) changes.push(`wait ${ms(before.wait_ms_max)} → ${ms(after.wait_ms_max)} ms`);
  return changes.length === 0 ? formatSetting(after) : changes.join(', ');
}

type BatchingEffect = NonNullable<DecisionBody['effect']>;

/** Measured values, with the prediction error in parentheses. */
function batchingEffect(
  effect: BatchingEffect,
  predicted: DecisionBody['alternatives'][number]['predicted'] | undefined,
): (readonly [string, string])[] {
  const off = (measured: number, expected: number | undefined, decimals = 1): string =>
    expected === undefined ? '' : ` (${difference(measured - expected, decimals)})`;
  return [
    ['p95', `${ms(effect.p95_ms)} ms${off(effect.p95_ms, predicted?.p95_ms)}`],
    [
      'in time',
      `${percent(effect.within_slo)} %${off(effect.within_slo * 100, predicted === undefined ? undefined : predicted.within_slo * 100)}`,
    ],
    ['per million', `${usd(effect.cost_usd_per_million)}${off(effect.cost_usd_per_million, predicted?.cost_usd_per_million, 3)}`],
    ['mean batch', fixed(effect.mean_batch, 1)],
    ['requests', fixed(effect.requests)],
  ];
}

/** A decision that changed something, a run of reviews without a change, or a change by a user. */
export type TimelineEntry =
  | { readonly kind: 'decision'; readonly decision: AnyDecisionBody }
  | { readonly kind: 'unchanged'; readonly latest: AnyDecisionBody; readonly reviews: number; readonly sinceMs: number }
  | ChangeEntry;

/** Merges decisions, which the server has folded, and changes, newest first. The decision with `requestedId` is shown by itself. */
export function timelineOf(
  decisions: readonly AnyDecisionBody[],
  people: readonly ChangeEntry[],
  requestedId: string | undefined,
): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  const waiting = [...people];
  for (const decision of decisions) {
    const atMs = Date.parse(decision.at);
    while ((waiting[0]?.atMs ?? 0) > atMs) {
      const person = waiting.shift();
      if (person !== undefined) entries.push(person);
    }
    const isRequested = decision.id === requestedId;
    if (decision.changes || isRequested) entries.push({ kind: 'decision', decision });
    const { count, since } = decision.folded ?? { count: 1, since: decision.at };
    const reviews = decision.changes ? 0 : count - (isRequested ? 1 : 0);
    if (reviews > 0) entries.push({ kind: 'unchanged', latest: decision, reviews, sinceMs: Date.parse(since) });
  }
  return [...entries, ...waiting];
}
