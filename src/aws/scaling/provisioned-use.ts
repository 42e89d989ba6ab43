/** Target tracking of provisioned concurrency: how many environments to keep warm, from their mean use over the last minute. */
import type { DesiredCapacity } from './custom-metrics.ts';
import { type PolicyDocument, resourceIdOf } from './scaling-documents.ts';
import type { ScalableTarget } from './targets.ts';

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

export class ProvisionedUse {
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
