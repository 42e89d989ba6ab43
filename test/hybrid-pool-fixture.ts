/** Functions alongside instances, on a manual clock. */
import { FunctionPoolFixture, type FunctionPoolFixtureOptions } from './function-pool-fixture.ts';

/** Instances that take 70 ms per row plus 10 ms, three rows at once within 500 ms; warm functions that take 83 ms. */
export function hybridPoolFixture(options: FunctionPoolFixtureOptions = {}): FunctionPoolFixture {
  const fixture = new FunctionPoolFixture({
    coldMs: 2000,
    serviceMs: (rows) => 10 + 73 * rows,
    overheadMs: 5,
    instances: { serviceMs: (rows) => 10 + 70 * rows, batchMax: 32 },
    ...options,
    settings: { objective: { percentile: 99, latencyMs: 500 }, ...options.settings },
    functions: { provisioned: 12, maxConcurrency: 50, ...options.functions },
  });
  fixture.clock.advance(2000); // the warm ones are ready
  return fixture;
}

export const names = (count: number, prefix = 'r'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
export const atFunction = (fixture: FunctionPoolFixture, id: string): boolean => fixture.workerOf(id)?.startsWith('f') === true;
