/** Step scaling: an alarm says by how much its metric is beyond the threshold, and a policy by how much to move for that. */
import type { Clock } from '../../clock.ts';
import { keyOf } from '../../registry/index.ts';
import { steppedCapacity } from './policy-rules.ts';
import { countDimension, type PolicyDocument, resourceIdOf, type TargetDocument } from './scaling-documents.ts';
import type { ScalableTarget, ScalableTargets } from './targets.ts';

const cooldownSecondsDefault = 300;
const who = 'application-autoscaling';

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
  async alarmed(arn: string, above: number): Promise<boolean> {
    const found = await this.#find(arn);
    if (found === null) return false;
    const { target, policy } = found;
    const nowMs = this.#clock.wallMs();
    const capacity = steppedTo(target, policy, above, nowMs);
    if (capacity === null) return true;
    const cause = `policy ${policy.name} was triggered by an alarm: its metric is ${Math.abs(above)} ${above < 0 ? 'below' : 'above'} the threshold`;
    const stepped = (each: PolicyDocument): PolicyDocument => (each.name === policy.name ? { ...each, steppedAtMs: nowMs } : each);
    const noted = (before: TargetDocument): TargetDocument => ({ ...before, policies: before.policies.map(stepped) });
    await this.#targets.change(target.document, noted, who);
    await this.#targets.setCapacity(target.document, { capacity, cause }, who);
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

/** null: it stays as it is. */
function steppedTo({ document, view, variant }: ScalableTarget, policy: PolicyDocument, above: number, nowMs: number): number | null {
  const { stepScaling, steppedAtMs } = policy;
  if (stepScaling === undefined) return null;
  const { Cooldown = cooldownSecondsDefault } = stepScaling;
  if (steppedAtMs !== undefined && nowMs - steppedAtMs < 1000 * Cooldown) return null;
  const observed = view.variants.find(({ name }) => keyOf(name) === keyOf(variant.name));
  const current =
    document.dimension === countDimension ? (observed?.wanted ?? variant.instanceCount) : (variant.functions?.provisioned ?? 0);
  const stepped = steppedCapacity(stepScaling, current, above);
  if (stepped === null) return null;
  const capacity = Math.max(document.min, Math.min(document.max, stepped));
  const { DynamicScalingInSuspended, DynamicScalingOutSuspended } = document.suspended;
  if (capacity === current || (capacity < current ? DynamicScalingInSuspended : DynamicScalingOutSuspended) === true) return null;
  return capacity;
}
