/**
 * Distributes the error probability of certificates over the life of an endpoint. Each sequence of tests takes a level once, and its
 * certificates stay valid when candidates are added. C counts all sequences that were ever tested on the same rows, so a set that is used
 * repeatedly proves less each time. The sum of the levels bounds the probability that any certificate is wrong (union bound). Pure.
 */

/** Two models, or one, whose plans are tested in a fixed order: a chain of `certify`. */
export interface ChainName {
  /** Identifies the models by their bytes. */
  readonly first: string;
  /** Null for a model alone. */
  readonly second: string | null;
}

/** What a certificate claims, and of which rows. */
export interface TestTerms {
  /** Identifies the labelled rows. */
  readonly set: string;
  /** The accuracy to keep. */
  readonly floor: number;
  /** 1 minus the confidence that was requested. */
  readonly delta: number;
}

/** A chain that was tested for an endpoint, and the error probability that it took. */
export interface AllottedTest extends ChainName, TestTerms {
  readonly level: number;
}

/** The levels of all chains. Those of earlier tests are unchanged. */
export interface AllottedLevels {
  /** By chain, in their order. */
  readonly levels: readonly number[];
  /** Chains that were not tested before. */
  readonly fresh: readonly AllottedTest[];
  /** C: all chains that were tested on these rows, these included. */
  readonly chains: number;
  /** The sum of all their levels bounds the probability that any certificate is wrong. */
  readonly errorTotal: number;
}

/** `earlier`: all tests for the endpoint on rows that count as the same. */
export function allotLevels(earlier: readonly AllottedTest[], chains: readonly ChainName[], terms: TestTerms): AllottedLevels {
  const known = new Map(earlier.map((test) => [keyOf(test, test), test.level]));
  const unknown = new Map(chains.map((chain): [string, ChainName] => [keyOf(chain, terms), chain]));
  for (const key of known.keys()) unknown.delete(key);
  const count = earlier.length + unknown.size;
  const level = terms.delta / count;
  return {
    levels: chains.map((chain) => known.get(keyOf(chain, terms)) ?? level),
    fresh: [...unknown.values()].map(({ first, second }) => ({ first, second, ...terms, level })),
    chains: count,
    errorTotal: rounded(earlier.reduce((sum, test) => sum + test.level, 0) + unknown.size * level),
  };
}

/** A sum that does not depend on its order. */
function rounded(sum: number): number {
  return Math.round(sum * 1e12) / 1e12;
}

function keyOf({ first, second }: ChainName, { set, floor, delta }: TestTerms): string {
  return JSON.stringify([first, second, set, floor, delta]);
}

/** A set that shares more of its rows with an earlier one is not new. */
const sharedMax = 0.1;

/** Whether a set counts as an earlier one. Both: fingerprints of all rows, ascending. */
export function isSameSet(rows: Float64Array, earlier: Float64Array): boolean {
  return sharedShare(rows, earlier) > sharedMax;
}

/** The share of `rows` that are in `earlier`; each repetition of a row counts. Both ascend. */
export function sharedShare(rows: Float64Array, earlier: Float64Array): number {
  let [shared, at] = [0, 0];
  for (const row of rows) {
    while (at < earlier.length && (earlier[at] as number) < row) at++;
    if (earlier[at] === row) shared++;
  }
  return rows.length === 0 ? 0 : shared / rows.length;
}
