/** How a variant is served today, in the words of a simulation. */
import { formatPolicy, parsePolicy } from '../autoscaling/index.ts';
import type { FunctionsConfig, ScalingConfig } from '../deployment/index.ts';
import type { SimulatedProfile } from './profile.ts';
import type { SimulationOrder } from './simulation-order.ts';

export interface DeployedVariant {
  readonly scaling: ScalingConfig | null;
  /** null: it has none. */
  readonly functions: Pick<FunctionsConfig, 'maxConcurrency' | 'provisioned' | 'keepAliveMs' | 'memoryMiB' | 'batching'> | null;
  /** Instances. */
  readonly wanted: number;
  /** What its functions go by now. */
  readonly setting: { readonly memoryMiB: number; readonly batchSizeMax: number; readonly waitMsMax: number | null } | null;
}

type Told =
  | 'policy'
  | 'label'
  | 'hasFunctions'
  | 'serverless'
  | 'functions'
  | 'choosesFunctions'
  | 'instancesMin'
  | 'usdPerHourMax'
  | 'floors';

export type DeployedPolicy = Pick<SimulationOrder, Told> & { readonly instancesMax?: number };

/** `cores` are those of its server, on which its functions run. */
export function deployedPolicy(
  variant: DeployedVariant,
  { profile, cores }: { readonly profile: Pick<SimulatedProfile, 'functions'>; readonly cores: number },
): DeployedPolicy {
  const { functions } = variant;
  const policy = policyOf(variant, profile);
  if (functions === null) return policy;
  const { maxConcurrency, provisioned, keepAliveMs, batching } = functions;
  const memoryMiB = functions.memoryMiB === 'auto' ? 'auto' : (knownMemory(profile, functions.memoryMiB) ?? 'auto');
  const warmMax = Math.min(maxConcurrency, cores);
  return {
    ...policy,
    functions: { maxConcurrency, provisioned, keepAliveMs, warmMax, memoryMiB, batching },
    choosesFunctions: batching.kind !== 'none' && batching.kind !== 'fixed',
  };
}

function policyOf({ scaling, functions, wanted, setting }: DeployedVariant, profile: Pick<SimulatedProfile, 'functions'>): DeployedPolicy {
  const hasFunctions = functions !== null;
  if (scaling !== null) {
    const { instancesMin, instancesMax, usdPerHourMax, floors } = scaling;
    const { overflow, text } = parsePolicy(scaling.policy);
    const policy = hasFunctions && !overflow ? `${text}+overflow` : text;
    // The bounds tell it from a row of the same policy without them.
    const label = `deployed: ${formatPolicy(parsePolicy(policy))}, ${instancesMin} to ${instancesMax}`;
    return { policy, label, hasFunctions, instancesMin, instancesMax, usdPerHourMax, ...(floors === undefined ? {} : { floors }) };
  }
  if (!hasFunctions) return { policy: `static:${wanted}`, label: `deployed: static:${wanted}` };
  if (wanted > 0) return { policy: `static:${wanted}+overflow`, label: `deployed: static:${wanted}+overflow` };
  const memoryMiB = knownMemory(profile, setting?.memoryMiB);
  const chosen = setting === null || memoryMiB === null ? null : { ...setting, memoryMiB };
  return { policy: 'static:0+overflow', label: 'deployed: functions', ...(chosen === null ? {} : { serverless: chosen }) };
}

/** How long its instances and functions were seen to take to start; null for what was not seen. */
export interface SeenStarts {
  readonly leadMs: number | null;
  readonly coldMs: number | null;
}

/** The profile with these starts in place of those that were measured on a machine with nothing else to do. */
export function withStarts(profile: SimulatedProfile, { leadMs, coldMs }: SeenStarts): SimulatedProfile {
  return {
    ...profile,
    types: profile.types.map((type) => ({ ...type, leadMs: leadMs ?? type.leadMs })),
    functions: profile.functions.map((size) => ({ ...size, coldMs: coldMs ?? size.coldMs })),
  };
}

/** null where the profile does not tell of it. */
export function knownMemory({ functions }: Pick<SimulatedProfile, 'functions'>, memoryMiB: number | undefined): number | null {
  return functions.some((size) => size.memoryMiB === memoryMiB) ? (memoryMiB as number) : null;
}
