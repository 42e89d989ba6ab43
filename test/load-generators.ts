/** The simulator's loads, for tests of rooms below it. */
export { joinSlots, mmppCounts, poissonCount } from '../src/simulation/load-generators.ts';
