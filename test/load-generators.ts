/** The simulator's loads, for tests of rooms below it. */
export { joinSlots, mmppCounts } from '../src/simulation/load-generators.ts';
