/** Price table of instances and functions, and the cost of one executor. */
import { PlatformError } from '../errors.ts';

/** Size and list price of an instance type. */
export interface InstancePrice {
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly usdPerHour: number;
  readonly usdPerHourSpot?: number;
  /** True if workers of Python models get a share of a device of this machine (`accelerators.ts`). */
  readonly hasDevices?: boolean;
}

/** Prices of functions, after those of AWS Lambda. */
export interface FunctionPrices {
  /** Available memory sizes of functions, ascending. */
  readonly memoryMiB: readonly number[];
  /** One GB-second is 1024 MiB for one second. */
  readonly usdPerGbSecond: number;
  readonly usdPerInvocation: number;
  /** Invocations are billed in multiples of this, rounded up. */
  readonly billingGranularityMs: number;
  /** A provisioned environment costs this at all times, in addition to its invocations. */
  readonly usdPerProvisionedGbSecond: number;
}

/** All prices of a server. Nothing is billed: costs are computed from use. */
export interface PriceTable {
  /** Date of the prices, for example `2026-11-01`. */
  readonly asOf: string;
  readonly instances: Readonly<Record<string, InstancePrice>>;
  readonly functions: FunctionPrices;
}

/** A row of the table with its name. */
export interface InstanceType extends InstancePrice {
  readonly name: string;
}

/**
 * AWS list prices of us-east-1: on demand, Linux. `local.1`, the default type, is one thread and 1 GiB of this machine, at half the
 * price of a c5.large, which has two threads. Memory sizes of functions are those of Lambda.
 */
export const defaultPrices: PriceTable = {
  asOf: '2026-10-01',
  instances: {
    'local.1': { vcpu: 1, memoryMiB: 1024, usdPerHour: 0.0425 },
    'local.2': { vcpu: 2, memoryMiB: 2048, usdPerHour: 0.085 },
    'local.4': { vcpu: 4, memoryMiB: 4096, usdPerHour: 0.17 },
    't2.medium': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.0464 },
    'c5.large': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.085 },
    'c5.xlarge': { vcpu: 4, memoryMiB: 8192, usdPerHour: 0.17 },
    'c5.2xlarge': { vcpu: 8, memoryMiB: 16_384, usdPerHour: 0.34 },
    'm5.large': { vcpu: 2, memoryMiB: 8192, usdPerHour: 0.096 },
    'm5.xlarge': { vcpu: 4, memoryMiB: 16_384, usdPerHour: 0.192 },
    'g4dn.xlarge': { vcpu: 4, memoryMiB: 16_384, usdPerHour: 0.526 },
    'ml.t2.medium': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.056 },
    'ml.c5.large': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.102 },
    'ml.c5.xlarge': { vcpu: 4, memoryMiB: 8192, usdPerHour: 0.204 },
    'ml.c5.2xlarge': { vcpu: 8, memoryMiB: 16_384, usdPerHour: 0.408 },
    'ml.m5.large': { vcpu: 2, memoryMiB: 8192, usdPerHour: 0.115 },
    'ml.m5.xlarge': { vcpu: 4, memoryMiB: 16_384, usdPerHour: 0.23 },
    'ml.g4dn.xlarge': { vcpu: 4, memoryMiB: 16_384, usdPerHour: 0.7364 },
  },
  functions: {
    memoryMiB: [128, 256, 512, 1024, 1536, 1769, 2048, 3072, 4096, 5120, 6144, 7168, 8192, 9216, 10_240],
    usdPerGbSecond: 1.66667e-5,
    usdPerInvocation: 2e-7,
    billingGranularityMs: 1,
    usdPerProvisionedGbSecond: 4.1667e-6,
  },
};

/**
 * The default table merged with `prices` and `accelerators` of `config.json`. Throws `invalid_request` for unknown or invalid settings.
 */
export function priceTable(
  overrides: Readonly<Record<string, unknown>> | null,
  accelerators: Readonly<Record<string, InstancePrice>> = {},
): PriceTable {
  if (overrides === null && Object.keys(accelerators).length === 0) return defaultPrices;
  const { asOf = defaultPrices.asOf, instances = {}, functions = {}, ...rest } = overrides ?? {};
  rejectUnknown('prices', rest);
  if (typeof asOf !== 'string') throw wrong('asOf', 'a date such as 2026-11-01', asOf);
  const provided = Object.entries(objectAt('instances', instances)).map(
    ([name, price]) => [name, instancePrice(`instances.${name}`, price)] as const,
  );
  const devices = Object.entries(accelerators).map(
    ([name, { vcpu, memoryMiB, usdPerHour }]) => [name, { vcpu, memoryMiB, usdPerHour, hasDevices: true }] as const,
  );
  return {
    asOf,
    instances: { ...defaultPrices.instances, ...Object.fromEntries(provided), ...Object.fromEntries(devices) },
    functions: functionPrices(objectAt('functions', functions)),
  };
}

/** Looks up an instance type. Throws `invalid_request` with the known types if it does not exist. */
export function instanceType(prices: Pick<PriceTable, 'instances'>, name: string): InstanceType {
  const price = Object.hasOwn(prices.instances, name) ? prices.instances[name] : undefined;
  if (price !== undefined) return { name, ...price };
  throw new PlatformError(
    'invalid_request',
    `unknown instance type ${JSON.stringify(name)}: expected one of ${Object.keys(prices.instances).join(', ')}. Add others under prices in config.json, and restart the server`,
  );
}

/** Threads of a worker of this type on a machine with `cores`; at least one. */
export function threadsOf(type: Pick<InstancePrice, 'vcpu'>, cores: number): number {
  return Math.max(1, Math.floor(Math.min(type.vcpu, cores)));
}

/** Cores not used by one worker per listed type; never negative. */
export function remainingCores(prices: Pick<PriceTable, 'instances'>, types: readonly string[], cores: number): number {
  return Math.max(
    0,
    types.reduce((left, type) => left - threadsOf(instanceType(prices, type), cores), cores),
  );
}

/**
 * CPU limit of a worker whose type has less than one vCPU. null for larger types, which are limited by their number of threads.
 * Also null if CPU cannot be limited (`isHeld` is `limits.cpu` of the provider).
 */
export function heldVcpu({ vcpu }: Pick<InstancePrice, 'vcpu'>, isHeld: boolean): number | null {
  return isHeld && vcpu < 1 ? vcpu : null;
}

/** Cost of running an executor for `ms` milliseconds, US dollars. */
export function executorUsd(usdPerHour: number, ms: number): number {
  return (usdPerHour * ms) / 3_600_000;
}

function instancePrice(where: string, provided: unknown): InstancePrice {
  const { vcpu, memoryMiB, usdPerHour, usdPerHourSpot, ...rest } = objectAt(where, provided);
  rejectUnknown(`prices.${where}`, rest);
  return {
    vcpu: positive(`${where}.vcpu`, vcpu),
    memoryMiB: positive(`${where}.memoryMiB`, memoryMiB),
    usdPerHour: price(`${where}.usdPerHour`, usdPerHour),
    ...(usdPerHourSpot === undefined ? {} : { usdPerHourSpot: price(`${where}.usdPerHourSpot`, usdPerHourSpot) }),
  };
}

function functionPrices(provided: Readonly<Record<string, unknown>>): FunctionPrices {
  const { memoryMiB, usdPerGbSecond, usdPerInvocation, billingGranularityMs, usdPerProvisionedGbSecond, ...rest } = {
    ...defaultPrices.functions,
    ...provided,
  };
  rejectUnknown('prices.functions', rest);
  if (!Array.isArray(memoryMiB) || memoryMiB.length === 0) throw wrong('functions.memoryMiB', 'a list of sizes', memoryMiB);
  return {
    memoryMiB: memoryMiB.map((size: unknown, index) => positive(`functions.memoryMiB[${index}]`, size)).sort((a, b) => a - b),
    usdPerGbSecond: price('functions.usdPerGbSecond', usdPerGbSecond),
    usdPerInvocation: price('functions.usdPerInvocation', usdPerInvocation),
    billingGranularityMs: positive('functions.billingGranularityMs', billingGranularityMs),
    usdPerProvisionedGbSecond: price('functions.usdPerProvisionedGbSecond', usdPerProvisionedGbSecond),
  };
}

function objectAt(where: string, provided: unknown): Readonly<Record<string, unknown>> {
  if (typeof provided !== 'object' || provided === null || Array.isArray(provided)) throw wrong(where, 'a JSON object', provided);
  return provided as Readonly<Record<string, unknown>>;
}

function positive(where: string, provided: unknown): number {
  if (typeof provided !== 'number' || !(provided > 0) || !Number.isFinite(provided)) throw wrong(where, 'a number above 0', provided);
  return provided;
}

function price(where: string, provided: unknown): number {
  if (typeof provided !== 'number' || !(provided >= 0) || !Number.isFinite(provided)) throw wrong(where, 'US dollars, 0 or more', provided);
  return provided;
}

function wrong(where: string, expected: string, provided: unknown): PlatformError {
  return new PlatformError(
    'invalid_request',
    `prices.${where} in config.json: expected ${expected}, got ${JSON.stringify(provided) ?? 'nothing'}`,
  );
}

function rejectUnknown(where: string, rest: Readonly<Record<string, unknown>>): void {
  const [name] = Object.keys(rest);
  if (name !== undefined) throw new PlatformError('invalid_request', `unknown setting ${where}.${name} in config.json. Remove it`);
}

/** Recognises AWS instance types with an accelerator. */

const accelerated = /^(?:ml\.)?(?:g\d|p\d|dl\d|inf\d|trn\d)/;

/** Whether an AWS instance type (with or without `ml.`) has a GPU or another accelerator. */
export function isAccelerated(type: string): boolean {
  return accelerated.test(type);
}
