/**
 * The background work of Application Auto Scaling that the scaling controller does not do: scheduled actions, and target tracking of
 * provisioned concurrency and customized metrics. An action missed while the server was down runs once after the restart.
 */
import { type Clock, Loop } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import { withoutOrigin } from '../../records/index.ts';
import { nextDueMs, parseSchedule } from '../../schedules/index.ts';
import { CustomMetrics, type DesiredCapacity, type MeasureMetric } from './custom-metrics.ts';
import {
  type ActionDocument,
  countDimension,
  type PolicyDocument,
  provisionedDimension,
  resourceIdOf,
  type TargetDocument,
} from './scaling-documents.ts';
import type { ScalableTarget, ScalableTargets } from './targets.ts';

export interface ScalingLoopOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly targets: ScalableTargets;
  /** The number of busy environments of a serverless variant; null if it is not served. */
  readonly busyOf: (endpoint: string, variant: string) => number | null;
  readonly measure: MeasureMetric;
}

const pollEveryMs = 10_000;
const actor = 'application-autoscaling';

export class ScalingLoop {
  readonly #options: ScalingLoopOptions;
  readonly #use: ProvisionedUse;
  readonly #metrics: CustomMetrics;
  readonly #loop: Loop;

  constructor(options: ScalingLoopOptions) {
    this.#options = options;
    this.#use = new ProvisionedUse(options.busyOf);
    this.#metrics = new CustomMetrics(options.measure);
    this.#loop = new Loop({
      clock: options.clock,
      everyMs: pollEveryMs,
      // Its changes are not attributed to the caller of `poll` in the audit log.
      run: () => withoutOrigin(() => this.#pollAll()),
      onFailure: (error) => options.log.warn({ error: messageOf(error) }, 'failed to process scheduled actions'),
    });
  }

  open(): void {
    this.poll();
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  /** Polls now, and again when the next action is due. */
  poll(): void {
    this.#loop.runNow();
  }

  /** Resolves to the delay until the next run, in milliseconds. */
  async #pollAll(): Promise<number> {
    let delayMs = pollEveryMs;
    for (const target of await this.#options.targets.all()) delayMs = Math.min(delayMs, await this.#pollSafely(target));
    return delayMs;
  }

  /** Logs a failure: one target must not block the others. */
  async #pollSafely(target: ScalableTarget): Promise<number> {
    try {
      return await this.#pollTarget(target);
    } catch (error) {
      const { endpoint, variant } = target.document;
      this.#options.log.warn({ endpoint, variant, error: messageOf(error) }, 'failed to scale a variant');
      return pollEveryMs;
    }
  }

  /** Resolves to the delay until the next poll, in milliseconds. */
  async #pollTarget(target: ScalableTarget): Promise<number> {
    const { clock, targets } = this.#options;
    const { document } = target;
    const nowMs = clock.wallMs();
    const scheduled = document.actions.map((action) => ({ action, dueMs: dueMsOf(action) }));
    const due = scheduled.flatMap(({ action, dueMs }) => (dueMs !== null && dueMs <= nowMs ? [{ action, dueMs }] : []));
    if (due.length > 0) {
      const cause = { trigger: 'schedule', why: due.map(({ action }) => causeOf(action, document)).join('; ') } as const;
      await targets.change(document, (before) => appliedSchedules(before, due, nowMs), actor, { cause });
    }
    const follower = document.dimension === provisionedDimension ? this.#use : this.#metrics;
    const wanted = await follower.desiredCapacity(target, nowMs);
    if (wanted !== null) await targets.setCapacity(document, wanted.capacity, { trigger: 'metric', why: wanted.cause }, actor);
    const later = scheduled.flatMap(({ dueMs }) => (dueMs !== null && dueMs > nowMs ? [dueMs - nowMs] : []));
    return due.length > 0 ? 0 : Math.min(pollEveryMs, ...later);
  }
}

/** The next unhandled due time between the action's start and end; null if there is none. */
function dueMsOf({ schedule, zone, startMs, endMs, createdAtMs, observedMs }: ActionDocument): number | null {
  const afterMs = Math.max(observedMs, (startMs ?? 0) - 1);
  const dueMs = nextDueMs(parseSchedule(schedule, zone), afterMs, startMs ?? createdAtMs);
  return dueMs === null || (endMs !== undefined && dueMs > endMs) ? null : dueMs;
}

/** Applies actions in the order of their due times. While schedules are suspended, they are marked as handled without effect. */
function appliedSchedules(
  before: TargetDocument,
  due: readonly { readonly action: ActionDocument; readonly dueMs: number }[],
  nowMs: number,
): TargetDocument {
  let target = before;
  for (const { action } of due.toSorted((a, b) => a.dueMs - b.dueMs)) {
    const current = target.actions.find(({ id }) => id === action.id);
    if (current === undefined) continue;
    const actions = target.actions.map((each) => (each === current ? { ...each, observedMs: nowMs } : each));
    if (target.suspended.ScheduledScalingSuspended === true) {
      target = { ...target, actions };
      continue;
    }
    const limits = limitsOf(action, target);
    // The activity of a change of instances is the decision on their number.
    const activity = { id: `${action.id}-${nowMs}`, atMs: nowMs, cause: causeOf(action, target), capacity: limits.min };
    const activities = target.dimension === countDimension ? target.activities : [...target.activities, activity];
    target = { ...target, actions, ...limits, activities };
  }
  return target;
}

type Limits = Pick<TargetDocument, 'min' | 'max'>;

/** If only one limit is set and it conflicts with the other, the other one moves. */
function limitsOf(action: ActionDocument, target: Limits): Limits {
  const min = action.min ?? Math.min(target.min, action.max ?? target.min);
  return { min, max: action.max ?? Math.max(target.max, min) };
}

function causeOf(action: ActionDocument, target: Limits): string {
  const { min, max } = limitsOf(action, target);
  return `scheduled action name ${action.name} was triggered: minimum capacity ${min}, maximum capacity ${max}`;
}

/** Samples of the last minute, and the times of the last scale-out and scale-in. */
interface Use {
  readonly samples: readonly { readonly atMs: number; readonly busy: number }[];
  readonly moreAtMs: number;
  readonly fewerAtMs: number;
}

const windowMs = 60_000;
/** Scales in only below 90 % of the target, like AWS's AlarmLow. */
const belowShare = 0.9;
const cooldownSecondsDefault = 300;

/** Target tracking of provisioned concurrency: how many environments to keep warm, from their mean use over the last minute. */
class ProvisionedUse {
  readonly #busyOf: (endpoint: string, variant: string) => number | null;
  readonly #uses = new Map<string, Use>();

  constructor(busyOf: (endpoint: string, variant: string) => number | null) {
    this.#busyOf = busyOf;
  }

  /** null if the capacity does not change. */
  desiredCapacity({ document, variant }: ScalableTarget, nowMs: number): DesiredCapacity | null {
    const key = resourceIdOf(document).toLowerCase();
    const busy = this.#busyOf(document.endpoint, document.variant);
    const policies = document.policies.filter(({ type }) => type === 'TargetTrackingScaling');
    if (busy === null || policies.length === 0) {
      this.#uses.delete(key);
      return null;
    }
    const before = this.#uses.get(key) ?? { samples: [], moreAtMs: Number.NEGATIVE_INFINITY, fewerAtMs: Number.NEGATIVE_INFINITY };
    const samples = [...before.samples, { atMs: nowMs, busy }].filter(({ atMs }) => atMs > nowMs - windowMs && atMs <= nowMs);
    const mean = samples.reduce((sum, sample) => sum + sample.busy, 0) / samples.length;
    const current = variant.functions?.provisioned ?? 0;
    const most = Math.min(document.max, variant.functions?.maxConcurrency ?? document.max);
    const requested = Math.max(...policies.map((policy) => wantedBy(policy, mean, current, { ...before, nowMs })));
    const wanted = Math.min(most, Math.max(document.min, allowed(document.suspended, requested, current)));
    const moved = wanted > current ? { moreAtMs: nowMs } : wanted < current ? { fewerAtMs: nowMs } : {};
    this.#uses.set(key, { ...before, samples, ...moved });
    const [policy] = policies;
    const cause = `policy ${policy?.name} was triggered: ${Number(mean.toPrecision(4))} of ${current} provisioned environments are in use`;
    return wanted === current ? null : { capacity: wanted, cause };
  }
}

/** Scales out at once, but in only after both cooldowns and clearly below the target. */
function wantedBy(
  { targetTracking }: PolicyDocument,
  busy: number,
  current: number,
  { moreAtMs, fewerAtMs, nowMs }: Omit<Use, 'samples'> & { nowMs: number },
): number {
  if (targetTracking === undefined) return current;
  const {
    TargetValue,
    DisableScaleIn = false,
    ScaleInCooldown = cooldownSecondsDefault,
    ScaleOutCooldown = cooldownSecondsDefault,
  } = targetTracking;
  const needed = Math.ceil(busy / TargetValue - 1e-9);
  if (needed >= current) return needed;
  const isCooling = nowMs - moreAtMs < 1000 * ScaleOutCooldown || nowMs - fewerAtMs < 1000 * ScaleInCooldown;
  const isBelow = busy < belowShare * TargetValue * current;
  return DisableScaleIn || isCooling || !isBelow ? current : needed;
}

/** Applies suspended directions. */
function allowed(
  { DynamicScalingInSuspended: noIn, DynamicScalingOutSuspended: noOut }: ScalableTarget['document']['suspended'],
  requested: number,
  current: number,
): number {
  const atLeast = noIn === true ? Math.max(requested, current) : requested;
  return noOut === true ? Math.min(atLeast, current) : atLeast;
}
