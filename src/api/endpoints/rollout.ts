/** Monitored updates: the request body, and the state shown for an endpoint. */
import { z } from 'zod';
import type { Alarms } from '../../alerts/index.ts';
import type { EndpointView, Rollout, RolloutGuard } from '../../deployment/index.ts';
import { answersMinDefault, rolloutStepOf, trafficShares, watchedUntilMs, watchMaxMsOf } from '../../deployment/index.ts';
import type { EndpointBody } from '../bodies.ts';
import { isoTime } from '../routing/parameters.ts';

export const rolloutInput = z.strictObject({
  min_requests: z
    .number()
    .default(answersMinDefault)
    .describe('Answers of the new version that each step with traffic needs, late and failed ones included; 0: none.'),
  watch_max_s: z
    .number()
    .nullable()
    .default(null)
    .describe('Longest time to monitor a step that has fewer answers than min_requests; null: four times its own time.'),
  if_too_few: z
    .enum(['pause', 'continue'])
    .default('pause')
    .describe(
      'What to do after that time: pause the update until it has enough answers or POST /endpoints/{endpoint}/continue is called, or continue without.',
    ),
  steps: z
    .array(z.strictObject({ percent: z.number(), watch_s: z.number() }))
    .default([{ percent: 100, watch_s: 300 }])
    .describe('Share of traffic to the new workers in each step, up to 100, and the bake time of each step.'),
  alarms: z
    .array(z.string().max(255))
    .optional()
    .describe(
      'Names of alarms that roll the update back when they fire. Default: the alarms objective, errors and crash-loop of the endpoint, unless they are already firing.',
    ),
  timeout_s: z.number().nullable().default(null).describe('Time after which an unfinished update is rolled back; null: no limit.'),
});

/**
 * The default alarms that an update can cause; drift of the inputs is not the fault of a model. Alarms that already fire are
 * left out, because the update may be the fix: the requests to its own versions are judged in any case.
 */
const guardingAlarms = ['objective', 'errors', 'crash-loop'];

/** Without `alarms` in the request, the default alarms that are not firing guard the update. */
export function apiGuardOf(input: z.output<typeof rolloutInput>, endpoint: string, alarms: Pick<Alarms, 'get'>): RolloutGuard {
  const own = guardingAlarms
    .map((name) => `penstock/${endpoint}/${name}`)
    .filter((name) => (alarms.get(name)?.state ?? 'ALARM') !== 'ALARM');
  return {
    steps: input.steps.map(({ percent, watch_s }) => ({ share: percent / 100, bakeMs: watch_s * 1000 })),
    alarms: input.alarms ?? own,
    timeoutMs: input.timeout_s === null ? null : input.timeout_s * 1000,
    evidence: {
      answersMin: input.min_requests,
      watchMaxMs: input.watch_max_s === null ? null : input.watch_max_s * 1000,
      ifTooFew: input.if_too_few,
    },
  };
}

/** Rounds to the requested value: 0.07 * 100 is 7.000000000000001. */
export function percentOf(share: number): number {
  return Number((100 * share).toPrecision(12));
}

export function rolloutBodyOf(view: EndpointView): EndpointBody['rollout'] {
  const { rollout, config } = view;
  if (rollout === null) return null;
  const untilMs = watchedUntilMs(rollout);
  const own = new Set(config.variants.map(({ group, version }) => `${group}/${version}`));
  const workers = view.variants.flatMap((variant) => variant.workers);
  const shares = trafficShares(config, rollout);
  const { guard, stepSinceMs, rolledBack, beforeGeneration, hold } = rollout;
  return {
    state: rolledBack !== null ? 'rolled-back' : hold === 'paused' ? 'paused' : 'shifting',
    reason: rolledBack,
    share_percent: percentOf(rolloutStepOf(rollout).share),
    watched_since: stepSinceMs === null ? null : isoTime(stepSinceMs),
    watched_until: untilMs === null ? null : isoTime(untilMs),
    steps: guard.steps.map(({ share, bakeMs }) => ({ percent: percentOf(share), watch_s: bakeMs / 1000 })),
    evidence: evidenceBodyOf(view, rollout),
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

/** The answers that the current step has and needs; null if time and alarms alone decide, or after the update. */
function evidenceBodyOf(
  { rolloutEvidence: { answers } }: EndpointView,
  rollout: Rollout,
): NonNullable<EndpointBody['rollout']>['evidence'] {
  const { guard, hold, rolledBack } = rollout;
  if (guard.evidence === undefined || rolledBack !== null) return null;
  const { answersMin, ifTooFew } = guard.evidence;
  const watchMaxS = watchMaxMsOf(guard.evidence, rolloutStepOf(rollout)) / 1000;
  return { answers, min_requests: answersMin, watch_max_s: watchMaxS, if_too_few: ifTooFew, is_extended: hold !== undefined };
}
