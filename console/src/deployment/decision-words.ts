/** A decision as people tell it: what changed, why, what else there was, what it brought. */

import type { AnyDecisionBody, DecisionBody, ScalingDecisionBody } from '../../../src/api/index.ts';
import { difference, fixed, ms, percent, usd } from '../kit/format.ts';
import { reasonWords } from '../kit/reason-words.ts';
import type { ChangeEntry } from './change-words.ts';

export interface AlternativeRow {
  readonly key: string;
  readonly name: string;
  readonly isChosen: boolean;
  readonly cells: readonly string[];
  readonly note: string;
}

export interface DecisionWords {
  readonly title: string;
  readonly why: string;
  readonly heads: readonly string[];
  readonly alternatives: readonly AlternativeRow[];
  /** What it brought, each with its name; empty until that is known. */
  readonly brought: readonly (readonly [name: string, value: string])[];
}

export function decisionWords(decision: AnyDecisionBody): DecisionWords {
  return decision.kind === 'batching' ? batchingWords(decision) : scalingWords(decision);
}

export function planWords(plan: Readonly<Record<string, number>>): string {
  const parts = Object.entries(plan).filter(([, number]) => number > 0);
  return parts.length === 0 ? 'no instances' : parts.map(([type, number]) => `${number} × ${type}`).join(', ');
}

const totalOf = (plan: Readonly<Record<string, number>>): number => Object.values(plan).reduce((sum, number) => sum + number, 0);

function scalingWords({ inputs, chosen, alternatives, explanation, effect, effect_unknown: unknown }: ScalingDecisionBody): DecisionWords {
  const before = Object.values(inputs.types).reduce((sum, { active, launching }) => sum + active + launching, 0);
  const after = totalOf(chosen.plan);
  const perHour = 3600 / inputs.slot_s;
  const chosenKey = planWords(chosen.plan);
  const cheapest = Math.min(...alternatives.filter(({ excluded_by: by }) => by === null).map(({ total_usd: total }) => total));
  return {
    title: before === after ? `Instances stay at ${after}` : `Instances ${before} → ${after}`,
    why: explanation,
    heads: ['Instances', 'Overflow', 'Total'],
    alternatives: alternatives.map((alternative) => {
      const name = planWords(alternative.plan);
      return {
        key: name,
        name: inputs.regime === 'hybrid' ? `${name} + functions` : name,
        isChosen: name === chosenKey,
        cells: [
          `${usd(alternative.instance_usd * perHour)}`,
          `${usd(alternative.overflow_usd * perHour)}`,
          `${usd((alternative.total_usd + alternative.launch_usd) * perHour)}`,
        ],
        note:
          alternative.excluded_by !== null
            ? reasonWords(alternative.excluded_by)
            : name === chosenKey
              ? 'chosen'
              : costNote(alternative.total_usd, cheapest),
      };
    }),
    brought: effect === null ? (unknown === null ? [] : [['not known', unknown]]) : scalingBrought(effect),
  };
}

function costNote(total: number, cheapest: number): string {
  if (!Number.isFinite(cheapest) || cheapest <= 0 || total <= cheapest) return '';
  const factor = total / cheapest;
  return factor >= 1.995 ? `${fixed(factor, 1)} × the cost` : `${fixed((factor - 1) * 100)} % dearer`;
}

function scalingBrought(effect: NonNullable<ScalingDecisionBody['effect']>): (readonly [string, string])[] {
  const { attainment, overflow_share: overflow, spent_usd: spent, window_s: windowS, forecast_error: error, regret_usd: regret } = effect;
  const said: (readonly [string, string])[] = [];
  if (attainment !== null) said.push(['in time', `${percent(attainment)} %`]);
  if (overflow !== null) said.push(['to functions', `${percent(overflow)} %`]);
  said.push(['spent', `${usd((spent * 3600) / windowS)} per hour`]);
  if (error !== null) said.push(['forecast off by', `${difference(error, 0)} rows`]);
  if (regret !== null) said.push(['dearer than the best in hindsight', usd(regret)]);
  return said;
}

const labels: Readonly<Record<DecisionBody['alternatives'][number]['label'], string>> = {
  chosen: 'chosen',
  current: 'as it was',
  'no-batching': 'without batching',
  'runner-up': 'runner-up',
  'cheapest-infeasible': 'cheapest of all',
  fastest: 'fastest',
};

function settingWords(setting: DecisionBody['chosen']): string {
  const wait = setting.wait_ms_max === null ? '' : `, wait ${ms(setting.wait_ms_max)} ms`;
  return `batch ${setting.batch_size_max}, ${fixed(setting.memory_mib)} MB${wait}`;
}

function batchingWords({ chosen, alternatives, explanation, effect, changes }: DecisionBody): DecisionWords {
  const before = alternatives.find(({ label }) => label === 'current');
  const predicted = alternatives.find(({ label }) => label === 'chosen')?.predicted;
  return {
    title: changes ? `Functions: ${changeWords(before, chosen)}` : 'Functions stay as they are',
    why: explanation,
    heads: ['p95', 'In time', 'Per million'],
    alternatives: alternatives.map((alternative) => ({
      key: alternative.label,
      name: settingWords(alternative),
      isChosen: alternative.label === 'chosen',
      cells: [
        `${ms(alternative.predicted.p95_ms)} ms`,
        `${percent(alternative.predicted.within_slo)} %`,
        usd(alternative.predicted.cost_usd_per_million),
      ],
      note: alternative.rejected_because ?? labels[alternative.label],
    })),
    brought: effect === null ? [] : batchingBrought(effect, predicted),
  };
}

function changeWords(before: DecisionBody['chosen'] | undefined, after: DecisionBody['chosen']): string {
  if (before === undefined) return settingWords(after);
  const changes: string[] = [];
  if (before.batch_size_max !== after.batch_size_max) changes.push(`batch ${before.batch_size_max} → ${after.batch_size_max}`);
  if (before.memory_mib !== after.memory_mib) changes.push(`memory ${fixed(before.memory_mib)} → ${fixed(after.memory_mib)} MB`);
  if (before.wait_ms_max !== after.wait_ms_max) changes.push(`wait ${ms(before.wait_ms_max)} → ${ms(after.wait_ms_max)} ms`);
  return changes.length === 0 ? settingWords(after) : changes.join(', ');
}

type BatchingEffect = NonNullable<DecisionBody['effect']>;

/** With how far the prediction was off, in brackets. */
function batchingBrought(
  effect: BatchingEffect,
  predicted: DecisionBody['alternatives'][number]['predicted'] | undefined,
): (readonly [string, string])[] {
  const off = (measured: number, said: number | undefined, decimals = 1): string =>
    said === undefined ? '' : ` (${difference(measured - said, decimals)})`;
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

/** One that changed something, or a run of reviews that changed nothing. */
export type TimelineEntry =
  | { readonly kind: 'decision'; readonly decision: AnyDecisionBody }
  | { readonly kind: 'kept'; readonly latest: AnyDecisionBody; readonly reviews: number; readonly sinceMs: number }
  | ChangeEntry;

/** Newest first, as they came. Reviews that changed nothing fold into one line; the one that is asked for stands by itself. */
export function timelineOf(
  decisions: readonly AnyDecisionBody[],
  people: readonly ChangeEntry[],
  asked: string | undefined,
): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  const waiting = [...people];
  for (const decision of decisions) {
    const atMs = Date.parse(decision.at);
    while ((waiting[0]?.atMs ?? 0) > atMs) {
      const person = waiting.shift();
      if (person !== undefined) entries.push(person);
    }
    const last = entries.at(-1);
    if (decision.changes || decision.id === asked) entries.push({ kind: 'decision', decision });
    else if (last?.kind === 'kept') entries[entries.length - 1] = { ...last, reviews: last.reviews + 1, sinceMs: atMs };
    else entries.push({ kind: 'kept', latest: decision, reviews: 1, sinceMs: atMs });
  }
  return [...entries, ...waiting];
}
