/** Explains choices in sentences, and decides whether a better setting justifies a change. */
import type { Alternative, BatchChoiceResult, ChoiceInput, Chosen } from './choice.ts';
import { formatMsShort, formatPercent, formatQuantile, formatSetting, formatUsdPerMillion } from './format.ts';

/** Minimum relative cost saving that justifies a change: predictions are not more accurate than this, and each change is disruptive. */
export const gainMinDefault = 0.03;

/**
 * Explains a choice in one sentence: the setting, its predicted latency, its saving compared with no batching, and why the next
 * cheaper candidate was rejected.
 */
export function explain(choice: BatchChoiceResult, input: ChoiceInput): string {
  if (choice.kind === 'nothing-fits') {
    return `No memory size holds the model: it needs ${Math.ceil(choice.neededMiB)} MiB with a single row, and the largest size is ${choice.largestMiB} MiB.`;
  }
  const { chosen, nextCheaper, reason } = choice;
  const cost = `${formatUsdPerMillion(chosen.predicted.costUsdPerMillion)} per million rows${savingText(choice)}`;
  // If no candidate meets the objective, cheaper ones were not rejected because of it.
  const rejected =
    nextCheaper === null || reason === 'slo-unreachable'
      ? ''
      : `; the next cheaper, ${formatSetting(nextCheaper)} at ${formatUsdPerMillion(nextCheaper.predicted.costUsdPerMillion)}, was rejected: ${nextCheaper.rejectedBecause}`;
  return `${capital(formatSetting(chosen))}: ${promiseText(choice, input)}, ${cost}${rejected}.`;
}

function promiseText({ chosen, missesByMs, reason }: Chosen, { objective, policy }: ChoiceInput): string {
  const { predicted } = chosen;
  const isConfigured = policy.kind === 'fixed' && policy.batchSizeMax === chosen.batchSizeMax;
  const configured = isConfigured ? 'as configured' : 'as configured except for the rows of a full batch';
  if (objective === null) {
    return `${reason === 'given' ? `${configured}, no objective` : 'no objective, so no request is delayed'}${formatQuantile(predicted, 95)}`;
  }
  const promise = `p${objective.percentile} <= ${formatMsShort(objective.latencyMs)}`;
  const within = `${Math.floor(1e4 * predicted.withinSlo) / 100} % in time${formatQuantile(predicted, objective.percentile)}`;
  const by = { given: `${configured}, `, approximation: 'by the published approximation, ' }[reason as string] ?? '';
  if (chosen.feasible) return `${by}keeps ${promise} with ${within}`;
  const misses = by === '' ? `no setting keeps ${promise}, this one comes closest` : `${by}misses ${promise}`;
  return `${misses}, ${formatMsShort(missesByMs)} too slow with ${within}`;
}

/** Compares the cost with that of no batching; empty if the choice does not batch. */
function savingText({ chosen, alternatives }: Chosen): string {
  const without = alternatives.find(({ label }) => label === 'no-batching');
  if (without === undefined || chosen.batchSizeMax === 1) return '';
  const saving = 1 - chosen.predicted.costUsdPerMillion / without.predicted.costUsdPerMillion;
  const cost = formatUsdPerMillion(without.predicted.costUsdPerMillion);
  return saving >= 0
    ? `, ${formatPercent(saving)} less than without batching (${cost})`
    : `, ${formatPercent(-saving)} more than without batching (${cost})`;
}

/** Whether to change the setting, with the reason for events and logs. */
export interface ChoiceResolution {
  readonly changes: boolean;
  readonly reason: string;
}

/**
 * Decides whether the chosen setting replaces the one in force. It does if the one in force misses the objective by more than the
 * chosen one, forms batches by another rule, or costs more by over `gainMin`. Otherwise the setting stays, to avoid flapping.
 */
export function keepOrChange(choice: BatchChoiceResult, gainMin: number = gainMinDefault): ChoiceResolution {
  if (choice.kind === 'nothing-fits') return { changes: false, reason: 'no change: no memory size holds the model' };
  const { chosen } = choice;
  const current = choice.alternatives.find(({ label }) => label === 'current');
  if (current === undefined) return { changes: true, reason: 'there is no setting in force' };
  if (isSameSetting(chosen, current)) return { changes: false, reason: 'no change: the setting in force is chosen again' };
  if (current.policy !== chosen.policy)
    return { changes: true, reason: `batches will be formed by another rule: ${chosen.policy} instead of ${current.policy}` };
  if (choice.reason === 'given') return { changes: true, reason: 'the setting is configured' };
  if (!current.feasible) {
    const isBetter = chosen.feasible || chosen.predicted.withinSlo > current.predicted.withinSlo + 1e-3;
    if (isBetter) return { changes: true, reason: `the setting in force misses the objective: ${current.rejectedBecause}` };
    return { changes: false, reason: 'no change: no setting meets the objective, and none comes closer' };
  }
  const gain = 1 - chosen.predicted.costUsdPerMillion / current.predicted.costUsdPerMillion;
  const isWorthIt = gain > gainMin;
  if (isWorthIt) return { changes: true, reason: `gain ${formatPercent(gain)} > ${formatPercent(gainMin)}` };
  return { changes: false, reason: `no change: gain ${formatPercent(Math.max(0, gain))} < ${formatPercent(gainMin)}` };
}

function isSameSetting(left: Alternative, right: Alternative): boolean {
  return left.memoryMiB === right.memoryMiB && left.batchSizeMax === right.batchSizeMax && left.waitMsMax === right.waitMsMax;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
