/** Translates an AWS endpoint config into a deployment. Pure. */

import type { PriceTable } from '../../../costs/index.ts';
import { defined } from '../../../defined.ts';
import { type EndpointConfig, functionsDefault, type VariantConfig } from '../../../deployment/index.ts';
import { instanceTypeDefault } from '../../../fields/index.ts';
import { nameKey, sameName } from '../../../names.ts';
import { AwsError } from '../../service.ts';
import type { PenstockSettings } from '../penstock-tags.ts';
import { captureOf } from './data-capture.ts';
import { awsTimeoutSeconds, type FunctionMemory, serverlessConfig } from './derived-endpoint.ts';
import type { DeployableModel, EndpointConfigDocument, ProductionVariant } from './endpoint-documents.ts';
import { nearestInstanceType } from './instance-sizes.ts';

/** AWS's upper bound of `InvocationTimeoutSeconds`. */
const asyncTimeoutMs = 3_600_000;

/** An endpoint config with everything that it refers to, resolved. */
export interface Deployable {
  readonly document: EndpointConfigDocument;
  readonly models: readonly DeployableModel[];
  readonly settings: PenstockSettings;
  readonly prices: PriceTable;
  /** Timeout of real-time invocations. */
  readonly timeoutMs: number;
  /** The endpoint to update; null to create one. */
  readonly before: Before | null;
}

interface Before {
  readonly config: EndpointConfig;
  readonly isAsync: boolean;
  readonly memoryOf: FunctionMemory;
}

/** Everything that an endpoint config decides. Scaling is not part of it. */
export type CompleteChange = Required<Pick<EndpointConfig, 'variants' | 'objective' | 'late' | 'timeoutMs' | 'capture'>>;

/**
 * The endpoint config as settings. What it cannot express, or has no tag for, stays as it is. Throws `ValidationException` for a variant
 * without a model, or with one that is not in `models`.
 */
export function deployable({ document, models, settings, prices, timeoutMs, before }: Deployable): CompleteChange {
  const { ProductionVariants, ShadowProductionVariants: shadows = [], AsyncInferenceConfig, DataCaptureConfig } = document;
  const { objective = null, late = 'serve', capture, timeoutMs: timeoutMsBefore = timeoutMs } = before?.config ?? {};
  const isAsync = AsyncInferenceConfig !== undefined;
  const variantOf = (variant: ProductionVariant): VariantConfig =>
    deployableVariant(variant, modelOf(variant, models), { settings, prices, old: variantBefore(variant, before) });
  return {
    variants: [...ProductionVariants.map(variantOf), ...shadows.map((shadow) => ({ ...variantOf(shadow), isShadow: true as const }))],
    objective: settings.objective === undefined ? objective : settings.objective,
    late: settings.late ?? late,
    timeoutMs: isAsync === before?.isAsync ? timeoutMsBefore : isAsync ? asyncTimeoutMs : timeoutMs,
    capture: captureOf(DataCaptureConfig, capture),
  };
}

interface VariantBefore {
  readonly variant: VariantConfig | undefined;
  /** Memory of its functions that the AWS API reports. */
  readonly reportedMiB: number | undefined;
}

function variantBefore({ VariantName }: ProductionVariant, before: Before | null): VariantBefore {
  const variant = before?.config.variants.find(({ name }) => nameKey(name) === nameKey(VariantName));
  const memoryMiB = before?.memoryOf(before.config.name, VariantName) ?? null;
  return { variant, reportedMiB: variant?.functions && serverlessConfig(variant.functions, memoryMiB).MemorySizeInMB };
}

function modelOf({ VariantName, ModelName }: ProductionVariant, models: readonly DeployableModel[]): DeployableModel {
  if (ModelName === undefined) {
    throw new AwsError(
      'ValidationException',
      `Production variant ${VariantName} has no ModelName. Inference components are not supported yet.`,
    );
  }
  const model = models.find(({ name }) => sameName(name, ModelName));
  if (model === undefined) throw new AwsError('ValidationException', `Could not find model "${ModelName}".`);
  return model;
}

function deployableVariant(
  production: ProductionVariant,
  { group, version }: DeployableModel,
  { settings, prices, old }: { readonly settings: PenstockSettings; readonly prices: PriceTable; readonly old: VariantBefore },
): VariantConfig {
  const { VariantName, InstanceType, InitialInstanceCount = 1, InitialVariantWeight = 1, ServerlessConfig } = production;
  const { instanceTypeAsked: _asked, functions: before, scaling: _scaling, isShadow: _shadow, ladder, ...others } = old.variant ?? {};
  // Another model ends a selection.
  const isSameModel = old.variant?.group === group && old.variant.version === version;
  const decided = { name: VariantName, group, version, weight: InitialVariantWeight, ...workerTimeouts(production, others) };
  const variant = { ...others, ...decided, ...(ladder !== undefined && isSameModel ? { ladder } : {}) };
  if (ServerlessConfig !== undefined) {
    const { MemorySizeInMB, MaxConcurrency: maxConcurrency, ProvisionedConcurrency: provisioned = 0 } = ServerlessConfig;
    const memoryMiB: number | 'auto' = before?.memoryMiB === 'auto' && MemorySizeInMB === old.reportedMiB ? 'auto' : MemorySizeInMB;
    const { usdPerHourMax: _budget, ...functions } = { ...functionsDefault, ...before, memoryMiB, maxConcurrency, provisioned };
    return { ...variant, instanceCount: 0, instanceType: instanceTypeDefault, functions };
  }
  const wasHybrid = before !== undefined && (old.variant?.instanceCount ?? 0) > 0;
  const instances = { ...variant, instanceCount: InitialInstanceCount, ...typeFor(InstanceType, prices) };
  return (settings.hasOverflow ?? wasHybrid) ? { ...instances, functions: before ?? functionsDefault } : instances;
}

function typeFor(requested: string | undefined, prices: PriceTable): Pick<VariantConfig, 'instanceType' | 'instanceTypeAsked'> {
  if (requested === undefined) return { instanceType: instanceTypeDefault };
  const instanceType = nearestInstanceType(requested, prices);
  return instanceType === requested ? { instanceType } : { instanceType, instanceTypeAsked: requested };
}

type Timeouts = Pick<VariantConfig, 'startTimeoutMs' | 'unpackTimeoutMs'>;

/** Nothing is downloaded at start; unpacking the archive takes the time instead, so the download timeout bounds it. */
function workerTimeouts(production: ProductionVariant, { startTimeoutMs, unpackTimeoutMs }: Timeouts): Timeouts {
  const { ContainerStartupHealthCheckTimeoutInSeconds: start, ModelDataDownloadTimeoutInSeconds: download } = production;
  return defined({ startTimeoutMs: timeoutMsOf(start, startTimeoutMs), unpackTimeoutMs: timeoutMsOf(download, unpackTimeoutMs) });
}

/** AWS counts in whole seconds, which must not round a timeout of another API. */
function timeoutMsOf(seconds: number | undefined, beforeMs: number | undefined): number | undefined {
  return seconds === undefined || seconds === awsTimeoutSeconds(beforeMs) ? beforeMs : seconds * 1000;
}
