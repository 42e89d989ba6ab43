/** Decisions between two plans: adds instances if the rate exceeds the current capacity, and never removes any. */
import type { Plan } from './observation.ts';
import type { UsableType } from './plans/usable-types.ts';

const shortLeadMs = 60_000;

/** The default: adding instances between plans pays off if they start within a minute or there are no functions. */
export function isFastWorth(leadMs: number, hasOverflow: boolean): boolean {
  return leadMs <= shortLeadMs || !hasOverflow;
}

/** Current rate and capacity. */
export interface FastPathQuery {
  /** Requests per second over the last 30 s. */
  readonly ratePerSecond: number;
  /**
   * Utilisation above which instances are added. With functions 1.3, because they are cheaper for a while than an unneeded
   * instance; without functions rho.
   */
  readonly trigger: number;
  readonly types: readonly UsableType[];
  readonly hasOverflow: boolean;
}

/** Utilisation above which instances are added if there are functions. */
export const triggerWithOverflow = 1.3;

/**
 * n' = ⌈rate / (trigger mu)⌉. Missing instances are of the type that provides the capacity at the lowest price; at equal price,
 * of the type that starts sooner. null if nothing is missing, or if no instance is running and functions serve all requests.
 */
export function fastPlan({ ratePerSecond, trigger, types, hasOverflow }: FastPathQuery): Plan | null {
  const have = types.reduce((sum, type) => sum + type.have, 0);
  if (have === 0 && hasOverflow) return null;
  const missing = ratePerSecond / trigger - types.reduce((sum, type) => sum + type.have * type.ratePerSecond, 0);
  const offers = types.map((type) => ({ type, count: Math.ceil(missing / type.ratePerSecond - 1e-9) }));
  const [best] = offers.sort((a, b) => a.count * a.type.usdPerHour - b.count * b.type.usdPerHour || a.type.leadMs - b.type.leadMs);
  if (best === undefined || best.count <= 0) return null;
  return Object.fromEntries(types.map((type) => [type.name, type.have + (type === best.type ? best.count : 0)]));
}
