/** Checked against vectors of an independent implementation, and by what each formula promises. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { outcomesOf, vectors } from '../../test/selection/index.ts';
import { type Random, SeededRandom } from '../random.ts';
import { binomialCdf, binomialPmf } from './binomial.ts';
import { certify, chainsOf, countCascades, countOutcomes, type ModelOutcomes, thresholds } from './certify.ts';
import { mcnemar, mcnemarTail, pairedBootstrap } from './compare.ts';
import { confidenceSequence, logEvidence } from './evidence.ts';
import { accuracyLowerBound, clopperPearson, rowsNeeded } from './intervals.ts';
import { classificationScores, regressionScores, scoreRow } from './scores.ts';

function assertClose(actual: number, expected: number, what: string, tolerance = 1e-9): void {
  const limit = tolerance * Math.max(Math.abs(expected), 1e-300);
  assert(Math.abs(actual - expected) <= limit || actual === expected, `${what}: expected ${expected}, got ${actual}`);
}

describe('agrees with the vectors on', () => {
  test('the binomial distribution', () => {
    for (const { k, n, p, value } of vectors.binomialCdf) assertClose(binomialCdf(k, n, p), value, `P(Bin(${n}, ${p}) <= ${k})`);
  });

  test('exact intervals', () => {
    for (const { k, n, alpha, interval } of vectors.clopperPearson) {
      const { low, high } = clopperPearson(k, n, alpha);
      assertClose(low, interval[0], `low of ${k}/${n}`);
      assertClose(high, interval[1], `high of ${k}/${n}`);
    }
    for (const { errors, n, delta, value } of vectors.accuracyLower) {
      assertClose(accuracyLowerBound(errors, n, delta), value, `lower bound of ${errors}/${n}`);
    }
  });

  test("McNemar's test", () => {
    for (const { onlyFirstRight, onlySecondRight, p } of vectors.mcnemar) {
      assertClose(mcnemar(onlyFirstRight, onlySecondRight), p, `${onlyFirstRight} against ${onlySecondRight}`);
    }
  });

  test("the one-sided tail of McNemar's test", () => {
    // P(X >= wins), X ~ Bin(wins + losses, 1/2), summed in exact integers.
    const exactTail = (wins: number, losses: number): number => {
      const rows = wins + losses;
      let [term, sum] = [1n, 0n];
      for (let count = 0; count <= rows; count++) {
        if (count >= wins) sum += term;
        term = (term * BigInt(rows - count)) / BigInt(count + 1);
      }
      return Number((sum * 10n ** 40n) / 2n ** BigInt(rows)) / 1e40;
    };
    for (const [wins, losses] of [
      [31, 14],
      [14, 31],
      [8, 5],
      [5, 8],
      [1, 0],
      [0, 1],
      [40, 0],
      [300, 250],
    ] as const)
      assertClose(mcnemarTail(wins, losses), exactTail(wins, losses), `${wins} wins, ${losses} losses`, 1e-12);
    assert.deepEqual([mcnemarTail(31, 14).toFixed(4), mcnemarTail(8, 5).toFixed(4), mcnemarTail(0, 0)], ['0.0080', '0.2905', 1]);
  });

  test('evidence and confidence sequences', () => {
    for (const { ones, n, p0, value } of vectors.logEvidence) assertClose(logEvidence(ones, n, p0), value, `${ones}/${n} against ${p0}`);
    for (const { ones, n, alpha, interval } of vectors.confidenceSequence) {
      const { low, high } = confidenceSequence(ones, n, alpha);
      assertClose(low, interval[0], `low of ${ones}/${n}`);
      assertClose(high, interval[1], `high of ${ones}/${n}`);
    }
  });

  test('the rows that a certificate needs', () => {
    for (const { errorRate, floor, level, value } of vectors.rowsNeeded) {
      assert.equal(rowsNeeded(errorRate, floor, level), value, `${errorRate} under ${floor}`);
    }
  });

  test('the scores of four models of digits, and what tells two of them apart', () => {
    const { labels, models } = outcomesOf('digits');
    for (const [name, expected] of Object.entries(vectors.evaluation.models)) {
      const { predictions } = models.get(name) as ModelOutcomes;
      const scores = classificationScores({ classes: 10, labels, predictions, scored: null });
      assert.equal(scores.errors, expected.errors);
      assertClose(scores.accuracy, expected.accuracy, name);
      assertClose(scores.macroF1, expected.macroF1, name);
      assertClose(scores.interval.low, expected.accuracyLow, name);
      assert.deepEqual(
        scores.perClass.map(({ label, rows, f1 }) => [label, rows, f1.toFixed(12)]),
        expected.perClass.map(({ label, rows, f1 }) => [label, rows, f1.toFixed(12)]),
      );
    }
    for (const { first, second, onlyFirstRight, onlySecondRight, p, errorDifference, low, high } of vectors.evaluation.pairs) {
      const wrong = (name: string): Float64Array =>
        Float64Array.from((models.get(name) as ModelOutcomes).predictions, (answer, row) => (answer === labels[row] ? 0 : 1));
      const [a, b] = [wrong(first), wrong(second)];
      const differences = a.map((loss, row) => loss - (b[row] as number));
      assert.equal(differences.filter((difference) => difference < 0).length, onlyFirstRight);
      assert.equal(differences.filter((difference) => difference > 0).length, onlySecondRight);
      assertClose(mcnemar(onlyFirstRight, onlySecondRight), p, `${first} and ${second}`);
      const compared = pairedBootstrap(differences, { draws: 200, seed: 1 });
      assertClose(compared.mean, errorDifference, `${first} and ${second}`);
      assert.deepEqual([compared.low, compared.high], [low, high], `${first} and ${second}`);
    }
  });

  test('the errors and escalations of every cascade', () => {
    const { labels, models } = outcomesOf('digits');
    assert.deepEqual(thresholds, vectors.cascades.thresholds);
    for (const { first, second, t, errors, escalated } of vectors.cascades.counts) {
      const counts = countOutcomes(labels, models.get(first) as ModelOutcomes, models.get(second) as ModelOutcomes, t);
      assert.deepEqual(counts, { errors, escalated }, `${first} -> ${second} @ ${t}`);
    }
  });

  test('counting all thresholds at once gives the counts of each, also for values at a threshold', () => {
    const unsureness = fc.oneof(fc.constantFrom(...thresholds, 0, 2), fc.double({ min: 0, max: 1, noNaN: true }));
    const row = fc.record({ label: fc.nat(2), first: fc.nat(2), second: fc.nat(2), unsureness });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), (rows) => {
        const labels = Int32Array.from(rows, ({ label }) => label);
        const first = {
          predictions: Int32Array.from(rows, (each) => each.first),
          unsureness: Float64Array.from(rows, (each) => each.unsureness),
        };
        const second = { ...first, predictions: Int32Array.from(rows, (each) => each.second) };
        for (const [i, counts] of countCascades(labels, first, second).entries()) {
          const threshold = thresholds[i] as number;
          const answers = rows.map((each) => (each.unsureness > threshold ? each.second : each.first));
          const only = (isOne: (row: number) => boolean, isOther: (row: number) => boolean): number =>
            rows.filter((_, each) => isOne(each) && !isOther(each)).length;
          const isCascadeRight = (each: number): boolean => answers[each] === labels[each];
          const isSecondRight = (each: number): boolean => rows[each]?.second === labels[each];
          assert.deepEqual(counts, {
            ...countOutcomes(labels, first, second, threshold),
            onlyCascadeRight: only(isCascadeRight, isSecondRight),
            onlySecondRight: only(isSecondRight, isCascadeRight),
          });
        }
      }),
    );
  });

  for (const [name, family, rows] of [
    ['certifyDigits', 'digits', 450],
    ['certifyDigits95', 'digits', 450],
    ['certifyFashion', 'fashion', 5000],
  ] as const) {
    test(`what is certified: ${name}`, () => {
      const { models: order, chains: expected, floor, delta } = vectors[name];
      const { labels, models } = outcomesOf(family);
      const cut = ({ predictions, unsureness }: ModelOutcomes): ModelOutcomes => ({
        predictions: predictions.subarray(0, rows),
        unsureness: unsureness.subarray(0, rows),
      });
      const ordered = order.map((model) => cut(models.get(model) as ModelOutcomes));
      const chains = certify(labels.subarray(0, rows), ordered, { floor, levels: equalLevels(ordered.length, delta) });
      for (const { first, second, tests } of chains) {
        const key = second === null ? `${first}` : `${first}->${second}`;
        assert.deepEqual(
          tests.map(({ threshold, errors, isCertified }) => [threshold, errors, isCertified]),
          expected[key]?.map(({ plan, errors, certified }) => [plan[2], errors, certified]),
          key,
        );
        for (const [i, { pValue }] of tests.entries()) assertClose(pValue, expected[key]?.[i]?.p ?? Number.NaN, key);
      }
    });
  }
});

/** The error probability, in equal parts for all chains. */
function equalLevels(models: number, delta: number): number[] {
  const chains = chainsOf(models);
  return chains.map(() => delta / chains.length);
}

describe('the binomial distribution', () => {
  test('adds up to 1, and its tails meet', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.001, max: 0.999, noNaN: true }), fc.nat(300), (n, p, k) => {
        let sum = 0;
        for (let i = 0; i <= n; i++) sum += binomialPmf(i, n, p);
        assertClose(sum, 1, `the sum of Bin(${n}, ${p})`, 1e-11);
        const both = binomialCdf(k, n, p) + binomialCdf(n - k - 1, n, 1 - p);
        if (k <= n) assertClose(both, 1, `the tails of Bin(${n}, ${p}) at ${k}`, 1e-11);
      }),
    );
  });

  test('is exact for a million trials', () => {
    // Symmetric: exactly half lies below the middle, apart from the middle itself.
    assertClose(binomialCdf(499_999, 1_000_000, 0.5), (1 - binomialPmf(500_000, 1_000_000, 0.5)) / 2, 'below the middle', 1e-9);
  });
});

describe('a floor of accuracy, over random splits of real answers', () => {
  const { labels, models } = outcomesOf('fashion');
  const all = [...models.values()];
  const plans = all.flatMap((_, first) => [
    { first, second: null, threshold: 1 },
    ...all.slice(first + 1).flatMap((__, i) => thresholds.map((threshold) => ({ first, second: first + 1 + i, threshold }))),
  ]);
  type Plan = (typeof plans)[number];
  const errorsOf = (rows: Int32Array, of: readonly ModelOutcomes[], { first, second, threshold }: Plan) =>
    countOutcomes(rows, of[first] as ModelOutcomes, second === null ? null : (of[second] as ModelOutcomes), threshold);
  const overall = new Map(plans.map((plan) => [JSON.stringify(plan), errorsOf(labels, all, plan).errors]));
  /** The relative work of the three models per row. The cheapest plan is the riskiest. */
  const workOf = [1, 2.3, 40];
  const cheapest = <P extends Plan & { readonly escalated: number }>(candidates: readonly P[], rows: number): P | undefined => {
    const work = ({ first, second, escalated }: P): number =>
      (workOf[first] as number) + (second === null ? 0 : ((workOf[second] as number) * escalated) / rows);
    return candidates.toSorted((a, b) => work(a) - work(b))[0];
  };

  /** How often the cheapest plan that was chosen on `rows` rows is below the floor on the others. */
  function broken(floor: number, rows: number, splits: number, how: 'certified' | 'estimated'): number {
    const random = new SeededRandom(20_261_129);
    let count = 0;
    for (let split = 0; split < splits; split++) {
      const seen = shuffled(labels.length, random).subarray(0, rows);
      const seenLabels = Int32Array.from(seen, (row) => labels[row] as number);
      const seenModels = all.map(({ predictions, unsureness }) => ({
        predictions: Int32Array.from(seen, (row) => predictions[row] as number),
        unsureness: Float64Array.from(seen, (row) => unsureness[row] as number),
      }));
      const candidates =
        how === 'estimated'
          ? plans
              .map((plan) => ({ ...plan, ...errorsOf(seenLabels, seenModels, plan) }))
              .filter(({ errors }) => errors <= rows * (1 - floor))
          : certify(seenLabels, seenModels, { floor, levels: equalLevels(seenModels.length, 0.05) }).flatMap(({ first, second, tests }) =>
              tests
                .filter(({ isCertified }) => isCertified)
                .map(({ threshold, errors, escalated }) => ({ first, second, threshold, errors, escalated })),
            );
      const chosen = cheapest(candidates, rows);
      if (chosen === undefined) continue;
      const { first, second, threshold, errors } = chosen;
      const others = (overall.get(JSON.stringify({ first, second, threshold })) as number) - errors;
      if (others > (labels.length - rows) * (1 - floor)) count++;
    }
    return count;
  }

  for (const floor of [0.85, 0.88, 0.9]) {
    for (const rows of [500, 2000]) {
      test(`of ${floor} is kept by a plan certified on ${rows} rows in at least 95 % of 300 splits`, () => {
        const count = broken(floor, rows, 300, 'certified');
        assert(count <= 15, `broken in ${count} of 300`);
      });
    }
  }

  test('is broken in more than 20 % by a plan chosen by its measured accuracy', () => {
    const count = broken(0.9, 500, 100, 'estimated');
    assert(count > 20, `broken in only ${count} of 100`);
  });
});

function shuffled(length: number, random: Random): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

describe('evidence', () => {
  test('raises a false alarm in at most 5 % of runs, watched after every one of 5,000 rows', () => {
    const random = new SeededRandom(7);
    let alarms = 0;
    for (let run = 0; run < 400; run++) {
      let ones = 0;
      for (let rows = 1; rows <= 5000; rows++) {
        if (random.next() >= 0.03) continue;
        ones++;
        // Evidence grows only with a one.
        if (logEvidence(ones, rows, 0.03) >= Math.log(20)) {
          alarms++;
          break;
        }
      }
    }
    assert(alarms <= 20, `${alarms} false alarms in 400 runs`);
  });

  test('finds an error rate of 8 % against 3 % within 260 rows (median)', () => {
    const random = new SeededRandom(8);
    const found = Array.from({ length: 101 }, () => {
      let ones = 0;
      for (let rows = 1; ; rows++) {
        if (random.next() < 0.08) ones++;
        if (logEvidence(ones, rows, 0.03) >= Math.log(100)) return rows;
      }
    });
    const median = found.toSorted((a, b) => a - b)[50] as number;
    assert(median <= 260, `median ${median} rows`);
  });
});

describe('scores', () => {
  test('a row whose scores are not numbers has no answer, and a loss that is not infinite', () => {
    assert.deepEqual(scoreRow([0.1, Number.NaN], 0, 2, 0), { prediction: -1, confidence: 0, logLoss: -Math.log(1e-15), brier: 1 });
    assert.equal(scoreRow([0, 1], 0, 2, 0).logLoss, -Math.log(1e-15));
  });

  test('the first of equal scores is the answer, and a sure right answer has no loss', () => {
    assert.equal(scoreRow([9, 0.5, 0.5], 1, 2, 0).prediction, 0);
    assert.deepEqual(scoreRow([0, 1], 0, 2, 1), { prediction: 1, confidence: 1, logLoss: -0, brier: 0 });
  });

  test('calibration compares confidence with accuracy: 100 % sure and half right is 0.5 off', () => {
    const labels = Int32Array.of(0, 1);
    const scored = { confidences: Float64Array.of(1, 1), logLosses: new Float64Array(2), briers: new Float64Array(2) };
    const { calibrationError, accuracy } = classificationScores({ classes: 2, labels, predictions: Int32Array.of(0, 0), scored });
    assert.deepEqual([calibrationError, accuracy], [0.5, 0.5]);
  });

  test('regression: the root of the mean square, and the mean distance', () => {
    assert.deepEqual(regressionScores(Float64Array.of(0, 0), Float64Array.of(3, -4)), { rows: 2, rmse: Math.sqrt(12.5), mae: 3.5 });
  });
});
