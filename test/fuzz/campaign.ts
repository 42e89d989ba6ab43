/**
 * Runs a fuzz target repeatedly. Each case has its own seed, so a failing one can be repeated alone:
 *
 *   PENSTOCK_FUZZ_SEED=… PENSTOCK_FUZZ_CASE=… node --test test/fuzz/NAME.test.ts
 *
 * The suite uses a fixed seed and few cases. `npm run soak:fuzz` multiplies the cases (PENSTOCK_FUZZ_SCALE) and picks a new seed.
 */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { FuzzRandom } from './fuzz-random.ts';

const usualSeed = 20_261_128;

export const fuzzSeed: number = numberFrom('PENSTOCK_FUZZ_SEED') ?? usualSeed;
export const fuzzScale: number = numberFrom('PENSTOCK_FUZZ_SCALE') ?? 1;
const onlyCase: number | null = numberFrom('PENSTOCK_FUZZ_CASE');

export interface FuzzTarget<Input> {
  readonly name: string;
  /** Cases in the suite; the soak runs `fuzzScale` times as many. */
  readonly cases: number;
  /** Number of concurrent cases. */
  readonly concurrency?: number;
  generate(random: FuzzRandom): Input;
  /** Throws if the product violates its contract. */
  check(input: Input): Promise<void> | void;
  /** Candidates for shrinking. Without it the failing input is reported as it is. */
  smaller?(input: Input): readonly Input[];
  show?(input: Input): string;
}

const minimiseTriesMax = 200;
const shownCharacters = 1500;

/** Runs all cases of a target. Throws on the first failure, with its seed and the smallest input found. */
export async function fuzz<Input>(target: FuzzTarget<Input>): Promise<void> {
  const count = onlyCase === null ? Math.ceil(target.cases * fuzzScale) : 1;
  let next = onlyCase ?? 0;
  const end = next + count;
  let isOver = false;
  const worker = async (): Promise<void> => {
    while (next < end && !isOver) {
      const index = next++;
      const input = target.generate(new FuzzRandom(caseSeed(target.name, index)));
      try {
        await target.check(input);
      } catch (error) {
        isOver = true;
        throw await failureOf(target, index, input, error);
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: target.concurrency ?? 1 }, worker));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Includes the name, so that two targets with one seed get different inputs. */
function caseSeed(name: string, index: number): number {
  let seed = fuzzSeed ^ Math.imul(index + 1, 0x9e3779b1);
  for (const letter of name) seed = Math.imul(seed ^ letter.charCodeAt(0), 0x01000193);
  return seed >>> 0;
}

async function failureOf<Input>(target: FuzzTarget<Input>, index: number, input: Input, error: unknown): Promise<Error> {
  const smallest = await minimise(target, input, error);
  const text = target.show?.(smallest.input) ?? inspect(smallest.input, { depth: 8, maxStringLength: 500 });
  const lines = [
    `${target.name}: case ${index} of seed ${fuzzSeed} failed: ${String((smallest.error as Error).message ?? smallest.error)}`,
    `Repeat with PENSTOCK_FUZZ_SEED=${fuzzSeed} PENSTOCK_FUZZ_CASE=${index}. Smallest input found:`,
    text.length > shownCharacters ? `${text.slice(0, shownCharacters)}… (${text.length} characters)` : text,
  ];
  return new Error(lines.join('\n'), { cause: error });
}

/** Greedy shrinking: takes the first smaller input that fails, until none does. */
async function minimise<Input>(target: FuzzTarget<Input>, input: Input, error: unknown): Promise<{ input: Input; error: unknown }> {
  let best = { input, error };
  let tries = 0;
  for (let isSmaller = true; isSmaller && tries < minimiseTriesMax; ) {
    isSmaller = false;
    for (const candidate of target.smaller?.(best.input) ?? []) {
      if (tries++ >= minimiseTriesMax) break;
      try {
        await target.check(candidate);
      } catch (found) {
        best = { input: candidate, error: found };
        isSmaller = true;
        break;
      }
    }
  }
  return best;
}

/** Smaller byte strings: without one of 2, 4, 8 or 16 parts each. */
export function smallerBytes(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (const parts of [2, 4, 8, 16]) {
    const size = Math.ceil(bytes.length / parts);
    if (size === 0 || bytes.length < parts) break;
    for (let at = 0; at < bytes.length; at += size) found.push(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]));
  }
  return found;
}

/** Smaller lists: without one of the items each. */
export function smallerLists<T>(list: readonly T[]): T[][] {
  return list.length <= 1 ? [] : list.map((_, i) => list.filter((_each, j) => j !== i));
}

function numberFrom(variable: string): number | null {
  const text = process.env[variable];
  if (text === undefined || text === '') return null;
  const number = Number(text);
  assert(number >= 0, `${variable}: expected a number, got ${text}`);
  return number;
}
