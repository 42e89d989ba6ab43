/** Converts the current configuration of a variant to a simulation spec. */
import { formatPolicy, parsePolicy } from '../autoscaling/index.ts';
import type { FunctionsConfig, ScalingConfig } from '../deployment/index.ts';
import type { SimulatedProfile } from './simulated/profile.ts';
import type { SimulationSpec } from './simulation-spec.ts';

/** The deployed configuration of a variant. */
export interface DeployedVariant {
  readonly scaling: ScalingConfig | null;
  /** null: the variant has no functions. */
  readonly functions: Pick<FunctionsConfig, 'maxConcurrency' | 'provisioned' | 'keepAliveMs' | 'memoryMiB' | 'batching'> | null;
  /** Desired number of instances. */
  readonly wanted: number;
  /** Current memory and batch setting of the functions. */
  readonly setting: { readonly memoryMiB: number; readonly batchSizeMax: number; readonly waitMsMax: number | null } | null;
}

type PolicyFields =
  | 'policy'
  | 'label'
  | 'hasFunctions'
  | 'serverless'
  | 'functions'
  | 'choosesFunctions'
  | 'instancesMin'
  | 'usdPerHourMax'
  | 'floors';

/** The fields of a simulation spec that describe a deployed policy. */
export type DeployedPolicy = Pick<SimulationSpec, PolicyFields> & { readonly instancesMax?: number };

/** `cores`: CPU cores of the variant's server, which its functions share. */
export function deployedPolicy(
  variant: DeployedVariant,
  { profile, cores }: { readonly profile: Pick<SimulatedProfile, 'functions'>; readonly cores: number },
): DeployedPolicy {
  const { functions } = variant;
  const policy = policyOf(variant, profile);
  if (functions === null) return policy;
  const { maxConcurrency, provisioned, keepAliveMs, batching } = functions;
  const memoryMiB = functions.memoryMiB === 'auto' ? 'auto' : (profiledMemory(profile, functions.memoryMiB) ?? 'auto');
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
    // The limits in the label distinguish this row from one of the same policy without limits.
    const label = `deployed: ${formatPolicy(parsePolicy(policy))}, ${instancesMin} to ${instancesMax}`;
    return { policy, label, hasFunctions, instancesMin, instancesMax, usdPerHourMax, ...(floors === undefined ? {} : { floors }) };
  }
  if (!hasFunctions) return { policy: `static:${wanted}`, label: `deployed: static:${wanted}` };
  if (wanted > 0) return { policy: `static:${wanted}+overflow`, label: `deployed: static:${wanted}+overflow` };
  const memoryMiB = profiledMemory(profile, setting?.memoryMiB);
  const chosen = setting === null || memoryMiB === null ? null : { ...setting, memoryMiB };
  return { policy: 'static:0+overflow', label: 'deployed: functions', ...(chosen === null ? {} : { serverless: chosen }) };
}

/** Start times observed on this variant; null if not observed. */
export interface ObservedStarts {
  readonly leadMs: number | null;
  readonly coldMs: number | null;
}

/** Replaces the profile's start times, which were measured on an idle machine, by observed ones. */
export function withObservedStarts(profile: SimulatedProfile, { leadMs, coldMs }: ObservedStarts): SimulatedProfile {
  return {
    ...profile,
    types: profile.types.map((type) => ({ ...type, leadMs: leadMs ?? type.leadMs })),
    functions: profile.functions.map((size) => ({ ...size, coldMs: coldMs ?? size.coldMs })),
  };
}

/** Returns `memoryMiB` if the profile has a function of this size, else null. */
export function profiledMemory({ functions }: Pick<SimulatedProfile, 'functions'>, memoryMiB: number | undefined): number | null {
  return functions.some((size) => size.memoryMiB === memoryMiB) ? (memoryMiB as number) : null;
}
