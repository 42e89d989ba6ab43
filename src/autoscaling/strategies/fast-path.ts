/** Between two plans: more instances, where the rate has outgrown those there are. Never fewer. */
import type { Plan } from './observation.ts';
import type { UsableType } from './usable-types.ts';

const shortLeadMs = 60_000;

/** By default only where it pays: instances that are there within a minute, or nothing else to take what they cannot. */
export function isFastWorth(leadMs: number, hasOverflow: boolean): boolean {
  return leadMs <= shortLeadMs || !hasOverflow;
}

export interface FastQuestion {
  /** Over the last 30 s. */
  readonly ratePerSecond: number;
  /** The utilisation from which on more are started: 1.3 with functions (what they take meanwhile is cheaper than an instance that is not needed), rho without. */
  readonly trigger: number;
  readonly types: readonly UsableType[];
  readonly hasOverflow: boolean;
}

export const triggerWithOverflow = 1.3;

/**
 * n' = ⌈rate / (trigger mu)⌉; what is missing is added of the type that gives it for the least money, of two alike the one that
 * starts sooner. null where nothing is missing, or none is running and functions take everything.
 */
export function fastPlan({ ratePerSecond, trigger, types, hasOverflow }: FastQuestion): Plan | null {
  const have = types.reduce((sum, type) => sum + type.have, 0);
  if (have === 0 && hasOverflow) return null;
  const missing = ratePerSecond / trigger - types.reduce((sum, type) => sum + type.have * type.ratePerSecond, 0);
  const offers = types.map((type) => ({ type, count: Math.ceil(missing / type.ratePerSecond - 1e-9) }));
  const [best] = offers.sort((a, b) => a.count * a.type.usdPerHour - b.count * b.type.usdPerHour || a.type.leadMs - b.type.leadMs);
  if (best === undefined || best.count <= 0) return null;
  return Object.fromEntries(types.map((type) => [type.name, type.have + (type === best.type ? best.count : 0)]));
}
