import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AllottedTest, allotLevels, type ChainName, isSameSet, sharedShare } from './allot-levels.ts';

const terms = { set: 'rows', floor: 0.97, delta: 0.05 };

/** All chains of candidates that are numbered from the cheapest on. */
function chainsOf(candidates: readonly string[]): ChainName[] {
  return candidates.flatMap((first, i) => [{ first, second: null }, ...candidates.slice(i + 1).map((second) => ({ first, second }))]);
}

/** Chooses again and again, each time among these candidates. */
function levelsBy(...choices: readonly (readonly string[])[]) {
  const tests: AllottedTest[] = [];
  let last = allotLevels([], [], terms);
  for (const candidates of choices) {
    last = allotLevels(tests, chainsOf(candidates), terms);
    tests.push(...last.fresh);
  }
  return { ...last, tests };
}

describe('the level that certificates share', () => {
  // With 1, 2, 3, 4 candidates there are 1, 3, 6, 10 chains.
  for (const { choices, chains, errorTotal } of [
    { choices: ['a'], chains: 1, errorTotal: 0.05 },
    { choices: ['abcd'], chains: 10, errorTotal: 0.05 },
    { choices: ['abcd', 'abcd', 'abcd'], chains: 10, errorTotal: 0.05 },
    { choices: ['abcd', 'abc'], chains: 10, errorTotal: 0.05 },
    { choices: ['abcd', 'abcde'], chains: 15, errorTotal: 0.05 * (1 + 5 / 15) },
    { choices: ['abcd', 'abcde', 'abcdef'], chains: 21, errorTotal: 0.05 * (1 + 5 / 15 + 6 / 21) },
    { choices: ['a', 'ab', 'abc'], chains: 6, errorTotal: 0.05 * (1 + 2 / 3 + 3 / 6) },
    { choices: ['ab', 'cd'], chains: 6, errorTotal: 0.05 * (1 + 3 / 6) },
  ]) {
    test(`candidates ${choices.join(', then ')}: ${chains} chains, sure to ${(100 * (1 - errorTotal)).toFixed(2)} %`, () => {
      const found = levelsBy(...choices.map((each) => each.split('')));
      assert.equal(found.chains, chains);
      assert(Math.abs(found.errorTotal - errorTotal) < 1e-12, `errorTotal ${found.errorTotal}`);
    });
  }

  test('is not taken again from a chain that was tested, and is smaller for those added', () => {
    const { levels, fresh } = allotLevels(levelsBy(['a', 'b']).tests, chainsOf(['a', 'b', 'c']), terms);
    assert.deepEqual(
      fresh.map(({ first, second }) => first + (second ?? '')),
      ['ac', 'bc', 'c'],
    );
    assert.deepEqual(levels, [0.05 / 3, 0.05 / 3, 0.05 / 6, 0.05 / 3, 0.05 / 6, 0.05 / 6]);
  });

  test('another floor, confidence or set of the same rows is another test', () => {
    for (const other of [{ floor: 0.95 }, { delta: 0.01 }, { set: 'others' }]) {
      const { fresh, chains } = allotLevels(levelsBy(['a']).tests, chainsOf(['a']), { ...terms, ...other });
      assert.deepEqual([fresh.length, chains], [1, 2]);
    }
  });

  test('two candidates with the same bytes are tested once', () => {
    const { chains, levels, fresh } = allotLevels([], chainsOf(['a', 'a']), terms);
    assert.deepEqual([chains, fresh.length, levels], [2, 2, [0.025, 0.025, 0.025]]);
  });

  test('adds up to no more than the error probability of each choice, and no given level ever changes', () => {
    const candidates = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(candidates, { minLength: 1, maxLength: 8 }), (choices) => {
        let earlier: AllottedTest[] = [];
        let before = 0;
        for (const [i, choice] of choices.entries()) {
          const { fresh, errorTotal, levels, chains } = allotLevels(earlier, chainsOf(choice), terms);
          const sum = [...earlier, ...fresh].reduce((all, { level }) => all + level, 0);
          assert(Math.abs(errorTotal - sum) < 1e-12);
          assert(errorTotal >= before - 1e-12 && errorTotal - before <= terms.delta + 1e-12, 'one choice takes delta at most');
          if (i === 0) assert(Math.abs(errorTotal - terms.delta) < 1e-12);
          assert(levels.every((level) => level > 0 && level <= terms.delta));
          assert.equal(chains, earlier.length + fresh.length);
          earlier = [...earlier, ...fresh];
          assert.equal(allotLevels(earlier, chainsOf(choice), terms).fresh.length, 0, 'a repetition takes nothing');
          before = errorTotal;
        }
      }),
    );
  });
});

describe('rows of an earlier set', () => {
  const rows = (from: number, to: number): Float64Array => Float64Array.from({ length: to - from }, (_, i) => from + i);
  test('above a tenth make it the same set', () => {
    assert.equal(isSameSet(rows(0, 100), rows(90, 190)), false);
    assert.equal(isSameSet(rows(0, 100), rows(89, 189)), true);
    assert.equal(isSameSet(rows(0, 100), rows(0, 100)), true);
    assert.equal(isSameSet(rows(0, 100), rows(100, 200)), false);
  });

  test('count as a share of the new set: a small part of a large set is not new', () => {
    assert.equal(isSameSet(rows(0, 50), rows(0, 10_000)), true);
    assert.equal(isSameSet(rows(0, 10_000), rows(0, 50)), false);
  });

  test('are counted as often as they are repeated, as counting them one by one does', () => {
    const some = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 60 });
    fc.assert(
      fc.property(some, some, (fresh, earlier) => {
        const known = new Set(earlier);
        const expected = fresh.length === 0 ? 0 : fresh.filter((row) => known.has(row)).length / fresh.length;
        assert.equal(sharedShare(Float64Array.from(fresh).sort(), Float64Array.from(earlier).sort()), expected);
      }),
    );
  });
});
