/** How an update is watched: as callers ask for it, and as it is told. */
import { z } from 'zod';
import type { EndpointView, Guard } from '../deployment/index.ts';
import { sharesOf, stepOf, watchedUntilMs } from '../deployment/index.ts';
import type { Alarms } from '../monitoring/index.ts';
import type { EndpointBody } from './bodies.ts';
import { timeOf } from './parameters.ts';

export const rolloutInput = z.strictObject({
  steps: z
    .array(z.strictObject({ percent: z.number(), watch_s: z.number() }))
    .default([{ percent: 100, watch_s: 300 }])
    .describe('What of the requests the new workers get, step by step up to 100, and how long each is watched.'),
  alarms: z
    .array(z.string().max(255))
    .optional()
    .describe(
      'By name: one that rings takes the update back. Unless given, those of objective, errors and crash-loop that the endpoint has by itself and that do not ring already.',
    ),
  timeout_s: z.number().nullable().default(null).describe('Taken back where it is not over by then.'),
});

/**
 * Whatever an update may be blamed for; that inputs drift is no fault of a model. What rings already is left out, since the update may be what
 * is to end it: its own requests are judged in any case.
 */
const watchedByItself = ['objective', 'errors', 'crash-loop'];

export function guardOf(input: z.output<typeof rolloutInput>, endpoint: string, alarms: Pick<Alarms, 'get'>): Guard {
  const own = watchedByItself
    .map((name) => `penstock/${endpoint}/${name}`)
    .filter((name) => (alarms.get(name)?.state ?? 'ALARM') !== 'ALARM');
  return {
    steps: input.steps.map(({ percent, watch_s }) => ({ share: percent / 100, bakeMs: watch_s * 1000 })),
    alarms: input.alarms ?? own,
    timeoutMs: input.timeout_s === null ? null : input.timeout_s * 1000,
  };
}

/** As it was given: 0.07 times 100 is 7.000000000000001. */
export function percentOf(share: number): number {
  return Number((100 * share).toPrecision(12));
}

export function rolloutBodyOf(view: EndpointView): EndpointBody['rollout'] {
  const { rollout, config } = view;
  if (rollout === null) return null;
  const untilMs = watchedUntilMs(rollout);
  const own = new Set(config.variants.map(({ group, version }) => `${group}/${version}`));
  const workers = view.variants.flatMap((variant) => variant.workers);
  const shares = sharesOf(config, rollout);
  const { guard, stepSinceMs, takenBack, beforeGeneration } = rollout;
  return {
    state: takenBack === null ? 'shifting' : 'taken-back',
    reason: takenBack,
    share_percent: percentOf(stepOf(rollout).share),
    watched_since: stepSinceMs === null ? null : timeOf(stepSinceMs),
    watched_until: untilMs === null ? null : timeOf(untilMs),
    steps: guard.steps.map(({ share, bakeMs }) => ({ percent: percentOf(share), watch_s: bakeMs / 1000 })),
    alarms: [...guard.alarms],
    previous_generation: beforeGeneration,
    versions: view.rolloutVersions.map(({ model, counts: { answered, late, failed, refused, overloaded } }) => ({
      model,
      is_new: own.has(model),
      share_percent: Math.round(1e4 * (shares.get(model) ?? 0)) / 100,
      ready: workers.filter(({ spec, state }) => spec.modelName === model && state === 'ready').length,
      requests: answered + failed + refused,
      late,
      failed,
      refused,
      overloaded,
    })),
  };
}
