/** What a user wants an endpoint to be. Pure. */
import { PlatformError } from '../errors.ts';
import { type CaptureConfig, checkCapture } from '../monitoring/index.ts';
import { checkName, checkObjective, type Objective } from '../objective.ts';
import { keyOf } from '../registry/index.ts';
import { checkFunctions, type FunctionsConfig } from './functions-config.ts';
import { checkScaling, instanceCountMax, type ScalingConfig, wantedInstances } from './scaling-config.ts';

export interface VariantConfig {
  /** `AllTraffic` where there is only one. */
  readonly name: string;
  readonly group: string;
  readonly version: number;
  /** The variant's share of the traffic is its weight by the sum of all. */
  readonly weight: number;
  /** Always on; 0 for a serverless variant, and for no other. With `scaling` it is how many there are to begin with. */
  readonly instanceCount: number;
  readonly instanceType: string;
  /** The type that was asked for, where it is not configured and `instanceType` stands for it. */
  readonly instanceTypeAsked?: string;
  /**
   * Functions, started as requests come and ended when none do. Without instances they run the variant, which is then
   * serverless; beside instances they run what those cannot finish in time.
   */
  readonly functions?: FunctionsConfig;
  /** The number of instances follows the load. */
  readonly scaling?: ScalingConfig;
  /** Within which a worker of a model that is a process must answer its health check; 4 minutes unless given. */
  readonly startTimeoutMs?: number;
  /** Within which its archive must be unpacked before that; 10 minutes unless given. */
  readonly unpackTimeoutMs?: number;
}

export interface EndpointConfig {
  readonly name: string;
  readonly variants: readonly VariantConfig[];
  readonly objective: Objective | null;
  /** What becomes of a request that nobody can finish by its objective: it waits, or it is refused at once. */
  readonly late: 'serve' | 'shed';
  /** A request that is not answered by then is given up. */
  readonly timeoutMs: number;
  readonly description?: string;
  /** What of its calls is kept; null, or nothing said, where nothing is. */
  readonly capture?: CaptureConfig | null;
}

/** A field that is not given stays as it is; variants are given whole. */
export type EndpointChange = Partial<Omit<EndpointConfig, 'name'>>;

/** A field given as undefined is a field not given. */
export function changedBy(change: EndpointChange, config: EndpointConfig): EndpointConfig {
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  return { ...config, ...given, name: config.name };
}

/** Where it scales no more it keeps as many as are wanted, but for none: then one, as nobody would start one again. */
export function scaledBy({ scaling: before, ...variant }: VariantConfig, scaling: ScalingConfig | null, wanted: number): VariantConfig {
  if (scaling !== null) return { ...variant, scaling };
  return before === undefined ? variant : { ...variant, instanceCount: Math.max(1, wanted) };
}

/** With as many instances of each variant as are wanted, where that follows its load too. */
export function withWanted(config: EndpointConfig, decided: ReadonlyMap<string, number> | undefined): EndpointConfig {
  const variants = config.variants.map((each) => ({ ...each, instanceCount: wantedInstances(each, decided?.get(keyOf(each.name))) }));
  return { ...config, variants };
}

/** The versions that it names, such as `digits/3`, each once. */
export function modelsOf({ variants }: Pick<EndpointConfig, 'variants'>): string[] {
  return [...new Set(variants.map(({ group, version }) => `${group}/${version}`))];
}

export const variantNameDefault = 'AllTraffic';
export const instanceTypeDefault = 'local.1';
export const timeoutMsDefault = 60_000;

const variantsMax = 10;
const timeoutMsMax = 3_600_000;
const workerTimeoutMsMin = 1_000;
const workerTimeoutMsMax = 3_600_000;
const descriptionLengthMax = 1024;

/**
 * The config itself where it can be deployed. Whether its versions are Approved and its instance types known is for
 * others to say. `functionSizesMiB` are the memory sizes that the price table lists. Throws `invalid_request`.
 */
export function checkConfig(config: EndpointConfig, functionSizesMiB: readonly number[]): EndpointConfig {
  checkName('endpoint', config.name);
  const { variants, objective, late, timeoutMs, description = '' } = config;
  if (variants.length === 0 || variants.length > variantsMax) {
    throw invalid(`endpoint ${config.name}: expected 1 to ${variantsMax} variants, got ${variants.length}`);
  }
  for (const variant of variants) {
    checkVariant(variant);
    checkCapacity(variant);
    if (variant.scaling !== undefined) checkScaling(`variant ${variant.name}`, variant.scaling, variant);
    if (variant.functions !== undefined) checkFunctions(`variant ${variant.name}`, variant.functions, config, functionSizesMiB);
  }
  const names = variants.map((variant) => variant.name.toLowerCase());
  const twice = variants.find((_, index) => names.indexOf(names[index] as string) !== index);
  if (twice !== undefined) throw invalid(`variant name '${twice.name}' is given twice: names are unique without case`);
  if (!variants.some((variant) => variant.weight > 0)) throw invalid('all variants have weight 0: at least one needs a weight above 0');
  if (objective !== null) checkObjective(objective);
  if (config.capture !== undefined && config.capture !== null) checkCapture(config.capture);
  if (late !== 'serve' && late !== 'shed') throw invalid(`late is 'serve' or 'shed', got '${String(late)}'`);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > timeoutMsMax) {
    throw invalid(`the timeout is 1 to ${timeoutMsMax} whole milliseconds, got ${timeoutMs}`);
  }
  if (description.length > descriptionLengthMax) {
    throw invalid(`the description has ${description.length} characters, at most ${descriptionLengthMax} are allowed`);
  }
  return config;
}

function checkVariant(variant: VariantConfig): void {
  checkName('variant', variant.name);
  checkName('group', variant.group);
  const { name, version, weight } = variant;
  if (!Number.isInteger(version) || version < 1) throw invalid(`variant ${name}: a version is a whole number from 1, got ${version}`);
  if (!Number.isFinite(weight) || weight < 0) throw invalid(`variant ${name}: a weight is a number of 0 or more, got ${weight}`);
  checkWorkerTimeout(name, 'start', variant.startTimeoutMs);
  checkWorkerTimeout(name, 'unpack', variant.unpackTimeoutMs);
}

function checkWorkerTimeout(variant: string, what: string, ms = workerTimeoutMsMin): void {
  if (Number.isInteger(ms) && ms >= workerTimeoutMsMin && ms <= workerTimeoutMsMax) return;
  throw invalid(`variant ${variant}: the time to ${what} is ${workerTimeoutMsMin} to ${workerTimeoutMsMax} whole milliseconds, got ${ms}`);
}

function checkCapacity({ name, instanceCount, instanceType, functions }: VariantConfig): void {
  if (functions !== undefined && instanceCount === 0) {
    if (instanceType !== instanceTypeDefault) {
      throw invalid(`variant ${name}: functions have a memory size and no instance type: leave out ${instanceType}`);
    }
    if ((functions.usdPerHourMax ?? null) !== null) {
      throw invalid(
        `variant ${name}: a budget is for functions beside instances, and it is serverless: once that were spent nobody could serve; ` +
          'leave out the budget, or give it instances',
      );
    }
    return;
  }
  if (instanceCount === 0) {
    throw invalid(
      `variant ${name}: 0 instances could serve nobody: give it functions to make it serverless; ` +
        'to stop an endpoint and keep its settings, unload it',
    );
  }
  if (!Number.isInteger(instanceCount) || instanceCount < 1 || instanceCount > instanceCountMax) {
    throw invalid(`variant ${name}: the instance count is 1 to ${instanceCountMax}, got ${instanceCount}`);
  }
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
