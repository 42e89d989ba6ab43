/** How a variant is served today, in the words of a simulation. */
import { formatPolicy, parsePolicy } from '../autoscaling/index.ts';
import type { SimulatedProfile } from './profile.ts';
import type { SimulationOrder } from './simulation-order.ts';

export interface DeployedVariant {
  readonly scaling: { readonly policy: string; readonly instancesMin: number; readonly instancesMax: number } | null;
  readonly hasFunctions: boolean;
  /** Instances. */
  readonly wanted: number;
  /** What its functions go by now. */
  readonly setting: { readonly memoryMiB: number; readonly batchSizeMax: number; readonly waitMsMax: number | null } | null;
}

export type DeployedPolicy = Pick<SimulationOrder, 'policy' | 'label' | 'hasFunctions' | 'serverless' | 'instancesMin'> & {
  readonly instancesMax?: number;
};

export function deployedPolicy(
  { scaling, hasFunctions, wanted, setting }: DeployedVariant,
  profile: Pick<SimulatedProfile, 'functions'>,
): DeployedPolicy {
  if (scaling !== null) {
    const { instancesMin, instancesMax } = scaling;
    const { overflow, text } = parsePolicy(scaling.policy);
    const policy = hasFunctions && !overflow ? `${text}+overflow` : text;
    // The bounds tell it from a row of the same policy without them.
    const label = `deployed: ${formatPolicy(parsePolicy(policy))}, ${instancesMin} to ${instancesMax}`;
    return { policy, label, hasFunctions, instancesMin, instancesMax };
  }
  if (!hasFunctions) return { policy: `static:${wanted}`, label: `deployed: static:${wanted}` };
  if (wanted > 0) return { policy: `static:${wanted}+overflow`, label: `deployed: static:${wanted}+overflow` };
  const memoryMiB = knownMemory(profile, setting?.memoryMiB);
  const chosen = setting === null || memoryMiB === null ? null : { ...setting, memoryMiB };
  return { policy: 'static:0+overflow', label: 'deployed: functions', ...(chosen === null ? {} : { serverless: chosen }) };
}

/** null where the profile does not tell of it. */
export function knownMemory({ functions }: Pick<SimulatedProfile, 'functions'>, memoryMiB: number | undefined): number | null {
  return functions.some((size) => size.memoryMiB === memoryMiB) ? (memoryMiB as number) : null;
}
