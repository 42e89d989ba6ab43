/** What an endpoint becomes where weights and capacities change, or where it is updated and keeps some of them. Pure. */
import { instanceCountMax, type ScalingConfig, type VariantConfig } from '../../deployment/index.ts';
import { keyOf } from '../../registry/index.ts';
import { AwsError } from '../service.ts';

/** None by somebody's word: requests wait until an instance is started for them, which goes again when nobody asks. */
export const noInstances: ScalingConfig = { policy: 'static:0', instancesMin: 0, instancesMax: 1, usdPerHourMax: null };

/** Whether a number of instances that follows the load was asked for, other than by a wish for none. */
export function isAutoscaled({ scaling }: VariantConfig): boolean {
  return scaling !== undefined && scaling.policy !== noInstances.policy;
}

export interface DesiredWeightAndCapacity {
  readonly VariantName: string;
  readonly DesiredWeight?: number;
  readonly DesiredInstanceCount?: number;
  readonly ServerlessUpdateConfig?: { readonly MaxConcurrency?: number; readonly ProvisionedConcurrency?: number };
}

/** How many instances are wanted from now on of a variant that scales. */
export interface WantedCount {
  readonly variant: string;
  readonly count: number;
}

export interface ChangedCapacities {
  readonly variants: readonly VariantConfig[];
  /** To be wanted once the variants are so. */
  readonly counts: readonly WantedCount[];
}

/** Throws `ValidationException` for what a variant cannot have. */
export function changedCapacities(variants: readonly VariantConfig[], wishes: readonly DesiredWeightAndCapacity[]): ChangedCapacities {
  const counts: WantedCount[] = [];
  const changed = new Map(variants.map((variant) => [keyOf(variant.name), variant]));
  for (const wish of wishes) {
    const variant = changed.get(keyOf(wish.VariantName));
    if (variant === undefined)
      throw refused(`Variant ${wish.VariantName} not found: the endpoint has ${variants.map(({ name }) => name).join(', ')}.`);
    const { DesiredWeight, DesiredInstanceCount: count } = wish;
    const weighted = DesiredWeight === undefined ? variant : { ...variant, weight: DesiredWeight };
    const sized = withFunctions(count === undefined ? weighted : withCount(weighted, count), wish);
    changed.set(keyOf(variant.name), sized);
    if (count !== undefined && sized.scaling !== undefined) counts.push({ variant: variant.name, count });
  }
  const after = [...changed.values()];
  if (!after.some(({ weight }) => weight > 0)) throw refused('At least one production variant must have a weight above 0.');
  return { variants: after, counts };
}

function withCount({ scaling, ...variant }: VariantConfig, count: number): VariantConfig {
  if (variant.instanceCount === 0) throw refused(`Variant ${variant.name} is serverless: it has no DesiredInstanceCount.`);
  if (scaling !== undefined && isAutoscaled({ ...variant, scaling })) return { ...variant, scaling };
  return count === 0 ? { ...variant, scaling: noInstances } : { ...variant, instanceCount: count };
}

function withFunctions(variant: VariantConfig, { ServerlessUpdateConfig: wish }: DesiredWeightAndCapacity): VariantConfig {
  if (wish === undefined) return variant;
  const { functions, name, instanceCount } = variant;
  if (functions === undefined || instanceCount > 0) throw refused(`Variant ${name} is not serverless: it has no ServerlessUpdateConfig.`);
  const { MaxConcurrency: maxConcurrency = functions.maxConcurrency, ProvisionedConcurrency: provisioned = functions.provisioned } = wish;
  if (provisioned > maxConcurrency) {
    throw refused(
      `Variant ${name}: ProvisionedConcurrency must be at most MaxConcurrency, which is ${maxConcurrency}, got ${provisioned}.`,
    );
  }
  return { ...variant, functions: { ...functions, maxConcurrency, provisioned } };
}

/** Throws `ResourceLimitExceeded` where a variant is to have more instances than any may; `before` is what there is. */
export function checkQuota(variants: readonly VariantConfig[], before: readonly VariantConfig[]): void {
  for (const { name, instanceCount, instanceType } of variants) {
    if (instanceCount <= instanceCountMax) continue;
    const now = before.find((each) => keyOf(each.name) === keyOf(name))?.instanceCount ?? 0;
    const limit = `The account-level service limit '${instanceType} for endpoint usage' is ${instanceCountMax} Instances`;
    const used = `with current utilization of ${now} Instances and a request delta of ${instanceCount - now} Instances`;
    throw new AwsError('ResourceLimitExceeded', `${limit}, ${used}.`);
  }
}

export interface Retained {
  readonly weights: boolean;
  readonly counts: boolean;
}

/**
 * A variant of the next config, with what it keeps of the one by its name. What follows its load goes on doing so whatever is
 * retained: a new model under load must not begin with the instances of a quiet hour.
 */
export function retained(next: VariantConfig, before: readonly VariantConfig[], { weights, counts }: Retained): VariantConfig {
  const old = before.find(({ name }) => keyOf(name) === keyOf(next.name));
  if (old === undefined) return next;
  const weighted = weights ? { ...next, weight: old.weight } : next;
  if (old.instanceCount === 0 || next.instanceCount === 0) return weighted;
  const counted = counts ? { ...weighted, instanceCount: old.instanceCount } : weighted;
  return old.scaling !== undefined && (counts || isAutoscaled(old)) ? { ...counted, scaling: old.scaling } : counted;
}

function refused(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
