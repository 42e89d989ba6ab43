/** The simulator's loads, for tests of modules below it. */
export { joinSlots, mmppCounts, poissonCount } from '../src/simulation/load/load-generators.ts';
