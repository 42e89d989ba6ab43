/** Applies changes of weights and capacities, and retains them across updates. Pure. */
import { productionVariants, type ScalingConfig, type VariantConfig } from '../../../deployment/index.ts';
import { instanceCountMax } from '../../../fields/index.ts';
import { nameKey } from '../../../names.ts';
import { AwsError } from '../../service.ts';

/** A desired count of 0: a request waits for a cold start, and the instance stops again when idle. */
export const noInstances: ScalingConfig = { policy: 'static:0', instancesMin: 0, instancesMax: 1, usdPerHourMax: null };

/** Whether the number of instances follows the load. False if only the desired count was set to 0. */
export function isAutoscaled({ scaling }: VariantConfig): boolean {
  return scaling !== undefined && scaling.policy !== noInstances.policy;
}

/** An element of UpdateEndpointWeightsAndCapacities. Absent members stay as they are. */
export interface DesiredWeightAndCapacity {
  readonly VariantName: string;
  readonly DesiredWeight?: number;
  readonly DesiredInstanceCount?: number;
  readonly ServerlessUpdateConfig?: { readonly MaxConcurrency?: number; readonly ProvisionedConcurrency?: number };
}

/** The desired number of instances of a variant that scales. */
export interface DesiredCount {
  readonly variant: string;
  readonly count: number;
}

/** The variants with their new weights and concurrency, and the instance counts to be requested. */
export interface ChangedCapacities {
  readonly variants: readonly VariantConfig[];
  /** To be applied after `variants`. */
  readonly counts: readonly DesiredCount[];
}

/** Throws `ValidationException` for an unknown variant or an unsupported capacity. */
export function changedCapacities(variants: readonly VariantConfig[], changes: readonly DesiredWeightAndCapacity[]): ChangedCapacities {
  const counts: DesiredCount[] = [];
  const changed = new Map(variants.map((variant) => [nameKey(variant.name), variant]));
  for (const change of changes) {
    const variant = changed.get(nameKey(change.VariantName));
    if (variant === undefined)
      throw validationError(`Variant ${change.VariantName} not found: expected one of ${variants.map(({ name }) => name).join(', ')}.`);
    const { DesiredWeight, DesiredInstanceCount: count } = change;
    const weighted = DesiredWeight === undefined ? variant : { ...variant, weight: DesiredWeight };
    const sized = withFunctions(count === undefined ? weighted : withCount(weighted, count), change);
    changed.set(nameKey(variant.name), sized);
    if (count !== undefined && sized.scaling !== undefined) counts.push({ variant: variant.name, count });
  }
  const after = [...changed.values()];
  if (!productionVariants(after).some(({ weight }) => weight > 0))
    throw validationError('At least one production variant must have a weight above 0.');
  return { variants: after, counts };
}

function withCount({ scaling, ...variant }: VariantConfig, count: number): VariantConfig {
  if (variant.instanceCount === 0)
    throw validationError(`Variant ${variant.name} is serverless and does not support DesiredInstanceCount.`);
  if (scaling !== undefined && isAutoscaled({ ...variant, scaling })) return { ...variant, scaling };
  return count === 0 ? { ...variant, scaling: noInstances } : { ...variant, instanceCount: count };
}

function withFunctions(variant: VariantConfig, { ServerlessUpdateConfig: update }: DesiredWeightAndCapacity): VariantConfig {
  if (update === undefined) return variant;
  const { functions, name, instanceCount } = variant;
  if (functions === undefined || instanceCount > 0)
    throw validationError(`Variant ${name} is not serverless and does not support ServerlessUpdateConfig.`);
  const { MaxConcurrency: maxConcurrency = functions.maxConcurrency, ProvisionedConcurrency: provisioned = functions.provisioned } = update;
  if (provisioned > maxConcurrency) {
    throw validationError(
      `Variant ${name}: ProvisionedConcurrency must be at most MaxConcurrency (${maxConcurrency}), got ${provisioned}.`,
    );
  }
  return { ...variant, functions: { ...functions, maxConcurrency, provisioned } };
}

/** What a worker needs besides its model, at least. */
const workerBytes = 96 * 2 ** 20;

/** The most instances of a model that fit into this memory. */
export function instancesMaxOf(memoryBytes: number, modelBytes: number): number {
  return Math.min(instanceCountMax, Math.floor(memoryBytes / (workerBytes + modelBytes)));
}

/**
 * Throws `ResourceLimitExceeded` if a variant gets more instances than fit on this machine. `before` are the current variants;
 * `instancesMax` are the limits, in the order of `variants`.
 */
export function checkQuota(variants: readonly VariantConfig[], before: readonly VariantConfig[], instancesMax: readonly number[]): void {
  for (const [index, { name, instanceCount, instanceType }] of variants.entries()) {
    const most = instancesMax[index] ?? instanceCountMax;
    const now = before.find((each) => nameKey(each.name) === nameKey(name))?.instanceCount ?? 0;
    if (instanceCount <= most || (instanceCount <= now && instanceCount <= instanceCountMax)) continue;
    const limit = `The account-level service limit '${instanceType} for endpoint usage' is ${most} Instances`;
    const used = `with current utilization of ${now} Instances and a request delta of ${instanceCount - now} Instances`;
    const why = most < instanceCountMax ? ' More do not fit into the memory of this machine.' : '';
    throw new AwsError('ResourceLimitExceeded', `${limit}, ${used}.${why}`);
  }
}

/** Which properties an update takes over from the running variants in place of its config's. */
export interface Retained {
  readonly weights: boolean;
  readonly counts: boolean;
}

/**
 * A variant of the new config, with the properties that it retains from the current variant of the same name. An autoscaled variant
 * always stays autoscaled: a new model under load must not start at the config's initial count.
 */
export function retained(next: VariantConfig, before: readonly VariantConfig[], { weights, counts }: Retained): VariantConfig {
  const old = before.find(({ name }) => nameKey(name) === nameKey(next.name));
  if (old === undefined) return next;
  const weighted = weights ? { ...next, weight: old.weight } : next;
  if (old.instanceCount === 0 || next.instanceCount === 0) return weighted;
  const counted = counts ? { ...weighted, instanceCount: old.instanceCount } : weighted;
  return old.scaling !== undefined && (counts || isAutoscaled(old)) ? { ...counted, scaling: old.scaling } : counted;
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
