/** The instance types that a plan can use, with the capacity and cost of one instance per slot. */
import type { Observation, Plan, TypeObservation } from '../observation.ts';

/** An instance type with measured capacity that can be planned with. */
export interface UsableType {
  readonly name: string;
  readonly batchSize: number;
  /** mu in requests per second, or mu_eff for a spot type; above 0. */
  readonly ratePerSecond: number;
  readonly usdPerHour: number;
  readonly usdPerSlot: number;
  readonly leadMs: number;
  /** Number of instances including launching ones, without draining ones. */
  readonly have: number;
  readonly active: number;
  readonly launching: number;
}

/** Types that meet the objective, and why the others do not. */
export interface Usable {
  readonly types: readonly UsableType[];
  /** Why the other types are excluded, one sentence each. */
  readonly excluded: readonly string[];
}

/** `priceFactor`: price of the policy's instances relative to the list price. */
export function usableTypes({ types, slotMs }: Pick<Observation, 'types' | 'slotMs'>, priceFactor = 1): Usable {
  const excluded: string[] = [];
  const usable: UsableType[] = [];
  for (const type of types) {
    const { name, batchSize, ratePerSecond, leadMs, active, launching } = type;
    const usdPerHour = type.usdPerHour * priceFactor;
    if (!type.isFeasible) excluded.push(type.infeasibleBecause ?? `type ${name} cannot meet the objective`);
    else if (ratePerSecond === 0) excluded.push(`type ${name}: its service time is not measured yet`);
    else {
      const usdPerSlot = (usdPerHour * slotMs) / 3_600_000;
      usable.push({ name, batchSize, ratePerSecond, usdPerHour, usdPerSlot, leadMs, have: active + launching, active, launching });
    }
  }
  return { types: usable, excluded };
}

/** All types, for policies that do not need the throughput of an instance. */
export function everyType({ types, slotMs }: Pick<Observation, 'types' | 'slotMs'>): Usable {
  const all = types.map(({ name, batchSize, ratePerSecond, usdPerHour, leadMs, active, launching }): UsableType => {
    const usdPerSlot = (usdPerHour * slotMs) / 3_600_000;
    return { name, batchSize, ratePerSecond, usdPerHour, usdPerSlot, leadMs, have: active + launching, active, launching };
  });
  return { types: all, excluded: [] };
}

/** The current instances of every type, usable or not. */
export function currentPlan(types: readonly TypeObservation[]): Plan {
  return Object.fromEntries(types.map(({ name, active, launching }) => [name, active + launching]));
}

/** A plan with one type only. */
export function planOf(types: readonly { readonly name: string }[], name: string, count: number): Plan {
  return Object.fromEntries(types.map((type) => [type.name, type.name === name ? count : 0]));
}
