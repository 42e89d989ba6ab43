/**
 * Whether the workers of a production variant also load the model of its shadow, which then runs in their idle time instead of on workers
 * of its own. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { instanceType, type PriceTable } from '../../costs/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { mapToContract } from '../../selection/index.ts';
import { productionVariants, type VariantConfig } from './endpoint-config.ts';

/** A worker without models, and what a model takes for each byte of its file: weights, their rearranged copy, and buffers of runs. */
const workerMiB = 150;
const memoryPerFileByte = 3;

/** Sets or removes `shadowModel` of the production variants. `versions`: in the order of the variants. */
export function withSharedWorkers(
  variants: readonly VariantConfig[],
  versions: readonly ModelVersion[],
  prices: PriceTable,
): readonly VariantConfig[] {
  const shadowAt = variants.findIndex(({ isShadow }) => isShadow === true);
  return variants.map((variant, index) => {
    const { shadowModel: _before, ...others } = variant;
    const [own, shadow] = [versions[index], versions[shadowAt]];
    const shadowVariant = variants[shadowAt];
    if (shadowVariant === undefined || own === undefined || shadow === undefined || variant.isShadow === true) return others;
    if (!isAlike(variant, shadowVariant) || !canShare(own, shadow, instanceType(prices, variant.instanceType).memoryMiB)) return others;
    return { ...others, shadowModel: shadow.name };
  });
}

/** Whether a shadow runs on the workers of a production variant. */
export function sharesWorkers({ group, version }: VariantConfig, variants: readonly VariantConfig[]): boolean {
  return productionVariants(variants).some(({ shadowModel }) => shadowModel === `${group}/${version}`);
}

/** Both on instances of one type. A shadow of another type, or one that scales, is meant to have its own. */
function isAlike(one: VariantConfig, shadow: VariantConfig): boolean {
  const isPlain = (each: VariantConfig): boolean => each.functions === undefined && each.ladder === undefined && each.instanceCount > 0;
  return isPlain(one) && isPlain(shadow) && shadow.scaling === undefined && one.instanceType === shadow.instanceType;
}

/** Python models run foreign code: that of a shadow stays out of the process that answers. */
function canShare(one: ModelVersion, shadow: ModelVersion, memoryMiB: number): boolean {
  if (one.runtime.kind !== 'onnx' || shadow.runtime.kind !== 'onnx') return false;
  if (!one.batchable || !shadow.batchable || !isDeepStrictEqual(one.signature, shadow.signature)) return false;
  if (typeof mapToContract(one, shadow) === 'string') return false;
  const filesMiB = (one.artifact.bytes + shadow.artifact.bytes) / 1024 ** 2;
  return workerMiB + memoryPerFileByte * filesMiB <= memoryMiB;
}
