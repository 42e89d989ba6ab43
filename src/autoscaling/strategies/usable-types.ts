/** The instance types that a plan may use, each with what one of it carries and costs in a slot. */
import type { Observation, Plan, TypeObservation } from './observation.ts';
import { spotRate } from './spot.ts';

export interface UsableType {
  readonly name: string;
  readonly batchSize: number;
  /** mu, or mu_eff of a spot type; above 0. */
  readonly ratePerSecond: number;
  readonly usdPerHour: number;
  readonly usdPerSlot: number;
  readonly leadMs: number;
  /** Launching ones included, draining ones not. */
  readonly have: number;
  readonly active: number;
  readonly launching: number;
}

export interface Usable {
  readonly types: readonly UsableType[];
  /** Why the others are left out, a sentence each. */
  readonly excluded: readonly string[];
}

/** `priceFactor` is what a strategy's instances cost more than the list says. */
export function usableTypes({ types, slotMs }: Pick<Observation, 'types' | 'slotMs'>, priceFactor = 1): Usable {
  const excluded: string[] = [];
  const usable: UsableType[] = [];
  for (const type of types) {
    const { name, batchSize, spot, leadMs, active, launching } = type;
    const ratePerSecond =
      spot === undefined ? type.ratePerSecond : spotRate(type.ratePerSecond, spot.interruptionsPerHour, spot.recoveryMs);
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

/** For policies that do without knowing how fast an instance is: all types. */
export function everyType({ types, slotMs }: Pick<Observation, 'types' | 'slotMs'>): Usable {
  const all = types.map(({ name, batchSize, ratePerSecond, usdPerHour, leadMs, active, launching }): UsableType => {
    const usdPerSlot = (usdPerHour * slotMs) / 3_600_000;
    return { name, batchSize, ratePerSecond, usdPerHour, usdPerSlot, leadMs, have: active + launching, active, launching };
  });
  return { types: all, excluded: [] };
}

/** What there is of every type, usable or not. */
export function currentPlan(types: readonly TypeObservation[]): Plan {
  return Object.fromEntries(types.map(({ name, active, launching }) => [name, active + launching]));
}

/** A plan of one type alone; nothing of the others. */
export function planOf(types: readonly { readonly name: string }[], name: string, count: number): Plan {
  return Object.fromEntries(types.map((type) => [type.name, type.name === name ? count : 0]));
}
