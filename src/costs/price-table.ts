/** What capacity costs. The defaults are list prices, dated; a user's own come from the configuration. */
import { PlatformError } from '../errors.ts';

export interface InstancePrice {
  readonly vcpu: number;
  readonly memoryMiB: number;
  readonly usdPerHour: number;
  readonly usdPerHourSpot?: number;
}

export interface PriceTable {
  /** The day these prices were read, `2026-11-01`. */
  readonly asOf: string;
  readonly instances: Readonly<Record<string, InstancePrice>>;
  readonly functions: {
    /** The sizes that are offered; any from the smallest to the largest may be asked for. */
    readonly memoryMiB: readonly number[];
    /** 1 billed GB-second is 1024 MiB for one second. */
    readonly usdPerGbSecond: number;
    readonly usdPerInvocation: number;
  };
}

/**
 * AWS list prices, us-east-1, Linux, on demand; `ml.*` are SageMaker's. `local.1` is one thread of this machine,
 * priced as half a c5.large, so that a laptop's figures can be compared with a cloud's.
 */
export const defaultPrices: PriceTable = {
  asOf: '2026-11-01',
  instances: {
    'local.1': { vcpu: 1, memoryMiB: 1024, usdPerHour: 0.0425 },
    'local.2': { vcpu: 2, memoryMiB: 2048, usdPerHour: 0.085 },
    'c5.large': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.085 },
    'c5.xlarge': { vcpu: 4, memoryMiB: 8192, usdPerHour: 0.17 },
    'c5.2xlarge': { vcpu: 8, memoryMiB: 16_384, usdPerHour: 0.34 },
    'm5.large': { vcpu: 2, memoryMiB: 8192, usdPerHour: 0.096 },
    'm5.xlarge': { vcpu: 4, memoryMiB: 16_384, usdPerHour: 0.192 },
    'ml.t2.medium': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.056 },
    'ml.c5.large': { vcpu: 2, memoryMiB: 4096, usdPerHour: 0.102 },
    'ml.c5.xlarge': { vcpu: 4, memoryMiB: 8192, usdPerHour: 0.204 },
    'ml.c5.2xlarge': { vcpu: 8, memoryMiB: 16_384, usdPerHour: 0.408 },
    'ml.m5.large': { vcpu: 2, memoryMiB: 8192, usdPerHour: 0.115 },
    'ml.m5.xlarge': { vcpu: 4, memoryMiB: 16_384, usdPerHour: 0.23 },
  },
  functions: { memoryMiB: [1024, 2048, 3072, 4096, 5120, 6144], usdPerGbSecond: 1.66667e-5, usdPerInvocation: 2e-7 },
};

export interface InstanceType extends InstancePrice {
  readonly name: string;
}

/** Throws `invalid_request` and lists the types there are. */
export function instanceType(prices: PriceTable, name: string): InstanceType {
  const price = Object.hasOwn(prices.instances, name) ? prices.instances[name] : undefined;
  if (price === undefined) {
    throw new PlatformError(
      'invalid_request',
      `instance type '${name.slice(0, 40)}' is not known: expected one of ${Object.keys(prices.instances).join(', ')}`,
    );
  }
  return { name, ...price };
}

/** How many threads an instance of the type gives a model here: its vCPUs, as far as this machine has cores. */
export function threadsOf(type: InstancePrice, cores: number): number {
  return Math.max(1, Math.min(type.vcpu, cores));
}

const msPerHour = 3_600_000;

/** What so many milliseconds of an executor cost. */
export function executorUsd(usdPerHour: number, ms: number): number {
  return (usdPerHour * ms) / msPerHour;
}
