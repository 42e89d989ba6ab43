/** What can be wrong with an observation because somebody configured it so: told in a sentence, before anything is decided. */
import { PlatformError } from '../../errors.ts';
import type { Observation, ScalingLimits, TypeObservation } from './observation.ts';

export const instancesMaxMost = 1000;

/** Throws `invalid_request`. What was only measured wrongly is no error: the strategies go on with what there is. */
export function checkObservation({ types, limits, slotMs, overflow }: Observation): void {
  if (!(slotMs > 0 && slotMs <= 86_400_000)) throw wrong(`a slot is longer than 0 ms and at most a day, got ${slotMs}`);
  checkLimits(limits);
  const names = new Set<string>();
  for (const type of types) {
    if (names.has(type.name)) throw wrong(`instance type ${type.name} is given twice: give each type once`);
    names.add(type.name);
    checkType(type);
  }
  if (overflow !== null) {
    const { usdPerRequest, usdPerRequestAlone = usdPerRequest } = overflow;
    const areAmounts = isAmount(usdPerRequest) && isAmount(usdPerRequestAlone);
    if (!areAmounts) throw wrong(`a request sent to functions costs 0 or more US dollars, got ${usdPerRequest} and ${usdPerRequestAlone}`);
  }
}

/** Throws `invalid_request`. */
export function checkLimits({ min, max, budget, floors }: ScalingLimits): void {
  if (!isWhole(min) || !isWhole(max)) throw wrong(`the minimum and maximum of instances are whole numbers from 0, got ${min} and ${max}`);
  if (min > max) throw wrong(`the minimum of instances (${min}) is more than the maximum (${max}): lower the one or raise the other`);
  if (max > instancesMaxMost) throw wrong(`the maximum of instances is at most ${instancesMaxMost}, got ${max}`);
  if (budget !== null && budget !== undefined) {
    const { usdMax, spentUsd, remainingMs } = budget;
    if (!isAmount(usdMax) || !isAmount(spentUsd))
      throw wrong(`a budget and what is spent of it are 0 or more US dollars, got ${usdMax} and ${spentUsd}`);
    if (!isAmount(remainingMs)) throw wrong(`a budget lasts for 0 or more milliseconds, got ${remainingMs}`);
  }
  for (const { days, fromMinute, untilMinute, instances } of floors ?? []) {
    if (!isMinute(fromMinute) || !isMinute(untilMinute)) {
      throw wrong(`a scheduled floor begins and ends at a minute of the day, 0 to 1440, got ${fromMinute} and ${untilMinute}`);
    }
    if (days.some((day) => !isWhole(day) || day > 6)) throw wrong(`the days of a floor are 0 (Sunday) to 6, got ${days.join(', ')}`);
    if (!isWhole(instances)) throw wrong(`a scheduled floor is a whole number of instances from 0, got ${instances}`);
  }
}

function checkType({ name, usdPerHour, ratePerSecond, leadMs, batchSize, spot, ...counts }: TypeObservation): void {
  if (!isAmount(usdPerHour)) throw wrong(`type ${name}: its price is 0 or more US dollars per hour, got ${usdPerHour}`);
  if (!isAmount(ratePerSecond)) throw wrong(`type ${name}: its rate is 0 or more requests per second, got ${ratePerSecond}`);
  if (!isAmount(leadMs)) throw wrong(`type ${name}: it starts in 0 or more milliseconds, got ${leadMs}`);
  if (!isWhole(batchSize) || batchSize < 1) throw wrong(`type ${name}: its batch size is a whole number from 1, got ${batchSize}`);
  for (const state of ['active', 'launching', 'draining'] as const) {
    if (!isWhole(counts[state])) throw wrong(`type ${name}: ${state} instances are a whole number from 0, got ${counts[state]}`);
  }
  if (spot !== undefined && !(isAmount(spot.interruptionsPerHour) && isAmount(spot.recoveryMs))) {
    throw wrong(
      `type ${name}: interruptions per hour and recovery are 0 or more, got ${spot.interruptionsPerHour} and ${spot.recoveryMs} ms`,
    );
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
