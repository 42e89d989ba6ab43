/** Of an endpoint that another door made or changed: the endpoint config and the models that it might have been made from. Pure. */
import type { EndpointView, VariantConfig } from '../../deployment/index.ts';
import { dataCaptureConfig } from './data-capture.ts';
import type { DeployableModel, DeployedConfig, EndpointConfigDocument, ProductionVariant } from './endpoint-documents.ts';
import type { PenstockSettings } from './penstock-tags.ts';

const nameLengthMax = 63;
/** What functions are shown with whose size is left to Penstock, until it has chosen. */
const memoryMiBUnchosen = 2048;

/** `prod-g3`, of the third generation; long names are cut. */
export function derivedConfigName(endpoint: string, generation: number): string {
  return named(endpoint, `-g${generation}`);
}

/** `digits-3`, of version 3. */
export function derivedModelName(group: string, version: number): string {
  return named(group, `-${version}`);
}

function named(name: string, suffix: string): string {
  return `${name.slice(0, nameLengthMax - suffix.length).replace(/-+$/, '')}${suffix}`;
}

/** The memory that functions of a variant have now; null where nothing serves them. */
export type FunctionMemory = (endpoint: string, variant: string) => number | null;

export interface DerivedConfig extends DeployedConfig {
  readonly settings: PenstockSettings;
}

export function derivedConfig({ config, generation, updatedAtMs }: EndpointView, memoryOf: FunctionMemory): DerivedConfig {
  const { name, variants, objective, late, capture = null } = config;
  const document: EndpointConfigDocument = {
    ProductionVariants: variants.map((variant) => productionVariant(variant, memoryOf(name, variant.name))),
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

function productionVariant(variant: VariantConfig, memoryNow: number | null): ProductionVariant {
  const { name, group, version, weight, instanceCount, instanceType, functions } = variant;
  const named = { VariantName: name, ModelName: derivedModelName(group, version), InitialVariantWeight: weight };
  if (instanceCount > 0 || functions === undefined) return { ...named, InstanceType: instanceType, InitialInstanceCount: instanceCount };
  return { ...named, ServerlessConfig: serverlessConfig(functions, memoryNow) };
}

/** Functions as AWS's clients know them. */
export function serverlessConfig(
  { memoryMiB, maxConcurrency, provisioned }: NonNullable<VariantConfig['functions']>,
  memoryNow: number | null,
) {
  return {
    MemorySizeInMB: memoryMiB === 'auto' ? (memoryNow ?? memoryMiBUnchosen) : memoryMiB,
    MaxConcurrency: maxConcurrency,
    ...(provisioned === 0 ? {} : { ProvisionedConcurrency: provisioned }),
  };
}
