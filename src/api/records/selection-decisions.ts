/** Decisions of selections as the API returns them. */
import type { ChosenSelection, SelectionAlternative, SelectionEffect, SelectionInputs } from '../../evaluation/index.ts';
import { formatObjective } from '../../objective.ts';
import type { Decision, UnknownEffect } from '../../records/index.ts';
import { isoTime } from '../routing/parameters.ts';
import type { SelectionParts } from './selection-decision-bodies.ts';

/** The stored contents were written by the evaluation and are not validated again. */
export function selectionDecisionPartsOf({ reason, inputs, alternatives, chosen, effect }: Decision): SelectionParts {
  const { unknown = null } = (effect ?? {}) as Partial<UnknownEffect>;
  return {
    kind: 'selection',
    reason: reason as SelectionParts['reason'],
    inputs: inputsBodyOf(inputs as SelectionInputs),
    alternatives: (alternatives as readonly SelectionAlternative[]).map(alternativeBodyOf),
    chosen: chosenBodyOf(chosen as ChosenSelection),
    effect: effect === null || unknown !== null ? null : effectBodyOf(effect as SelectionEffect),
    effect_unknown: unknown,
  };
}

function inputsBodyOf(inputs: SelectionInputs): SelectionParts['inputs'] {
  const { candidates, reference, leftOut, set, goal, floor, confidence, degradeTo, objective, profiles, price, before } = inputs;
  return {
    candidates: [...candidates],
    reference,
    left_out: leftOut.map((each) => ({ ...each })),
    evaluation: { ...set },
    floor,
    budget_usd_per_hour: goal.kind === 'most-accurate' ? goal.usdPerHourMax : null,
    confidence: confidence === null ? null : 100 * confidence,
    degrade_to: degradeTo,
    objective: formatObjective(objective),
    rate: inputs.ratePerSecond,
    instance_type: inputs.instanceType,
    chains: inputs.chains,
    level: inputs.level,
    error_total: inputs.errorTotal,
    profiles: profiles.map(({ model, measuredAtMs }) => ({ model, measured_at: isoTime(measuredAtMs) })),
    prices_as_of: price?.asOf ?? null,
    usd_per_instance_hour: price?.usdPerInstanceHour ?? null,
    before: before === null ? null : { floor_plan: before.floorPlan, ladder: [...before.ladder] },
  };
}

function alternativeBodyOf(plan: SelectionAlternative): SelectionParts['alternatives'][number] {
  return {
    plan: plan.name,
    accuracy: plan.accuracy,
    lower: plan.lower,
    errors: plan.errors,
    escalated: plan.escalated,
    p_value: plan.pValue,
    certified: plan.isCertified,
    rows_per_second: plan.rowsPerSecond,
    instances: plan.instances,
    usd_per_hour: plan.usdPerHour,
    rejected: plan.rejected,
  };
}

function chosenBodyOf({ state, floorPlan, topPlan, ladder, loaded, predicted }: ChosenSelection): SelectionParts['chosen'] {
  return {
    state,
    floor_plan: floorPlan,
    top_plan: topPlan,
    ladder: ladder.map(({ plan }) => plan),
    loaded: [...loaded],
    predicted: {
      accuracy_min: predicted.accuracyMin,
      accuracy_max: predicted.accuracyMax,
      p95_ms: predicted.p95Ms,
      usd_per_hour: predicted.usdPerHour,
      usd_per_million: predicted.usdPerMillion,
    },
  };
}

function effectBodyOf(effect: SelectionEffect): NonNullable<SelectionParts['effect']> {
  return {
    window_s: effect.windowS,
    requests: effect.requests,
    rows: effect.rows,
    p95_ms: effect.p95Ms,
    in_time: effect.inTime,
    usd_per_million: effect.usdPerMillion,
    shares: effect.shares.map((each) => ({ ...each })),
    accuracy_estimated: effect.accuracyEstimated,
    labelled: effect.labelled === null ? null : { ...effect.labelled },
  };
}
