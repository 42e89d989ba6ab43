/** What computing costs: the price table, and what follows from it for one executor. */
import { PlatformError } from '../errors.ts';

export interface InstancePrice {
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly usdPerHour: number;
  readonly usdPerHourSpot?: number;
}

export interface FunctionPrices {
  /** The memory sizes a function may have, rising. */
  readonly memoryMiB: readonly number[];
  /** One GB-second is 1024 MiB for one second. */
  readonly usdPerGbSecond: number;
  readonly usdPerInvocation: number;
  /** An invocation is billed in multiples of this, the last one begun in full. */
  readonly billingGranularityMs: number;
  /** An environment that is kept warm costs this all the time, beside what its invocations cost. */
  readonly usdPerProvisionedGbSecond: number;
}

export interface PriceTable {
  /** The day the prices were read, `2026-11-01`. */
  readonly asOf: string;
  readonly instances: Readonly<Record<string, InstancePrice>>;
  readonly functions: FunctionPrices;
}

export interface InstanceType extends InstancePrice {
  readonly name: string;
}

/**
 * AWS list prices of us-east-1, on demand, Linux. `local.1`, the default, is one thread and 1 GiB of this machine at half the
 * price of a c5.large, which has two. The sizes of functions are Lambda's.
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

/** The default table with the parts that `config.json` gives in their place. Throws `invalid_request` for what it does not know. */
export function priceTable(overrides: Readonly<Record<string, unknown>> | null): PriceTable {
  if (overrides === null) return defaultPrices;
  const { asOf = defaultPrices.asOf, instances = {}, functions = {}, ...rest } = overrides;
  refuseUnknown('prices', rest);
  if (typeof asOf !== 'string') throw wrong('asOf', 'a date such as 2026-11-01', asOf);
  const given = Object.entries(objectAt('instances', instances)).map(
    ([name, price]) => [name, instancePrice(`instances.${name}`, price)] as const,
  );
  return {
    asOf,
    instances: { ...defaultPrices.instances, ...Object.fromEntries(given) },
    functions: functionPrices(objectAt('functions', functions)),
  };
}

/** Throws `invalid_request`, naming the types there are. */
export function instanceType(prices: Pick<PriceTable, 'instances'>, name: string): InstanceType {
  const price = Object.hasOwn(prices.instances, name) ? prices.instances[name] : undefined;
  if (price !== undefined) return { name, ...price };
  throw new PlatformError(
    'invalid_request',
    `unknown instance type ${JSON.stringify(name)}: known are ${Object.keys(prices.instances).join(', ')}; add others under prices in config.json, and restart the server`,
  );
}

/** How many threads a worker of this type gets on a machine of so many cores; at least one. */
export function threadsOf(type: Pick<InstancePrice, 'vcpu'>, cores: number): number {
  return Math.max(1, Math.floor(Math.min(type.vcpu, cores)));
}

/** How many cores of a machine are left beside workers of these types, one for each name; 0 where they have all or would have more. */
export function coresLeft(prices: Pick<PriceTable, 'instances'>, types: readonly string[], cores: number): number {
  return Math.max(
    0,
    types.reduce((left, type) => left - threadsOf(instanceType(prices, type), cores), cores),
  );
}

/**
 * What a worker of a type of less than one processor is held to; null where that is not possible (`isHeld` is `limits.cpu` of the
 * provider), and for all others, whose threads are their processors.
 */
export function heldVcpu({ vcpu }: Pick<InstancePrice, 'vcpu'>, isHeld: boolean): number | null {
  return isHeld && vcpu < 1 ? vcpu : null;
}

/** What so many milliseconds of an executor cost, in US dollars. */
export function executorUsd(usdPerHour: number, ms: number): number {
  return (usdPerHour * ms) / 3_600_000;
}

function instancePrice(where: string, given: unknown): InstancePrice {
  const { vcpu, memoryMiB, usdPerHour, usdPerHourSpot, ...rest } = objectAt(where, given);
  refuseUnknown(`prices.${where}`, rest);
  return {
    vcpu: positive(`${where}.vcpu`, vcpu),
    memoryMiB: positive(`${where}.memoryMiB`, memoryMiB),
    usdPerHour: price(`${where}.usdPerHour`, usdPerHour),
    ...(usdPerHourSpot === undefined ? {} : { usdPerHourSpot: price(`${where}.usdPerHourSpot`, usdPerHourSpot) }),
  };
}

function functionPrices(given: Readonly<Record<string, unknown>>): FunctionPrices {
  const { memoryMiB, usdPerGbSecond, usdPerInvocation, billingGranularityMs, usdPerProvisionedGbSecond, ...rest } = {
    ...defaultPrices.functions,
    ...given,
  };
  refuseUnknown('prices.functions', rest);
  if (!Array.isArray(memoryMiB) || memoryMiB.length === 0) throw wrong('functions.memoryMiB', 'a list of sizes', memoryMiB);
  return {
    memoryMiB: memoryMiB.map((size: unknown, index) => positive(`functions.memoryMiB[${index}]`, size)).sort((a, b) => a - b),
    usdPerGbSecond: price('functions.usdPerGbSecond', usdPerGbSecond),
    usdPerInvocation: price('functions.usdPerInvocation', usdPerInvocation),
    billingGranularityMs: positive('functions.billingGranularityMs', billingGranularityMs),
    usdPerProvisionedGbSecond: price('functions.usdPerProvisionedGbSecond', usdPerProvisionedGbSecond),
  };
}

function objectAt(where: string, given: unknown): Readonly<Record<string, unknown>> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrong(where, 'a JSON object', given);
  return given as Readonly<Record<string, unknown>>;
}

function positive(where: string, given: unknown): number {
  if (typeof given !== 'number' || !(given > 0) || !Number.isFinite(given)) throw wrong(where, 'a number above 0', given);
  return given;
}

function price(where: string, given: unknown): number {
  if (typeof given !== 'number' || !(given >= 0) || !Number.isFinite(given)) throw wrong(where, 'US dollars, 0 or more', given);
  return given;
}

function wrong(where: string, expected: string, given: unknown): PlatformError {
  return new PlatformError(
    'invalid_request',
    `prices.${where} in config.json: expected ${expected}, got ${JSON.stringify(given) ?? 'nothing'}`,
  );
}

function refuseUnknown(where: string, rest: Readonly<Record<string, unknown>>): void {
  const [name] = Object.keys(rest);
  if (name !== undefined) throw new PlatformError('invalid_request', `unknown setting ${where}.${name} in config.json: leave it out`);
}
