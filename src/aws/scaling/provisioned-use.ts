/** How many environments to keep warm so that their use is as a target tracking policy wants it: the mean of a minute. */
import type { Wanted } from './custom-metrics.ts';
import { type PolicyDocument, resourceIdOf } from './scaling-documents.ts';
import type { ScalableTarget } from './targets.ts';

interface Use {
  readonly samples: readonly { readonly atMs: number; readonly busy: number }[];
  readonly moreAtMs: number;
  readonly fewerAtMs: number;
}

const windowMs = 60_000;
const belowShare = 0.9;
const cooldownSecondsDefault = 300;

export class ProvisionedUse {
  readonly #busyOf: (endpoint: string, variant: string) => number | null;
  readonly #uses = new Map<string, Use>();

  constructor(busyOf: (endpoint: string, variant: string) => number | null) {
    this.#busyOf = busyOf;
  }

  /** null: nothing is to be changed. */
  wanted({ document, variant }: ScalableTarget, nowMs: number): Wanted | null {
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
    const have = variant.functions?.provisioned ?? 0;
    const most = Math.min(document.max, variant.functions?.maxConcurrency ?? document.max);
    const asked = Math.max(...policies.map((policy) => wantedBy(policy, mean, have, { ...before, nowMs })));
    const wanted = Math.min(most, Math.max(document.min, allowed(document.suspended, asked, have)));
    const moved = wanted > have ? { moreAtMs: nowMs } : wanted < have ? { fewerAtMs: nowMs } : {};
    this.#uses.set(key, { ...before, samples, ...moved });
    const [policy] = policies;
    const cause = `policy ${policy?.name} was triggered: ${Number(mean.toPrecision(4))} of ${have} provisioned environments are in use`;
    return wanted === have ? null : { capacity: wanted, cause };
  }
}

function wantedBy(
  { targetTracking }: PolicyDocument,
  busy: number,
  have: number,
  { moreAtMs, fewerAtMs, nowMs }: Omit<Use, 'samples'> & { nowMs: number },
): number {
  if (targetTracking === undefined) return have;
  const {
    TargetValue,
    DisableScaleIn = false,
    ScaleInCooldown = cooldownSecondsDefault,
    ScaleOutCooldown = cooldownSecondsDefault,
  } = targetTracking;
  const needed = Math.ceil(busy / TargetValue - 1e-9);
  if (needed >= have) return needed;
  const isCooling = nowMs - moreAtMs < 1000 * ScaleOutCooldown || nowMs - fewerAtMs < 1000 * ScaleInCooldown;
  const isBelow = busy < belowShare * TargetValue * have;
  return DisableScaleIn || isCooling || !isBelow ? have : needed;
}

function allowed(
  { DynamicScalingInSuspended: noIn, DynamicScalingOutSuspended: noOut }: ScalableTarget['document']['suspended'],
  asked: number,
  have: number,
): number {
  const atLeast = noIn === true ? Math.max(asked, have) : asked;
  return noOut === true ? Math.min(atLeast, have) : atLeast;
}
