/**
 * The synthetic profile `reference`: a model with 140 ms of work for one processor, on four instance types and on functions.
 * Service times are affine in the rows, s(b) = a + b·each, and equal at every quantile, so results can be checked by hand.
 */
import { type FunctionPrices, functionVcpu } from '../costs/index.ts';
import type { CapacityType, ServiceCurve } from './capacity.ts';

/** Service times that are affine in the rows: s(b) = a + b·each. */
export interface AffineTimes {
  readonly aMs: number;
  /** Additional time per row. */
  readonly eachMs: number;
  /** The largest batch. */
  readonly batchMax: number;
}

/** s(b) = a + b·each at every quantile. As in measured tables, a b above `batchMax` counts as `batchMax`. */
export function affineService({ aMs, eachMs, batchMax }: AffineTimes): ServiceCurve {
  const ms = (b: number): number => aMs + eachMs * Math.min(b, batchMax);
  return { batchMax, isKnown: true, medianMs: ms, quantileMs: (_q, b) => ms(b), plannedMs: (_q, b) => ms(b) };
}

const workMs = 140;
const fixedMs = 10;
const functionBatchMax = 32;
/** Parallel efficiency: v processors are as fast as v^0.93 ideal ones. */
const parallelExponent = 0.93;

const instances: readonly CapacityType[] = [
  { name: 'c5.large', usdPerHour: 0.085, service: affineService({ aMs: fixedMs, eachMs: 70, batchMax: 32 }) },
  { name: 'c5.xlarge', usdPerHour: 0.17, service: affineService({ aMs: fixedMs, eachMs: 36, batchMax: 32 }) },
  { name: 'c5.2xlarge', usdPerHour: 0.34, service: affineService({ aMs: fixedMs, eachMs: 20, batchMax: 32 }) },
  { name: 'g4dn.xlarge', usdPerHour: 0.526, service: affineService({ aMs: 12, eachMs: 2.5, batchMax: 64 }) },
];

/** Billed by the nanosecond, so results do not depend on rounding. The sizes have 1, 1.5, 2 and 3 processors. */
const functionPrices: FunctionPrices = {
  memoryMiB: [1769, 2654, 3538, 5307],
  usdPerGbSecond: 1.66667e-5,
  usdPerInvocation: 2e-7,
  billingGranularityMs: 1e-6,
  usdPerProvisionedGbSecond: 4.1667e-6,
};

/** A function with M MiB has v = M/1769 processors: s(b) = 10 + 140 b/e ms, e = v up to one processor and v^0.93 above. */
function functionService(memoryMiB: number): ServiceCurve {
  const vcpu = functionVcpu(memoryMiB);
  const speed = vcpu <= 1 ? vcpu : vcpu ** parallelExponent;
  return affineService({ aMs: fixedMs, eachMs: workMs / speed, batchMax: functionBatchMax });
}

/** For simulations and for tests of formulas; no model is needed. */
export const referenceProfile = {
  name: 'reference',
  /** d: overhead of the gateway and the network per request. */
  overheadMs: 5,
  instances,
  functionPrices,
  functionService,
} as const;
