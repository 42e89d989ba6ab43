/** Rejects observations with an invalid configuration before a decision is made. */
import { PlatformError } from '../../errors.ts';
import type { Observation, ScalingLimits, TypeObservation } from './observation.ts';

/** Highest maximum number of instances that can be configured. */
export const instancesMaxMost = 1000;

/**
 * Throws `invalid_request` for an invalid configuration. Invalid measurements are not an error: strategies use the valid ones.
 */
export function checkObservation({ types, limits, slotMs, overflow }: Observation): void {
  if (!(slotMs > 0 && slotMs <= 86_400_000)) throw wrong(`invalid slot length: expected above 0 ms and at most a day, got ${slotMs}`);
  checkLimits(limits);
  const names = new Set<string>();
  for (const type of types) {
    if (names.has(type.name)) throw wrong(`instance type ${type.name} is listed twice: list each type once`);
    names.add(type.name);
    checkType(type);
  }
  if (overflow !== null) {
    const { usdPerRequest, usdPerRequestAlone = usdPerRequest } = overflow;
    const areAmounts = isAmount(usdPerRequest) && isAmount(usdPerRequestAlone);
    if (!areAmounts)
      throw wrong(`invalid price of function requests: expected 0 or more US dollars, got ${usdPerRequest} and ${usdPerRequestAlone}`);
  }
}

/** Throws `invalid_request`. */
export function checkLimits({ min, max, budget, floors }: ScalingLimits): void {
  if (!isWhole(min) || !isWhole(max))
    throw wrong(`invalid minimum or maximum of instances: expected whole numbers from 0, got ${min} and ${max}`);
  if (min > max) throw wrong(`the minimum of instances (${min}) exceeds the maximum (${max}): lower the minimum or raise the maximum`);
  if (max > instancesMaxMost) throw wrong(`invalid maximum of instances: expected at most ${instancesMaxMost}, got ${max}`);
  if (budget !== null && budget !== undefined) {
    const { usdMax, spentUsd, remainingMs } = budget;
    if (!isAmount(usdMax) || !isAmount(spentUsd))
      throw wrong(`invalid budget or spending: expected 0 or more US dollars, got ${usdMax} and ${spentUsd}`);
    if (!isAmount(remainingMs)) throw wrong(`invalid remaining time of a budget: expected 0 or more milliseconds, got ${remainingMs}`);
  }
  for (const { days, fromMinute, untilMinute, instances } of floors ?? []) {
    if (!isMinute(fromMinute) || !isMinute(untilMinute)) {
      throw wrong(`invalid scheduled floor: expected minutes of the day from 0 to 1440, got ${fromMinute} and ${untilMinute}`);
    }
    if (days.some((day) => !isWhole(day) || day > 6))
      throw wrong(`invalid days of a scheduled floor: expected 0 (Sunday) to 6, got ${days.join(', ')}`);
    if (!isWhole(instances)) throw wrong(`invalid scheduled floor: expected a whole number of instances from 0, got ${instances}`);
  }
}

function checkType({ name, usdPerHour, ratePerSecond, leadMs, batchSize, ...counts }: TypeObservation): void {
  if (!isAmount(usdPerHour)) throw wrong(`type ${name}: invalid price: expected 0 or more US dollars per hour, got ${usdPerHour}`);
  if (!isAmount(ratePerSecond)) throw wrong(`type ${name}: invalid rate: expected 0 or more requests per second, got ${ratePerSecond}`);
  if (!isAmount(leadMs)) throw wrong(`type ${name}: invalid start time: expected 0 or more milliseconds, got ${leadMs}`);
  if (!isWhole(batchSize) || batchSize < 1)
    throw wrong(`type ${name}: invalid batch size: expected a whole number from 1, got ${batchSize}`);
  for (const state of ['active', 'launching', 'draining'] as const) {
    if (!isWhole(counts[state]))
      throw wrong(`type ${name}: invalid number of ${state} instances: expected a whole number from 0, got ${counts[state]}`);
  }
}

function isWhole(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function isMinute(value: number): boolean {
  return isWhole(value) && value <= 1440;
}

function isAmount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

function wrong(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
