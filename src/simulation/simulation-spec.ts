/** What to simulate, and values derived from it in advance. */
import { type FunctionsObservation, type Policy, policyLeadMs, priceFactorOf } from '../autoscaling/index.ts';
import { functionUsd } from '../costs/index.ts';
import type { FunctionsConfig, ScheduledFloor } from '../deployment/index.ts';
import type { Objective } from '../objective.ts';
import { typeCapacityOf } from '../profiling/index.ts';
import type { FunctionSetting } from '../serving/index.ts';
import type { Load } from './load/load.ts';
import type { FaultInjection, FleetType } from './simulated/fleet.ts';
import { functionOf, type SimulatedProfile, typeOf } from './simulated/profile.ts';
import { type ServiceQuantiles, SimulatedServiceLaw } from './simulated/service-law.ts';

/** Plain data: it can be stored, and sent to a thread. */
export interface SimulationSpec {
  readonly load: Load;
  /** As configured: `hpa:70,window=300`. */
  readonly policy: string;
  readonly profile: SimulatedProfile;
  /** Allowed instance types in order of preference, including `c5.large:spot`; default: all of the profile. */
  readonly types?: readonly string[];
  readonly objective: Objective;
  /** Start time of instances; null: that of the policy or the profile, else two minutes. */
  readonly leadMs: number | null;
  /** Memory of functions, if no policy chooses it. */
  readonly memoryMiB: number;
  /** Minimum number of instances, regardless of the policy; default none. */
  readonly instancesMin?: number;
  readonly instancesMax: number;
  /** `false`: there are no functions, regardless of the policy. */
  readonly hasFunctions?: boolean;
  /** Simulates a serverless endpoint: only functions with this setting, and the policy scales nothing. */
  readonly serverless?: Pick<FunctionSetting, 'memoryMiB' | 'batchSizeMax' | 'waitMsMax'>;
  /** Whether the memory and batch size of functions are chosen dynamically, as in production; else each call is one request. */
  readonly choosesFunctions?: boolean;
  /** Number and lifetime of functions, if already deployed; default: unlimited. */
  readonly functions?: SimulatedFunctions;
  /** Limit per clock hour for everything; null or absent: none. */
  readonly usdPerHourMax?: number | null;
  /** Minimum number of instances at certain times of day. */
  readonly floors?: readonly ScheduledFloor[];
  /** Start time in epoch milliseconds, which determines clock hours and times of day. Default: midnight. */
  readonly beginsAtMs?: number;
  /** Name of the result; default: its policy. */
  readonly label?: string;
  /** Seed of arrivals. */
  readonly seed: number;
  /** Seed of service times. */
  readonly serviceSeed: number;
  readonly faults: FaultInjection;
  /** Whether the policy reacts to missed objectives. */
  readonly isCorrecting: boolean;
  /** How functions take overflow; default: as in production. */
  readonly overflow?: { readonly overflowBatch?: number; readonly rescue?: boolean };
  /** Relative variation of service times; default 0.05. */
  readonly jitter?: number;
}

/** Settings of simulated functions. */
export interface SimulatedFunctions {
  /** Maximum number of environments. */
  readonly maxConcurrency: number;
  /** Number of environments that are always warm, billed by time. */
  readonly provisioned: number;
  readonly keepAliveMs: number;
  /** Additional environments that may be kept warm by pings. */
  readonly warmMax: number;
  /** The only allowed size; default any. */
  readonly memoryMiB?: FunctionsConfig['memoryMiB'];
  /** How functions form batches; default: according to `choosesFunctions`. */
  readonly batching?: FunctionsConfig['batching'];
}

const leadMsDefault = 120_000;

/** AWS keeps an idle environment for about ten minutes, and allows a thousand per account. */
export const functionsUnlimited: Omit<SimulatedFunctions, 'warmMax'> = { maxConcurrency: 1000, provisioned: 0, keepAliveMs: 600_000 };

/** Whether there are functions under this policy: alongside instances, or alone. */
export function hasFunctions({ hasFunctions: isAllowed }: SimulationSpec, policy: Policy): boolean {
  return policy.overflow && isAllowed !== false;
}

/** Whether the memory and batch size of functions are chosen dynamically. */
export function choosesFunctions(spec: SimulationSpec, policy: Policy): boolean {
  return spec.choosesFunctions === true && hasFunctions(spec, policy) && policy.kind !== 'batch' && spec.serverless === undefined;
}

/** The allowed types with the policy's price and start time. */
export function fleetTypes({ profile, types, leadMs, jitter, faults }: SimulationSpec, policy: Policy): FleetType[] {
  const lead = policy.kind === 'oracle' ? 0 : (leadMs ?? policyLeadMs(policy));
  const chosen = (types ?? profile.types.map(({ name }) => name)).map((name) => typeOf(profile, name));
  const hasSpot = chosen.some(({ onDemand }) => onDemand !== null);
  return chosen.map((type) => ({
    name: type.name,
    usdPerHour: type.usdPerHour * priceFactorOf(policy),
    leadMs: lead ?? type.leadMs ?? leadMsDefault,
    law: new SimulatedServiceLaw(type.service, jitter),
    interruptionsPerHour: hasSpot && type.onDemand === null ? 0 : faults.interruptionsPerHour,
    onDemand: type.onDemand,
  }));
}

/** c_f: the price of a function call with a single request. */
export function functionUsdEach(profile: SimulatedProfile, memoryMiB: number): number {
  const { service } = functionOf(profile, memoryMiB);
  return functionUsd(profile.functionPrices, memoryMiB, (service[0] as ServiceQuantiles).p50Ms);
}

/** Medians, because BATCH's formulas take one time per batch size. */
export function functionsObservation({ functions, functionPrices }: SimulatedProfile): FunctionsObservation {
  const { usdPerGbSecond, usdPerInvocation } = functionPrices;
  const sizes = functions.map(({ memoryMiB, service }) => ({ memoryMiB, service: service.map(({ b, p50Ms }) => ({ b, ms: p50Ms })) }));
  return { sizes, usdPerGbSecond, usdPerInvocation };
}

/** Explains why instance types cannot meet the objective: one sentence for each such type. */
export function unfitTypes({ profile, types, objective }: Pick<SimulationSpec, 'profile' | 'types' | 'objective'>): string[] {
  return (types ?? profile.types.map(({ name }) => name)).flatMap((requested) => {
    const { name, usdPerHour, service } = typeOf(profile, requested);
    return (
      typeCapacityOf({ name, usdPerHour, service: new SimulatedServiceLaw(service).table }, objective, profile.overheadMs)
        .infeasibleBecause ?? []
    );
  });
}
