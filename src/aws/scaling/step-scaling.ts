/** Step scaling: maps the distance between an alarm's metric and its threshold to a change of capacity. */
import type { Clock } from '../../clock.ts';
import { nameKey } from '../../names.ts';
import { steppedCapacity } from './policy-rules.ts';
import { countDimension, type PolicyDocument, resourceIdOf, type TargetDocument } from './scaling-documents.ts';
import type { ScalableTarget, ScalableTargets } from './targets.ts';

const cooldownSecondsDefault = 300;
const actor = 'application-autoscaling';

export class StepScalingPolicies {
  readonly #clock: Clock;
  readonly #targets: ScalableTargets;

  constructor({ clock, targets }: { readonly clock: Clock; readonly targets: ScalableTargets }) {
    this.#clock = clock;
    this.#targets = targets;
  }

  async has(arn: string): Promise<boolean> {
    return (await this.#find(arn)) !== null;
  }

  /** See `ApplicationAutoScaling.alarmed`. */
  async alarmed(arn: string, delta: number): Promise<boolean> {
    const found = await this.#find(arn);
    if (found === null) return false;
    const { target, policy } = found;
    const nowMs = this.#clock.wallMs();
    const capacity = steppedTo(target, policy, delta, nowMs);
    if (capacity === null) return true;
    const why = `policy ${policy.name} was triggered by an alarm: its metric is ${Math.abs(delta)} ${delta < 0 ? 'below' : 'above'} the threshold`;
    const stepped = (each: PolicyDocument): PolicyDocument => (each.name === policy.name ? { ...each, steppedAtMs: nowMs } : each);
    const withStepTime = (before: TargetDocument): TargetDocument => ({ ...before, policies: before.policies.map(stepped) });
    // Recorded first, so that a concurrent alarm finds the cooldown.
    await this.#targets.change(target.document, withStepTime, actor);
    await this.#targets.setCapacity(target.document, capacity, { trigger: 'alarm', why }, actor);
    return true;
  }

  async #find(arn: string): Promise<{ readonly target: ScalableTarget; readonly policy: PolicyDocument } | null> {
    for (const target of await this.#targets.all()) {
      const policy = target.document.policies.find((each) => isNamed(arn, target.document, each));
      if (policy !== undefined) return { target, policy };
    }
    return null;
  }
}

function isNamed(arn: string, target: TargetDocument, { id, name, type }: PolicyDocument): boolean {
  return type === 'StepScaling' && arn.endsWith(`:scalingPolicy:${id}:resource/sagemaker/${resourceIdOf(target)}:policyName/${name}`);
}

/** null if the capacity does not change. */
function steppedTo({ document, view, variant }: ScalableTarget, policy: PolicyDocument, delta: number, nowMs: number): number | null {
  const { stepScaling, steppedAtMs } = policy;
  if (stepScaling === undefined) return null;
  const { Cooldown = cooldownSecondsDefault } = stepScaling;
  if (steppedAtMs !== undefined && nowMs - steppedAtMs < 1000 * Cooldown) return null;
  const observed = view.variants.find(({ name }) => nameKey(name) === nameKey(variant.name));
  const current =
    document.dimension === countDimension ? (observed?.wanted ?? variant.instanceCount) : (variant.functions?.provisioned ?? 0);
  const stepped = steppedCapacity(stepScaling, current, delta);
  if (stepped === null) return null;
  const capacity = Math.max(document.min, Math.min(document.max, stepped));
  const { DynamicScalingInSuspended, DynamicScalingOutSuspended } = document.suspended;
  if (capacity === current || (capacity < current ? DynamicScalingInSuspended : DynamicScalingOutSuspended) === true) return null;
  return capacity;
}
