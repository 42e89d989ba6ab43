/** The config of an endpoint and its validation. Pure. */

import { type CaptureConfig, checkCapture } from '../../data-quality/index.ts';
import { PlatformError } from '../../errors.ts';
import { checkFields, endpointFields, type FieldValues, instanceTypeDefault, variantFields } from '../../fields/index.ts';
import { nameKey } from '../../names.ts';
import { checkName, checkObjective, type Objective } from '../../objective.ts';
import { checkFunctions, type FunctionsConfig } from './functions-config.ts';
import { checkLadder, type LadderConfig } from './ladder-config.ts';
import { checkScaling, desiredInstances, type ScalingConfig } from './scaling-config.ts';

/** The config of a variant: the settings of `variantFields`, with the model that it serves and how its workers scale. */
export interface VariantConfig extends FieldValues<typeof variantFields> {
  /** Default: `AllTraffic`. */
  readonly name: string;
  readonly group: string;
  readonly version: number;
  /** Receives copies of requests, whose answers are discarded; see `shadowShare`. Absent: the variant answers requests. */
  readonly isShadow?: true;
  /** The requested type, if it is not configured and `instanceType` replaces it. */
  readonly instanceTypeAsked?: string;
  /**
   * Functions, started and stopped on demand. Without instances the variant is serverless; with instances, functions take
   * the requests that those cannot finish in time.
   */
  readonly functions?: FunctionsConfig;
  /** Scales the number of instances with the load. */
  readonly scaling?: ScalingConfig;
  /** The plans of a selection, whose contract is the signature of the version. Absent: the version answers. */
  readonly ladder?: LadderConfig;
  /** The version of the shadow, if workers load it too and run it in idle time. Absent: a shadow has workers of its own. */
  readonly shadowModel?: string;
}

/** What a user requests of an endpoint. Stored as JSON in its row; every change of it is a new generation. */
export interface EndpointConfig extends FieldValues<typeof endpointFields> {
  readonly name: string;
  readonly variants: readonly VariantConfig[];
  readonly objective: Objective | null;
  /** Capture of calls; null or absent: off. */
  readonly capture?: CaptureConfig | null;
}

/** Without scaling, the current number of instances is fixed, at least 1, because nothing would start one again. */
export function withCounts({ scaling: before, ...variant }: VariantConfig, scaling: ScalingConfig | null, wanted: number): VariantConfig {
  if (scaling !== null) return { ...variant, scaling };
  return before === undefined ? variant : { ...variant, instanceCount: Math.max(1, wanted) };
}

/** The config with the current number of instances of each scaling variant. */
export function withDesiredCounts(config: EndpointConfig, decided: ReadonlyMap<string, number> | undefined): EndpointConfig {
  const variants = config.variants.map((each) => ({ ...each, instanceCount: desiredInstances(each, decided?.get(nameKey(each.name))) }));
  return { ...config, variants };
}

/** The variants that answer requests: all but shadows. */
export function productionVariants<Variant extends Pick<VariantConfig, 'isShadow'>>(variants: readonly Variant[]): readonly Variant[] {
  return variants.filter(({ isShadow }) => isShadow !== true);
}

/** The share of requests that a shadow receives a copy of: its weight divided by that of the production variants, at most 1. */
export function shadowShare({ weight }: VariantConfig, variants: readonly VariantConfig[]): number {
  const total = productionVariants(variants).reduce((sum, each) => sum + each.weight, 0);
  return total === 0 ? 0 : Math.min(1, weight / total);
}

/** The distinct versions that answer requests, such as `digits/3`. */
export function modelsOf({ variants }: Pick<EndpointConfig, 'variants'>): string[] {
  return [...new Set(productionVariants(variants).map(({ group, version }) => `${group}/${version}`))];
}

/** The name that SageMaker's examples give to an only variant, so unmodified scripts find it. */
export const variantNameDefault = 'AllTraffic';
/** Timeout of requests to endpoints that set none, in milliseconds. */
export const endpointTimeoutMsDefault = endpointFields.timeoutMs.default;

const variantsMax = 10;
const descriptionLengthMax = 1024;

/**
 * Returns the config if it is valid. Approval of versions and instance types are checked elsewhere. `functionSizesMiB` are
 * the memory sizes of the price table. Throws `invalid_request`.
 */
export function checkConfig(config: EndpointConfig, functionSizesMiB: readonly number[]): EndpointConfig {
  checkName('endpoint', config.name);
  const { variants, objective, description = '' } = config;
  if (variants.length === 0 || variants.length > variantsMax) {
    throw invalid(`endpoint ${config.name}: expected 1 to ${variantsMax} variants, got ${variants.length}`);
  }
  for (const variant of variants) {
    checkVariant(variant);
    checkCapacity(variant);
    if (variant.scaling !== undefined) checkScaling(`variant ${variant.name}`, variant.scaling, variant);
    if (variant.ladder !== undefined) checkLadder(variant.name, variant.ladder);
    if (variant.functions !== undefined) checkFunctions(`variant ${variant.name}`, variant.functions, config, functionSizesMiB);
  }
  const names = variants.map((variant) => variant.name.toLowerCase());
  const duplicate = variants.find((_, index) => names.indexOf(names[index] as string) !== index);
  if (duplicate !== undefined) throw invalid(`duplicate variant name '${duplicate.name}': names are case-insensitive`);
  checkShadow(config);
  if (!productionVariants(variants).some((variant) => variant.weight > 0))
    throw invalid('all variants have weight 0: at least one needs a weight above 0');
  if (objective !== null) checkObjective(objective);
  if (config.capture !== undefined && config.capture !== null) checkCapture(config.capture);
  checkFields('', endpointFields, config);
  if (description.length > descriptionLengthMax) {
    throw invalid(`the description is too long: expected at most ${descriptionLengthMax} characters, got ${description.length}`);
  }
  return config;
}

/** As on SageMaker: copies of several production variants could not be told apart. */
function checkShadow({ name, variants }: EndpointConfig): void {
  const production = productionVariants(variants).length;
  const shadows = variants.length - production;
  if (shadows === 0 || (shadows === 1 && production === 1)) return;
  throw invalid(`endpoint ${name}: a shadow variant requires exactly 1 production variant and 1 shadow, got ${production} and ${shadows}`);
}

function checkVariant(variant: VariantConfig): void {
  checkName('variant', variant.name);
  checkName('group', variant.group);
  const { name, version } = variant;
  if (!Number.isInteger(version) || version < 1) throw invalid(`variant ${name}: expected a version number from 1, got ${version}`);
  checkFields(`variant ${name}: `, variantFields, variant);
}

function checkCapacity({ name, instanceCount, instanceType, functions }: VariantConfig): void {
  if (functions !== undefined && instanceCount === 0) {
    if (instanceType !== instanceTypeDefault) {
      throw invalid(`variant ${name}: functions have a memory size, not an instance type: leave out ${instanceType}`);
    }
    if ((functions.usdPerHourMax ?? null) !== null) {
      throw invalid(
        `variant ${name}: a functions budget requires instances, but the variant is serverless and could not serve once the budget is spent: ` +
          'leave out the budget, or add instances',
      );
    }
    return;
  }
  if (instanceCount === 0) {
    throw invalid(
      `variant ${name}: expected at least 1 instance, got 0: add functions to make it serverless; ` +
        'to stop an endpoint and retain its settings, unload it',
    );
  }
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
