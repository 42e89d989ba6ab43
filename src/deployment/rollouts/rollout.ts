/**
 * A monitored update shifts traffic to the new workers in steps and monitors each step. It is rolled back if its own requests
 * show a regression, an alarm is in ALARM, its workers fail, or it times out. The old workers run until it ends. Pure;
 * `rollouts.ts` carries it out.
 */

import type { AlarmState } from '../../alerts/index.ts';
import { PlatformError } from '../../errors.ts';
import { type EndpointConfig, productionVariants, shadowShare, type VariantConfig } from '../config/endpoint-config.ts';
import type { StatusAndReason } from '../reconcile/status.ts';
import {
  checkEvidence,
  type EvidenceRule,
  evidenceVerdict,
  type RolloutHold,
  type StepEvidence,
  watchMaxMsOf,
} from './rollout-evidence.ts';

/** One step of traffic shifting. */
export interface RolloutStep {
  /** The new version's share of the requests: above 0, and 1 in the last step. */
  readonly share: number;
  /** How long the step is monitored before the next one. */
  readonly bakeMs: number;
}

/** User settings of a monitored update, besides the new config. */
export interface RolloutGuard {
  readonly steps: readonly RolloutStep[];
  /** By name: if one of them is in ALARM, the update is rolled back. */
  readonly alarms: readonly string[];
  /** Time limit for completing the last step; null for no limit. */
  readonly timeoutMs: number | null;
  /** Absent: steps are judged by time and alarms, and by any clear evidence, but need no minimum of answers. */
  readonly evidence?: EvidenceRule;
}

/** A monitored update, stored with its endpoint, so that it survives restarts. */
export interface Rollout {
  readonly guard: RolloutGuard;
  /** The config that a rollback restores. */
  readonly before: EndpointConfig;
  readonly beforeGeneration: number;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly step: number;
  /** When the step began to be served (epoch milliseconds); null until then. */
  readonly stepSinceMs: number | null;
  /** Set if the step had too few answers to be judged by when its time was over. */
  readonly hold?: RolloutHold;
  /** Why it was rolled back: then `before` is desired again, as a new generation. */
  readonly rolledBack: string | null;
}

/** All that a verdict depends on. `judge` reads no clock and no counter, so tests state every case as data. */
export interface RolloutObservation {
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** When this server began to serve and check the step; null if nothing is known yet. */
  readonly watchedSinceMs: number | null;
  /** Requests are routed as the step says, and all new workers are ready. */
  readonly isStepServed: boolean;
  /** Why the new workers failed. */
  readonly failure: string | null;
  readonly alarmState: (name: string) => AlarmState | null;
  /** Evidence against the new version in the requests of the step, or null. `isOver`: the step is complete. */
  readonly faultOf: (isOver: boolean) => string | null;
  /** What the new version has received in the step. */
  readonly evidenceOf: () => StepEvidence;
}

/** The next action of a rollout: wait, serve the step, go to the next one, complete, hold the step, or roll back. */
export type RolloutVerdict =
  | { readonly kind: 'wait' }
  /** The step is now being served. */
  | { readonly kind: 'begin' }
  /** `note`: what the step did not measure, or who continued it; null if there is nothing to add. */
  | { readonly kind: 'next' | 'done'; readonly note: string | null }
  /** The step has too few answers to be judged by. */
  | { readonly kind: 'extend' | 'pause'; readonly reason: string }
  | { readonly kind: 'roll-back'; readonly reason: string };

/** The next action of a rollout. Failed workers roll it back at any time; alarms and requests only once the step is served. */
export function judgeRollout(
  rollout: Rollout,
  { nowMs, watchedSinceMs, isStepServed, failure, alarmState, faultOf, evidenceOf }: RolloutObservation,
): RolloutVerdict {
  const { guard, startedAtMs, stepSinceMs, step } = rollout;
  if (failure !== null) return { kind: 'roll-back', reason: failure };
  const current = rolloutStepOf(rollout);
  const watchedMs = watchedSinceMs === null ? Number.NEGATIVE_INFINITY : nowMs - watchedSinceMs;
  const isOver = watchedMs >= current.bakeMs;
  if (stepSinceMs !== null) {
    const firing = guard.alarms.find((name) => alarmState(name) === 'ALARM');
    if (firing !== undefined) return { kind: 'roll-back', reason: `alarm ${firing} is in ALARM` };
    const fault = faultOf(isOver);
    if (fault !== null) return { kind: 'roll-back', reason: fault };
  }
  const judged = isOver ? evidenceVerdict({ evidence: guard.evidence, hold: rollout.hold }, current, { watchedMs, ...evidenceOf() }) : null;
  const isLast = step + 1 === guard.steps.length;
  if (guard.timeoutMs !== null && nowMs - startedAtMs >= guard.timeoutMs && !(judged?.kind === 'enough' && isLast))
    return { kind: 'roll-back', reason: `it did not finish within ${guard.timeoutMs / 1000} s` };
  if (!isStepServed) return { kind: 'wait' };
  if (stepSinceMs === null) return { kind: 'begin' };
  if (judged === null) return { kind: 'wait' };
  return judged.kind === 'enough' ? { kind: isLast ? 'done' : 'next', note: judged.note } : judged;
}

/** Throws `invalid_request` for an invalid rollout, `wrong_state` if an alarm is already in ALARM. */
export function checkGuard(guard: RolloutGuard, to: EndpointConfig, alarmState: RolloutObservation['alarmState']): void {
  const { steps, alarms, timeoutMs } = guard;
  if (steps.length === 0 || steps.length > stepsMax) throw invalid(`rollout: expected 1 to ${stepsMax} steps, got ${steps.length}`);
  let last = 0;
  for (const { share, bakeMs } of steps) {
    if (!(share > last && share <= 1))
      throw invalid(
        `rollout: expected each step to take a larger share of the requests, up to 100 %, got ${100 * share} % after ${100 * last} %`,
      );
    if (!Number.isFinite(bakeMs) || bakeMs < 0 || bakeMs > bakeMsMax)
      throw invalid(`rollout: expected each step to be monitored for 0 to ${bakeMsMax / 1000} s, got ${bakeMs / 1000} s`);
    last = share;
  }
  if (last !== 1) throw invalid(`rollout: expected the last step to take 100 % of the requests, got ${100 * last} %`);
  const serverless = to.variants.find(({ functions }) => functions !== undefined);
  if (steps.length > 1 && serverless !== undefined) {
    throw invalid(`variant ${serverless.name} has functions: only instances can take over requests in steps; use one step of 100 %`);
  }
  if (alarms.length > alarmsMax) throw invalid(`rollout: expected at most ${alarmsMax} alarms, got ${alarms.length}`);
  checkEvidence(guard.evidence, steps);
  if (timeoutMs !== null && timeoutMs <= steps.reduce((sum, { bakeMs }) => sum + bakeMs, 0)) {
    throw invalid(`rollout: expected a timeout longer than all its steps together, got ${timeoutMs / 1000} s`);
  }
  for (const name of alarms) {
    const state = alarmState(name);
    if (state === null) throw invalid(`alarm '${name}' does not exist; \`penstock alarms list\` lists all alarms`);
    if (state === 'ALARM')
      throw new PlatformError('wrong_state', `alarm ${name} is already in ALARM: the update would be rolled back immediately`);
  }
}

const stepsMax = 20;
const alarmsMax = 10;
const bakeMsMax = 86_400_000;

/** The step in force. `rollout.step` is its index. */
export function rolloutStepOf({ guard, step }: Rollout): RolloutStep {
  return guard.steps[step] as RolloutStep;
}

/** Whether the old and the new workers must both exist. */
export function isUnderWay(rollout: Rollout | null | undefined): rollout is Rollout {
  return rollout !== null && rollout !== undefined && rollout.rolledBack === null;
}

/**
 * The variants of both configs with their shares; a variant in both is listed once. The shadow is that of the new config, with its share of
 * all requests as its weight.
 */
export function sharedVariants(now: EndpointConfig, before: EndpointConfig, share: number): VariantConfig[] {
  const shared: VariantConfig[] = [];
  for (const [{ variants: all }, part] of [
    [now, share],
    [before, 1 - share],
  ] as const) {
    const variants = productionVariants(all);
    const total = variants.reduce((sum, { weight }) => sum + weight, 0);
    for (const variant of variants) {
      const weight = (part * variant.weight) / total;
      const twin = shared.findIndex((each) => isSameModel(each, variant));
      const known = shared[twin];
      if (known === undefined) shared.push({ ...variant, weight });
      else shared[twin] = { ...known, weight: known.weight + weight };
    }
  }
  const shadow = now.variants.find(({ isShadow }) => isShadow === true);
  return shadow === undefined ? shared : [...shared, { ...shadow, weight: shadowShare(shadow, now.variants) }];
}

/** By model version, such as `digits/3`: its share of the requests in the current step, over all its variants. */
export function trafficShares(now: EndpointConfig, rollout: Rollout): ReadonlyMap<string, number> {
  const variants = productionVariants(sharedVariants(now, rollout.before, rolloutStepOf(rollout).share));
  const total = variants.reduce((sum, { weight }) => sum + weight, 0);
  const shares = new Map<string, number>();
  for (const { group, version, weight } of variants) {
    const model = `${group}/${version}`;
    shares.set(model, (shares.get(model) ?? 0) + (total === 0 ? 0 : weight / total));
  }
  return shares;
}

/**
 * When the last step ends if all goes well (epoch milliseconds); null until the current one is served, and while it is paused. An
 * extended step ends at the latest after its longest time.
 */
export function watchedUntilMs(rollout: Rollout): number | null {
  const { guard, step, stepSinceMs, hold } = rollout;
  if (stepSinceMs === null || rollout.rolledBack !== null || hold === 'paused') return null;
  const plannedMs = guard.steps.slice(step).reduce((sum, { bakeMs }) => sum + bakeMs, stepSinceMs);
  if (hold === undefined || guard.evidence === undefined) return plannedMs;
  const current = rolloutStepOf(rollout);
  return plannedMs - current.bakeMs + watchMaxMsOf(guard.evidence, current);
}

/** Serving identifies the workers of a variant by its name and its model version. */
function isSameModel(one: VariantConfig, other: VariantConfig): boolean {
  const key = ({ name, group, version }: VariantConfig) => `${name}/${group}/${version}`.toLowerCase();
  return key(one) === key(other);
}

/** The endpoint's status during a rollout, from its status without it. */
export function statusDuring(rollout: Rollout, plain: StatusAndReason): StatusAndReason {
  if (rollout.rolledBack !== null) {
    const reported = `the update was rolled back: ${rollout.rolledBack}`;
    if (plain.status === 'Updating') return { status: 'RollingBack', reason: reported };
    return plain.status === 'InService'
      ? { status: 'InService', reason: plain.reason === null ? reported : `${plain.reason}; ${reported}` }
      : plain;
  }
  if (plain.status !== 'InService' || plain.reason !== null || rollout.stepSinceMs === null)
    return { status: 'Updating', reason: plain.reason };
  return {
    status: 'Updating',
    reason: `${percent(rolloutStepOf(rollout).share)} of the requests go to the new workers, ${watchText(rollout)}`,
  };
}

function watchText(rollout: Rollout): string {
  const { guard, hold, before } = rollout;
  const current = rolloutStepOf(rollout);
  if (hold === undefined || guard.evidence === undefined) return `which are monitored for ${current.bakeMs / 1000} s`;
  const { answersMin } = guard.evidence;
  const longest = `${watchMaxMsOf(guard.evidence, current) / 1000} s`;
  if (hold === 'extended')
    return `which had fewer than ${answersMin} answers in ${current.bakeMs / 1000} s: monitored for up to ${longest}`;
  return (
    `which had fewer than ${answersMin} answers in ${longest}, too few to judge: the update is paused until they have that many. ` +
    `\`penstock continue ${before.name}\` continues without, \`penstock rollback ${before.name}\` rolls back`
  );
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))} %`;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
