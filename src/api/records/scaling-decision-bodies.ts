/** Bodies of scaling decisions: decisions on the number of instances. */
import { z } from 'zod';
import {
  type ChosenScaling,
  policyInputsOf,
  type ScalingAction,
  type ScalingAlternative,
  type ScalingEffect,
  type ScalingInputs,
} from '../../autoscaling/index.ts';
import type { CountInputs } from '../../deployment/index.ts';
import { formatObjective } from '../../objective.ts';
import type { Decision } from '../../records/index.ts';

const price = z.number().describe('US dollars.');
const plan = z.record(z.string(), z.number()).describe('Number of instances by type.');

export const scalingInputsBody = z.strictObject({
  regime: z.enum(['instances-only', 'serverless-only', 'hybrid']).describe('What serves the variant.'),
  strategy: z.string().describe('The configured policy.'),
  slot_s: z.number(),
  last_count: z.number().nullable().describe('Rows that arrived in the last whole slot; null if not counted.'),
  rate_per_second: z.number().nullable().describe('Rate over the last 30 s; null if the policy does not use it.'),
  queue: z.number().describe('Queued rows.'),
  types: z.record(
    z.string(),
    z.strictObject({
      active: z.number(),
      launching: z.number(),
      draining: z.number(),
      batch_size: z.number(),
      rate_per_second: z.number().describe('Rows per second of one instance with full batches; 0 if the type cannot be used.'),
      lead_s: z.number().describe('Time from the launch to the first batch.'),
      usd_per_hour: price,
    }),
  ),
  excluded: z.array(z.string()).describe('Types that cannot be used, and why.'),
  rho: z.number().nullable().describe('Target utilisation.'),
  horizon: z.number().describe('The slot that was planned for, counted from the last whole slot.'),
  overflow_usd_per_request: price.nullable(),
  objective: z.string().nullable(),
  burn_5m: z
    .number()
    .nullable()
    .describe('Burn rate of the error budget of the objective over 5 minutes; at 1 the budget is just used up.'),
  burn_1h: z.number().nullable(),
  level: z.number().describe('Correction level for a missed objective: 0, 1 or 2.'),
  min: z.number(),
  max: z.number(),
  budget: z.strictObject({ usd_max: price, spent_usd: price, remaining_s: z.number() }).nullable(),
  gaps: z.number().describe('Slots without data.'),
  forecast: z
    .strictObject({
      model: z.string(),
      horizons: z.array(z.number()),
      mean: z.array(z.number()).describe('Rows per slot.'),
      tau: z.array(z.number()),
      quantiles: z.array(z.array(z.number())),
      residuals_seen: z.number(),
    })
    .nullable(),
});

export const scalingAlternativeBody = z.strictObject({
  plan,
  instance_usd: price,
  launch_usd: price,
  expected_overflow: z.number().describe('Rows per slot.'),
  overflow_usd: price,
  total_usd: price.describe('US dollars per slot.'),
  excluded_by: z.string().nullable(),
});

export const chosenScalingBody = z.strictObject({
  plan,
  reason: z.string(),
  warm_functions: z.number().nullable().describe('Execution environments kept warm until the next decision; null if no policy decided.'),
  overflow_usd_per_hour_max: price.nullable(),
  actions: z.array(z.strictObject({ op: z.enum(['launch', 'drain', 'stop']), type: z.string(), instance: z.string().nullable() })),
});

export const scalingEffectBody = z.strictObject({
  window_s: z.number().describe('From the decision until its effect was known: several slots, including those of later decisions.'),
  arrivals: z.array(z.number().nullable()).describe('Rows of each slot since the decision.'),
  attainment: z.number().nullable().describe('Share of the requests that met the objective.'),
  overflow_share: z.number().nullable(),
  spent_usd: price.describe('Cost within the window, instances and functions together.'),
  forecast_error: z.number().nullable().describe('Forecast minus actual, in rows of the slot that was planned for.'),
  regret_usd: price.nullable().describe('Cost above the best choice in hindsight.'),
});

type ScalingInputsBody = z.infer<typeof scalingInputsBody>;

/** The number of instances before a decision of any cause. */
export function countBefore(made: Pick<Decision, 'inputs'>): number {
  const types = policyInputsOf(made)?.types;
  if (types === undefined) return (made.inputs as CountInputs).before;
  return Object.values(types).reduce((sum, { active, launching }) => sum + active + launching, 0);
}

export function scalingInputsBodyOf({ types, budget, forecast, objective, ...inputs }: ScalingInputs): ScalingInputsBody {
  return {
    regime: inputs.regime,
    strategy: inputs.strategy,
    slot_s: inputs.slotMs / 1000,
    last_count: inputs.lastCount,
    rate_per_second: inputs.ratePerSecond,
    queue: inputs.queue,
    types: Object.fromEntries(
      Object.entries(types).map(([name, { active, launching, draining, ...type }]) => [
        name,
        {
          active,
          launching,
          draining,
          batch_size: type.batchSize,
          rate_per_second: type.ratePerSecond,
          lead_s: type.leadMs / 1000,
          usd_per_hour: type.usdPerHour,
        },
      ]),
    ),
    excluded: [...inputs.excluded],
    rho: inputs.rho,
    horizon: inputs.horizon,
    overflow_usd_per_request: inputs.overflowUsdPerRequest,
    objective: objective === null ? null : formatObjective(objective),
    burn_5m: inputs.burn5m,
    burn_1h: inputs.burn1h,
    level: inputs.level,
    min: inputs.min,
    max: inputs.max,
    budget: budget === null ? null : { usd_max: budget.usdMax, spent_usd: budget.spentUsd, remaining_s: budget.remainingMs / 1000 },
    gaps: inputs.gaps,
    forecast: forecast === null ? null : forecastBodyOf(forecast),
  };
}

function forecastBodyOf(forecast: NonNullable<ScalingInputs['forecast']>): NonNullable<ScalingInputsBody['forecast']> {
  return {
    model: forecast.model,
    horizons: [...forecast.horizons],
    mean: [...forecast.mean],
    tau: [...forecast.tau],
    quantiles: forecast.quantiles.map((quantiles) => [...quantiles]),
    residuals_seen: forecast.residualsSeen,
  };
}

export function scalingAlternativeBodyOf(alternative: ScalingAlternative): z.infer<typeof scalingAlternativeBody> {
  return {
    plan: alternative.plan,
    instance_usd: alternative.instanceUsd,
    launch_usd: alternative.launchUsd,
    expected_overflow: alternative.expectedOverflow,
    overflow_usd: alternative.overflowUsd,
    total_usd: alternative.totalUsd,
    excluded_by: alternative.excludedBy,
  };
}

/** A choice that no policy made has a plan and a reason only. */
type StoredChoice = Pick<ChosenScaling, 'plan' | 'reason'> & Partial<ChosenScaling> & { readonly actions: readonly ScalingAction[] };

export function chosenScalingBodyOf(chosen: StoredChoice): z.infer<typeof chosenScalingBody> {
  return {
    plan: chosen.plan,
    reason: chosen.reason,
    warm_functions: chosen.warmFunctions ?? null,
    overflow_usd_per_hour_max: chosen.overflowUsdPerHourMax ?? null,
    actions: chosen.actions.map(({ op, type, instance }) => ({ op, type, instance })),
  };
}

export function scalingEffectBodyOf(effect: ScalingEffect): z.infer<typeof scalingEffectBody> {
  return {
    window_s: effect.windowS,
    arrivals: [...effect.arrivals],
    attainment: effect.attainment,
    overflow_share: effect.overflowShare,
    spent_usd: effect.spentUsd,
    forecast_error: effect.forecastError,
    regret_usd: effect.regretUsd,
  };
}
