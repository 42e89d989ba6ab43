/** Decisions in words, and whether a better setting is worth a change. */
import type { Alternative, Choice, ChoiceInput, Chosen } from './choice.ts';
import { msText, percentText, quantileText, settingText, usdText } from './wording.ts';

/** Below this gain in cost the setting in force stays: predictions are not better than that, and each change disturbs. */
export const gainMinDefault = 0.03;

/** One sentence: what was chosen, what it promises, what it saves against no batching, and why the next cheaper one was refused, which need not be the cheapest of all. */
export function explain(choice: Choice, input: ChoiceInput): string {
  if (choice.kind === 'nothing-fits') {
    return `No memory size holds the model: it needs ${Math.ceil(choice.neededMiB)} MiB with a single row, and the largest size is ${choice.largestMiB} MiB.`;
  }
  const { chosen, nextCheaper, reason } = choice;
  const cost = `${usdText(chosen.predicted.costUsdPerMillion)} per million rows${savingText(choice)}`;
  // Where nothing keeps the promise, cheaper ones were not refused for it.
  const refused =
    nextCheaper === null || reason === 'slo-unreachable'
      ? ''
      : `; the next cheaper, ${settingText(nextCheaper)} at ${usdText(nextCheaper.predicted.costUsdPerMillion)}, was refused: ${nextCheaper.rejectedBecause}`;
  return `${capital(settingText(chosen))}: ${promiseText(choice, input)}, ${cost}${refused}.`;
}

function promiseText({ chosen, missesByMs, reason }: Chosen, { objective, policy }: ChoiceInput): string {
  const { predicted } = chosen;
  const isGiven = policy.kind === 'fixed' && policy.batchSizeMax === chosen.batchSizeMax;
  const given = isGiven ? 'as given' : 'as given but for the rows of a full batch';
  if (objective === null) {
    return `${reason === 'given' ? `${given}, no objective` : 'no objective, so nobody waits'}${quantileText(predicted, 95)}`;
  }
  const promise = `p${objective.percentile} <= ${msText(objective.latencyMs)}`;
  const within = `${Math.floor(1e4 * predicted.withinSlo) / 100} % in time${quantileText(predicted, objective.percentile)}`;
  const by = { given: `${given}, `, approximation: 'by the published approximation, ' }[reason as string] ?? '';
  if (chosen.feasible) return `${by}keeps ${promise} with ${within}`;
  const misses = by === '' ? `no setting keeps ${promise}, this one comes nearest` : `${by}misses ${promise}`;
  return `${misses}, ${msText(missesByMs)} too slow with ${within}`;
}

/** Without batching the same promise costs more, the same, or cannot be kept. */
function savingText({ chosen, alternatives }: Chosen): string {
  const without = alternatives.find(({ label }) => label === 'no-batching');
  if (without === undefined || chosen.batchSizeMax === 1) return '';
  const saving = 1 - chosen.predicted.costUsdPerMillion / without.predicted.costUsdPerMillion;
  const cost = usdText(without.predicted.costUsdPerMillion);
  return saving >= 0
    ? `, ${percentText(saving)} less than without batching (${cost})`
    : `, ${percentText(-saving)} more than without batching (${cost})`;
}

export interface Resolution {
  readonly changes: boolean;
  readonly reason: string;
}

/**
 * Whether the chosen setting replaces the one in force: where that breaks the promise (and the chosen one does not, or
 * less), forms batches by another rule, or costs more by over `gainMin`. Else it stays, so that settings do not flutter.
 */
export function keepOrChange(choice: Choice, gainMin: number = gainMinDefault): Resolution {
  if (choice.kind === 'nothing-fits') return { changes: false, reason: 'no change: no memory size holds the model' };
  const { chosen } = choice;
  const current = choice.alternatives.find(({ label }) => label === 'current');
  if (current === undefined) return { changes: true, reason: 'there is no setting in force that could stay' };
  if (isSameSetting(chosen, current)) return { changes: false, reason: 'no change: the setting in force is chosen again' };
  if (current.policy !== chosen.policy)
    return { changes: true, reason: `batches are to be formed by another rule: ${chosen.policy}, not ${current.policy}` };
  if (choice.reason === 'given') return { changes: true, reason: 'the setting is given' };
  if (!current.feasible) {
    const isBetter = chosen.feasible || chosen.predicted.withinSlo > current.predicted.withinSlo + 1e-3;
    if (isBetter) return { changes: true, reason: `the setting in force does not keep the promise: ${current.rejectedBecause}` };
    return { changes: false, reason: 'no change: no setting keeps the promise, and none comes nearer to it' };
  }
  const gain = 1 - chosen.predicted.costUsdPerMillion / current.predicted.costUsdPerMillion;
  const isWorthIt = gain > gainMin;
  if (isWorthIt) return { changes: true, reason: `gain ${percentText(gain)} > ${percentText(gainMin)}` };
  return { changes: false, reason: `no change: gain ${percentText(Math.max(0, gain))} < ${percentText(gainMin)}` };
}

function isSameSetting(left: Alternative, right: Alternative): boolean {
  return left.memoryMiB === right.memoryMiB && left.batchSizeMax === right.batchSizeMax && left.waitMsMax === right.waitMsMax;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
