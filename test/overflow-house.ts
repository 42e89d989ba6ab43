/** Functions beside instances, on a clock that stands still. */
import { FunctionHouse, type FunctionHouseOptions } from './function-house.ts';

/** Instances that take 70 ms a row and 10 ms more, three rows at once within 500 ms; functions that take 83 ms and are warm. */
export function overflowHouse(options: FunctionHouseOptions = {}): FunctionHouse {
  const house = new FunctionHouse({
    coldMs: 2000,
    serviceMs: (rows) => 10 + 73 * rows,
    overheadMs: 5,
    instances: { serviceMs: (rows) => 10 + 70 * rows, batchMax: 32 },
    ...options,
    settings: { objective: { percentile: 99, latencyMs: 500 }, ...options.settings },
    functions: { provisioned: 12, maxConcurrency: 50, ...options.functions },
  });
  house.clock.advance(2000); // the warm ones are ready
  return house;
}

export const names = (count: number, prefix = 'r'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
export const atFunction = (house: FunctionHouse, id: string): boolean => house.workerOf(id)?.startsWith('f') === true;
