/**
 * A watched update: it takes the traffic over in steps, each is watched for a while, and it is taken back where its own requests speak
 * against it, an alarm rings, its workers fail, or it takes too long. What was before is kept running until then. Pure; `rollouts.ts` does it.
 */
import { PlatformError } from '../errors.ts';
import type { AlarmState } from '../monitoring/index.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import type { StatusAndReason } from './status.ts';

export interface RolloutStep {
  /** Of the requests, what the new gets: above 0, and 1 in the last step. */
  readonly share: number;
  /** How long it is watched before the next step. */
  readonly bakeMs: number;
}

/** What its user wants of an update besides the new config. */
export interface Guard {
  readonly steps: readonly RolloutStep[];
  /** By name: one of them in ALARM takes the update back. */
  readonly alarms: readonly string[];
  /** Within which the last step must have been watched to its end; null where it may take its time. */
  readonly timeoutMs: number | null;
}

export interface Rollout {
  readonly guard: Guard;
  /** What is gone back to. */
  readonly before: EndpointConfig;
  readonly beforeGeneration: number;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly step: number;
  /** Epoch milliseconds since which the step is what is served; null until it is. */
  readonly stepSinceMs: number | null;
  /** Why it was taken back: then `before` is wanted again, as a generation of its own. */
  readonly takenBack: string | null;
}

export interface RolloutSight {
  /** Epoch milliseconds. */
  readonly nowMs: number;
  /** Since when the step was served and looked at by this server; null where nothing can be said yet. */
  readonly watchedSinceMs: number | null;
  /** Requests are routed as the step says, and the new workers are complete. */
  readonly isStepServed: boolean;
  /** Why the new workers do not work. */
  readonly failure: string | null;
  readonly alarmState: (name: string) => AlarmState | null;
  /** What speaks plainly against the new version, by the requests of the step so far, or of all of it. */
  readonly faultOf: (isOver: boolean) => string | null;
}

export type RolloutVerdict =
  | { readonly kind: 'wait' }
  /** The step is served from now on. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'next' }
  | { readonly kind: 'done' }
  | { readonly kind: 'take-back'; readonly reason: string };

export function judgeRollout(
  rollout: Rollout,
  { nowMs, watchedSinceMs, isStepServed, failure, alarmState, faultOf }: RolloutSight,
): RolloutVerdict {
  const { guard, startedAtMs, stepSinceMs, step } = rollout;
  if (failure !== null) return { kind: 'take-back', reason: failure };
  const { bakeMs } = stepOf(rollout);
  const isOver = watchedSinceMs !== null && nowMs - watchedSinceMs >= bakeMs;
  if (stepSinceMs !== null) {
    const ringing = guard.alarms.find((name) => alarmState(name) === 'ALARM');
    if (ringing !== undefined) return { kind: 'take-back', reason: `alarm ${ringing} is in ALARM` };
    const fault = faultOf(isOver);
    if (fault !== null) return { kind: 'take-back', reason: fault };
  }
  if (guard.timeoutMs !== null && nowMs - startedAtMs >= guard.timeoutMs && !(isOver && isLast(rollout)))
    return { kind: 'take-back', reason: `it was not over within ${guard.timeoutMs / 1000} s` };
  if (!isStepServed) return { kind: 'wait' };
  if (stepSinceMs === null) return { kind: 'begin' };
  if (!isOver) return { kind: 'wait' };
  return step + 1 < guard.steps.length ? { kind: 'next' } : { kind: 'done' };
}

/** Throws `invalid_request` for what cannot be done, `wrong_state` where an alarm rings already. */
export function checkGuard(guard: Guard, to: EndpointConfig, alarmState: RolloutSight['alarmState']): void {
  const { steps, alarms, timeoutMs } = guard;
  if (steps.length === 0 || steps.length > stepsMax) throw invalid(`a rollout has 1 to ${stepsMax} steps, got ${steps.length}`);
  let last = 0;
  for (const { share, bakeMs } of steps) {
    if (!(share > last && share <= 1))
      throw invalid(`each step of a rollout takes more of the requests, up to 100 %, got ${100 * share} % after ${100 * last} %`);
    if (!Number.isFinite(bakeMs) || bakeMs < 0 || bakeMs > bakeMsMax)
      throw invalid(`a step is watched for 0 to ${bakeMsMax / 1000} s, got ${bakeMs / 1000} s`);
    last = share;
  }
  if (last !== 1) throw invalid(`the last step of a rollout takes 100 % of the requests, got ${100 * last} %`);
  const serverless = to.variants.find(({ functions }) => functions !== undefined);
  if (steps.length > 1 && serverless !== undefined) {
    throw invalid(`variant ${serverless.name} has functions: only instances take requests over in steps; leave one step of 100 %`);
  }
  if (alarms.length > alarmsMax) throw invalid(`a rollout watches at most ${alarmsMax} alarms, got ${alarms.length}`);
  if (timeoutMs !== null && timeoutMs <= steps.reduce((sum, { bakeMs }) => sum + bakeMs, 0)) {
    throw invalid(`the timeout of a rollout must be more than its steps are watched for together, got ${timeoutMs / 1000} s`);
  }
  for (const name of alarms) {
    const state = alarmState(name);
    if (state === null) throw invalid(`there is no alarm '${name}' to watch; \`penstock alarms\` lists those there are`);
    if (state === 'ALARM')
      throw new PlatformError('wrong_state', `alarm ${name} rings already: an update that it watches would be taken back at once`);
  }
}

const stepsMax = 20;
const alarmsMax = 10;
const bakeMsMax = 86_400_000;

export function stepOf({ guard, step }: Rollout): RolloutStep {
  return guard.steps[step] as RolloutStep;
}

/** Whether both, what was before and what is new, are to be there. */
export function isUnderWay(rollout: Rollout | null | undefined): rollout is Rollout {
  return rollout !== null && rollout !== undefined && rollout.takenBack === null;
}

/** The variants of both configs with what each gets; one that both have is there once. */
export function sharedVariants(now: EndpointConfig, before: EndpointConfig, share: number): VariantConfig[] {
  const shared: VariantConfig[] = [];
  for (const [{ variants }, part] of [
    [now, share],
    [before, 1 - share],
  ] as const) {
    const total = variants.reduce((sum, { weight }) => sum + weight, 0);
    for (const variant of variants) {
      const weight = (part * variant.weight) / total;
      const twin = shared.findIndex((each) => isSameModel(each, variant));
      const known = shared[twin];
      if (known === undefined) shared.push({ ...variant, weight });
      else shared[twin] = { ...known, weight: known.weight + weight };
    }
  }
  return shared;
}

/** By `digits/3`: of the requests, what each version gets in the present step; all variants of a version together. */
export function sharesOf(now: EndpointConfig, rollout: Rollout): ReadonlyMap<string, number> {
  const variants = sharedVariants(now, rollout.before, stepOf(rollout).share);
  const total = variants.reduce((sum, { weight }) => sum + weight, 0);
  const shares = new Map<string, number>();
  for (const { group, version, weight } of variants) {
    const model = `${group}/${version}`;
    shares.set(model, (shares.get(model) ?? 0) + (total === 0 ? 0 : weight / total));
  }
  return shares;
}

/** Epoch milliseconds at which the last step will have been watched, if all goes well; null until the present one is served. */
export function watchedUntilMs(rollout: Rollout): number | null {
  if (rollout.stepSinceMs === null || rollout.takenBack !== null) return null;
  return rollout.guard.steps.slice(rollout.step).reduce((sum, { bakeMs }) => sum + bakeMs, rollout.stepSinceMs);
}

/** Serving tells workers apart by that. */
function isSameModel(one: VariantConfig, other: VariantConfig): boolean {
  const key = ({ name, group, version }: VariantConfig) => `${name}/${group}/${version}`.toLowerCase();
  return key(one) === key(other);
}

/** How the endpoint is, where it would be like this without the rollout. */
export function statusDuring(rollout: Rollout, plain: StatusAndReason): StatusAndReason {
  if (rollout.takenBack !== null) {
    const told = `the update was taken back: ${rollout.takenBack}`;
    if (plain.status === 'Updating') return { status: 'RollingBack', reason: told };
    return plain.status === 'InService'
      ? { status: 'InService', reason: plain.reason === null ? told : `${plain.reason}; ${told}` }
      : plain;
  }
  if (plain.status !== 'InService' || plain.reason !== null || rollout.stepSinceMs === null)
    return { status: 'Updating', reason: plain.reason };
  const { share, bakeMs } = stepOf(rollout);
  return {
    status: 'Updating',
    reason: `${percent(share)} of the requests go to the new workers, which are watched for ${bakeMs / 1000} s`,
  };
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))} %`;
}

function isLast({ guard, step }: Rollout): boolean {
  return step + 1 === guard.steps.length;
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
