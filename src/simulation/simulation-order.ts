/** What is to be simulated, and what follows from it before anything happens. */
import { type FunctionsObservation, type Policy, policyLeadMs, priceFactorOf } from '../autoscaling/index.ts';
import { functionUsd } from '../costs/index.ts';
import type { FunctionsConfig, ScheduledFloor } from '../deployment/index.ts';
import type { Objective } from '../objective.ts';
import { capacityOf } from '../profiling/index.ts';
import type { FunctionSetting } from '../serving/index.ts';
import type { FleetType, Misfortune } from './fleet.ts';
import type { Load } from './load.ts';
import { functionOf, type SimulatedProfile, typeOf } from './profile.ts';
import { ServiceLaw, type ServiceQuantiles } from './service-law.ts';

/** Plain data: it can be kept, and sent to a thread. */
export interface SimulationOrder {
  readonly load: Load;
  /** As it is written: `hpa:70,window=300`. */
  readonly policy: string;
  readonly profile: SimulatedProfile;
  /** Instance types that may be used, in the order of preference, `c5.large:spot` among them; all of the profile unless given. */
  readonly types?: readonly string[];
  readonly objective: Objective;
  /** How long instances take to start; null: as the policy or the profile says, else two minutes. */
  readonly leadMs: number | null;
  /** Memory of the functions, where no policy chooses it. */
  readonly memoryMiB: number;
  /** At least so many, whatever the policy says; none unless given. */
  readonly instancesMin?: number;
  readonly instancesMax: number;
  /** `false`: there are no functions, whatever the policy would do with them. */
  readonly hasFunctions?: boolean;
  /** Functions alone, as a serverless endpoint has them under this setting; the policy scales nothing then. */
  readonly serverless?: Pick<FunctionSetting, 'memoryMiB' | 'batchSizeMax' | 'waitMsMax'>;
  /** Memory and batch size of functions are chosen as they go, as the platform does; else each takes one request at a time. */
  readonly choosesFunctions?: boolean;
  /** How many functions there may be, and how long they stay, where they are deployed already; else as many as are asked for. */
  readonly functions?: SimulatedFunctions;
  /** What all may cost in an hour of the clock; null, or left out: no limit. */
  readonly usdPerHourMax?: number | null;
  /** At least so many instances at these times of the day. */
  readonly floors?: readonly ScheduledFloor[];
  /** When it begins, in epoch milliseconds: hours and times of the day follow from it. Midnight unless given. */
  readonly beginsAtMs?: number;
  /** What the result is called; as its policy unless given. */
  readonly label?: string;
  /** Draws arrivals. */
  readonly seed: number;
  /** Draws service times. */
  readonly serviceSeed: number;
  readonly misfortune: Misfortune;
  /** Whether the policy is told of missed objectives, to make up for them. */
  readonly isCorrecting: boolean;
  /** How functions take what instances cannot; left out, as they do in the product. */
  readonly overflow?: { readonly overflowBatch?: number; readonly rescue?: boolean };
  /** By how much of itself a service time varies; 0.05 unless given. */
  readonly jitter?: number;
}

export interface SimulatedFunctions {
  /** So many environments at most. */
  readonly maxConcurrency: number;
  /** So many are always kept warm, and paid for by time. */
  readonly provisioned: number;
  readonly keepAliveMs: number;
  /** So many beside them may be kept warm for a while by pings. */
  readonly warmMax: number;
  /** The one size that may be chosen; any unless given. */
  readonly memoryMiB?: FunctionsConfig['memoryMiB'];
  /** How their batches are made; left out, as `choosesFunctions` says. */
  readonly batching?: FunctionsConfig['batching'];
}

const leadMsDefault = 120_000;

/** AWS keeps an idle environment for some ten minutes, and lets an account have a thousand. */
export const functionsUnlimited: Omit<SimulatedFunctions, 'warmMax'> = { maxConcurrency: 1000, provisioned: 0, keepAliveMs: 600_000 };

/** Whether there are functions under this policy, the order's own: beside instances, or alone. */
export function hasFunctions({ hasFunctions: mayHave }: SimulationOrder, policy: Policy): boolean {
  return policy.overflow && mayHave !== false;
}

/** Whether memory and batch size of its functions are chosen as they go. */
export function choosesFunctions(order: SimulationOrder, policy: Policy): boolean {
  return order.choosesFunctions === true && hasFunctions(order, policy) && policy.kind !== 'batch' && order.serverless === undefined;
}

/** The types that may be used, as this policy pays for them and waits for them. */
export function fleetTypes({ profile, types, leadMs, jitter, misfortune }: SimulationOrder, policy: Policy): FleetType[] {
  const lead = policy.kind === 'oracle' ? 0 : (leadMs ?? policyLeadMs(policy));
  const chosen = (types ?? profile.types.map(({ name }) => name)).map((name) => typeOf(profile, name));
  const hasSpot = chosen.some(({ onDemand }) => onDemand !== null);
  return chosen.map((type) => ({
    name: type.name,
    usdPerHour: type.usdPerHour * priceFactorOf(policy),
    leadMs: lead ?? type.leadMs ?? leadMsDefault,
    law: new ServiceLaw(type.service, jitter),
    interruptionsPerHour: hasSpot && type.onDemand === null ? 0 : misfortune.interruptionsPerHour,
    onDemand: type.onDemand,
  }));
}

/** c_f: one request in a call of its own. */
export function functionUsdEach(profile: SimulatedProfile, memoryMiB: number): number {
  const { service } = functionOf(profile, memoryMiB);
  return functionUsd(profile.functionPrices, memoryMiB, (service[0] as ServiceQuantiles).p50Ms);
}

export function functionsSeen({ functions, functionPrices }: SimulatedProfile): FunctionsObservation {
  const { usdPerGbSecond, usdPerInvocation } = functionPrices;
  const sizes = functions.map(({ memoryMiB, service }) => ({ memoryMiB, service: service.map(({ b, p50Ms }) => ({ b, ms: p50Ms })) }));
  return { sizes, usdPerGbSecond, usdPerInvocation };
}

/** Why instance types of an order cannot keep its objective, a sentence each. */
export function unfitTypes({ profile, types, objective }: Pick<SimulationOrder, 'profile' | 'types' | 'objective'>): string[] {
  return (types ?? profile.types.map(({ name }) => name)).flatMap((wished) => {
    const { name, usdPerHour, service } = typeOf(profile, wished);
    return capacityOf({ name, usdPerHour, service: new ServiceLaw(service).table }, objective, profile.overheadMs).infeasibleBecause ?? [];
  });
}
