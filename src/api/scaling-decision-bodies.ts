/** Decisions on the number of instances, as the native API tells them. */
import { z } from 'zod';
import type { ChosenScaling, ScalingAction, ScalingAlternative, ScalingEffect, ScalingInputs } from '../autoscaling/index.ts';
import { formatObjective } from '../objective.ts';

const price = z.number().describe('US dollars.');
const plan = z.record(z.string(), z.number()).describe('How many instances of each type.');

export const scalingInputsBody = z.strictObject({
  regime: z.enum(['instances-only', 'serverless-only', 'hybrid']).describe('Who serves.'),
  strategy: z.string().describe('The policy, as it was given.'),
  slot_s: z.number(),
  last_count: z.number().nullable().describe('Rows that came in the last whole slot; null where nobody counted.'),
  rate_per_second: z.number().nullable().describe('Of the last 30 s; null where the policy does not look.'),
  queue: z.number().describe('Rows that waited.'),
  types: z.record(
    z.string(),
    z.strictObject({
      active: z.number(),
      launching: z.number(),
      draining: z.number(),
      batch_size: z.number(),
      rate_per_second: z.number().describe('Rows of one that always has a full batch; 0 where it cannot be used.'),
      lead_s: z.number().describe('From the wish to the first batch.'),
      usd_per_hour: price,
    }),
  ),
  excluded: z.array(z.string()).describe('Why a type cannot be used.'),
  rho: z.number().nullable().describe('The utilisation that was planned for.'),
  horizon: z.number().describe('The slot that was decided for, counted from the last whole one.'),
  overflow_usd_per_request: price.nullable(),
  objective: z.string().nullable(),
  burn_5m: z.number().nullable().describe('How fast the share of requests that may miss the objective is used up; 1 is just so.'),
  burn_1h: z.number().nullable(),
  level: z.number().describe('How far a missed objective is made up for: 0, 1 or 2.'),
  min: z.number(),
  max: z.number(),
  budget: z.strictObject({ usd_max: price, spent_usd: price, remaining_s: z.number() }).nullable(),
  gaps: z.number().describe('Slots that nobody counted.'),
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
  warm_functions: z.number().describe('Environments kept warm until the next decision.'),
  overflow_usd_per_hour_max: price.nullable(),
  actions: z.array(z.strictObject({ op: z.enum(['launch', 'drain', 'stop']), type: z.string(), instance: z.string().nullable() })),
});

export const scalingEffectBody = z.strictObject({
  window_s: z.number().describe('From the decision until its effect was known: some slots, those of the next decisions among them.'),
  arrivals: z.array(z.number().nullable()).describe('Rows of each slot since.'),
  attainment: z.number().nullable().describe('Share of the requests that were served in time.'),
  overflow_share: z.number().nullable(),
  spent_usd: price.describe('Within the window, instances and functions together.'),
  forecast_error: z.number().nullable().describe('Forecast less truth, in rows of the slot that was decided for.'),
  regret_usd: price.nullable().describe('What the choice cost more than the best would have, had one known what came.'),
});

type ScalingInputsBody = z.infer<typeof scalingInputsBody>;

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

export function chosenScalingBodyOf(
  chosen: ChosenScaling & { readonly actions: readonly ScalingAction[] },
): z.infer<typeof chosenScalingBody> {
  return {
    plan: chosen.plan,
    reason: chosen.reason,
    warm_functions: chosen.warmFunctions,
    overflow_usd_per_hour_max: chosen.overflowUsdPerHourMax,
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
