/** Derives an endpoint config and models for an endpoint that another API created or changed. Pure. */
import { defined } from '../../../defined.ts';
import { type EndpointView, productionVariants, type VariantConfig } from '../../../deployment/index.ts';
import type { PenstockSettings } from '../penstock-tags.ts';
import { dataCaptureConfig } from './data-capture.ts';
import type { DeployableModel, DeployedConfig, EndpointConfigDocument, ProductionVariant } from './endpoint-documents.ts';

const nameLengthMax = 63;
/** Reported for functions of automatic size until Penstock has chosen one. */
const memoryMiBPlaceholder = 2048;
/** AWS's lower bound of a variant's timeouts. */
const timeoutMsMin = 60_000;

/** `prod-g3` for the third generation; long names are truncated. */
export function derivedConfigName(endpoint: string, generation: number): string {
  return suffixed(endpoint, `-g${generation}`);
}

/** `digits-3` for version 3. */
export function derivedModelName(group: string, version: number): string {
  return suffixed(group, `-${version}`);
}

function suffixed(name: string, suffix: string): string {
  return `${name.slice(0, nameLengthMax - suffix.length).replace(/-+$/, '')}${suffix}`;
}

/** The current memory of a variant's functions in MiB; null if they are not served. */
export type FunctionMemory = (endpoint: string, variant: string) => number | null;

/** A derived config. `settings` are what AWS's members cannot express. */
export interface DerivedConfig extends DeployedConfig {
  readonly settings: PenstockSettings;
}

/** Derived from the current generation of the endpoint, and from its last AWS config for what only AWS can express. */
export function derivedConfig(
  { config, generation, updatedAtMs }: EndpointView,
  memoryOf: FunctionMemory,
  last: EndpointConfigDocument | undefined,
): DerivedConfig {
  const { name, variants, objective, late, capture = null } = config;
  const { DataCaptureConfig: _capture, ShadowProductionVariants: _shadows, ...others } = last ?? {};
  const documentOf = (variant: VariantConfig) => productionVariant(variant, memoryOf(name, variant.name));
  const shadows = variants.filter(({ isShadow }) => isShadow === true);
  const document: EndpointConfigDocument = {
    ...others,
    ProductionVariants: productionVariants(variants).map(documentOf),
    ...(shadows.length === 0 ? {} : { ShadowProductionVariants: shadows.map(documentOf) }),
    ...(capture === null ? {} : { DataCaptureConfig: dataCaptureConfig(capture) }),
  };
  return {
    generation,
    endpointConfigName: derivedConfigName(name, generation),
    document,
    models: variants.map(derivedModel),
    variants,
    startedAtMs: updatedAtMs,
    settings: {
      objective,
      late,
      hasOverflow: variants.some(({ instanceCount, functions }) => instanceCount > 0 && functions !== undefined),
    },
  };
}

function derivedModel({ group, version }: VariantConfig): DeployableModel {
  return { name: derivedModelName(group, version), group, version, image: 'penstock/onnx', resolvedImage: 'penstock/onnx' };
}

function productionVariant(variant: VariantConfig, currentMemoryMiB: number | null): ProductionVariant {
  const { name, group, version, weight, instanceCount, instanceType, instanceTypeAsked, functions, startTimeoutMs, unpackTimeoutMs } =
    variant;
  const common = {
    VariantName: name,
    ModelName: derivedModelName(group, version),
    InitialVariantWeight: weight,
    ...defined({
      ContainerStartupHealthCheckTimeoutInSeconds: awsTimeoutSeconds(startTimeoutMs),
      ModelDataDownloadTimeoutInSeconds: awsTimeoutSeconds(unpackTimeoutMs),
    }),
  };
  if (instanceCount > 0 || functions === undefined) {
    return { ...common, InstanceType: instanceTypeAsked ?? instanceType, InitialInstanceCount: instanceCount };
  }
  return { ...common, ServerlessConfig: serverlessConfig(functions, currentMemoryMiB) };
}

/** A timeout in whole seconds; undefined if it is not set, or shorter than AWS can express. */
export function awsTimeoutSeconds(ms: number | undefined): number | undefined {
  return ms === undefined || ms < timeoutMsMin ? undefined : Math.round(ms / 1000);
}

/** Functions as a `ServerlessConfig`. */
export function serverlessConfig(
  { memoryMiB, maxConcurrency, provisioned }: NonNullable<VariantConfig['functions']>,
  currentMemoryMiB: number | null,
) {
  return {
    MemorySizeInMB: memoryMiB === 'auto' ? (currentMemoryMiB ?? memoryMiBPlaceholder) : memoryMiB,
    MaxConcurrency: maxConcurrency,
    ...(provisioned === 0 ? {} : { ProvisionedConcurrency: provisioned }),
  };
}
