/** The contract of every forecaster, as a shared test suite. Each forecaster's test file calls it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../random.ts';
import { createForecaster, type ForecasterName } from './create-forecaster.ts';
import { type Forecast, type Forecaster, type ForecasterOptions, type ForecasterSnapshot, quantileGrid } from './forecaster.ts';

const horizons = [1, 3, 10];
const hourly: ForecasterOptions = { horizons, slotsPerDay: 24 };
const refused = { name: 'PlatformError', code: 'invalid_request' };

/** `horizonsMost`: number of horizons with which a snapshot is still short. */
export function forecasterContract(name: ForecasterName, horizonsMost = 50): void {
  const fresh = (options: ForecasterOptions = hourly): Forecaster => createForecaster(name, options);

  describe(`${name} as a forecaster`, () => {
    test('has its name, and its horizons in order without duplicates', () => {
      const forecaster = fresh({ horizons: [10, 1, 3, 1] });
      assert.deepEqual([forecaster.name, forecaster.horizons], [name, [1, 3, 10]]);
    });

    test('forecasts 0 on the basis `nothing` before the first count', () => {
      const { mean, basis, residualsSeen } = fresh().predict(1);
      assert.deepEqual({ mean, basis, residualsSeen }, { mean: 0, basis: 'nothing', residualsSeen: 0 });
    });

    test('forecasts the declared rate until the first count, including gaps before it', () => {
      const forecaster = fresh({ ...hourly, expectedCount: 400 });
      assert.deepEqual([forecaster.predict(3).mean, forecaster.predict(3).basis], [400, 'declared']);
      forecaster.observe(7, null);
      assert.deepEqual([forecaster.predict(3).mean, forecaster.predict(3).basis], [400, 'declared']);
      forecaster.observe(8, 100);
      assert.equal(Math.round(forecaster.predict(3).mean), 100);
    });

    test('has wide quantiles with few observations: at least a prior on either side of the median', () => {
      const forecaster = fresh();
      for (let slot = 0; slot < 20; slot++) forecaster.observe(slot, 100);
      const forecast = forecaster.predict(1);
      // √100 = 10, so the prior deviates by .25 * 10 = 2.5 in roots; z_.95 = 1.645 and z_.99 = 2.326 times that.
      assert(forecast.quantile(0.05) <= 34.7 && forecast.quantile(0.95) >= 199.1 && forecast.quantile(0.99) >= 250.1);
    });

    test('converges to a constant count, with narrow quantiles', () => {
      const forecaster = fresh();
      for (let slot = 0; slot < 24 * 20; slot++) forecaster.observe(slot, 100);
      for (const h of horizons) {
        const forecast = forecaster.predict(h);
        assert(Math.abs(forecast.mean - 100) < 0.5, `${h}: ${forecast.mean}`);
        assert(forecast.quantile(0.05) > 97 && forecast.quantile(0.99) < 103, `${h}: ${forecast.quantiles.join(' ')}`);
      }
    });

    test('quantiles are calibrated: for a noisy load the share tau of counts lies at or below each', () => {
      const forecaster = fresh();
      const random = new SeededRandom(1);
      const made: Forecast[][] = horizons.map(() => []);
      const below = horizons.map(() => quantileGrid.map(() => 0));
      const [slots, from] = [6000, 1000];
      for (let slot = 0; slot < slots; slot++) {
        const count = Math.floor((60 + 30 * Math.sin((2 * Math.PI * slot) / 24)) * (0.6 + 0.8 * random.next()));
        for (const [i, h] of horizons.entries()) {
          const forecast = made[i]?.[slot - h];
          for (const k of quantileGrid.keys()) {
            if (slot >= from && count <= (forecast?.quantiles[k] as number)) (below[i] as number[])[k] = (below[i]?.[k] as number) + 1;
          }
        }
        forecaster.observe(slot, count);
        for (const [i, h] of horizons.entries()) made[i]?.push(forecaster.predict(h));
      }
      for (const [i, h] of horizons.entries()) {
        for (const [k, tau] of quantileGrid.entries()) {
          const share = (below[i]?.[k] as number) / (slots - from);
          assert(Math.abs(share - tau) < 0.04, `${h} slots ahead ${tau} held ${share}`);
        }
      }
    });

    test('learns once per slot, however often it is called', () => {
      const [once, often] = [fresh(), fresh()];
      for (const [slot, count] of noisyCounts(300).entries()) {
        once.observe(slot, count);
        often.observe(slot, count);
        for (const h of [...horizons, ...horizons]) often.predict(h).quantile(0.9);
      }
      assert.deepEqual(often.snapshot(), once.snapshot());
      assert.equal(often.predict(3).residualsSeen, 297);
    });

    test('forecasts do not change after they were made', () => {
      const forecaster = fresh();
      for (let slot = 0; slot < 100; slot++) forecaster.observe(slot, 50);
      const said = forecaster.predict(1);
      const before = [said.mean, ...said.quantiles];
      forecaster.observe(100, 5000);
      assert.deepEqual([said.mean, ...said.quantiles], before);
    });

    gapPromises(fresh);
    refusalPromises(fresh);
    snapshotPromises(fresh, horizonsMost);

    test('for any counts, means and quantiles are finite and 0 or more, and quantiles never decrease with tau', () => {
      const count = fc.oneof(fc.constant(null), fc.constant(0), fc.nat(50), fc.nat(1_000_000), fc.constant(1e12));
      const step = fc.tuple(fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 400 })), count);
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400, size: 'max' }), fc.boolean(), (steps, isSeasonal) => {
          const forecaster = fresh({ ...hourly, isSeasonal });
          let slot = 5;
          for (const [by, next] of steps) {
            forecaster.observe((slot += by), next);
            for (const h of horizons) {
              const { mean, quantiles } = forecaster.predict(h);
              assert(mean >= 0 && Number.isFinite(mean), `mean ${mean}`);
              for (const [k, value] of quantiles.entries()) assert(Number.isFinite(value) && value >= (quantiles[k - 1] ?? 0));
            }
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}

function gapPromises(fresh: (options?: ForecasterOptions) => Forecaster): void {
  test('skipped slots are gaps, like slots observed with null', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 250 }), fc.nat(200)), { maxLength: 120, size: 'max' }), (steps) => {
        const [leftOut, reported] = [fresh(), fresh()];
        let slot = -1;
        for (const [by, count] of steps) {
          for (let missing = slot + 1; missing < slot + by; missing++) if (slot >= 0) reported.observe(missing, null);
          slot += by;
          reported.observe(slot, count);
          leftOut.observe(slot, count);
        }
        assert.deepEqual(leftOut.snapshot(), reported.snapshot());
      }),
      { numRuns: 40 },
    );
  });

  test('a gap is not a zero: the slot and forecasts made within it are neither learned from nor scored', () => {
    const forecaster = fresh();
    for (let slot = 0; slot < 200; slot++) forecaster.observe(slot, 100 + (slot % 7));
    const seen = horizons.map((h) => forecaster.predict(h).residualsSeen);
    for (let slot = 200; slot < 204; slot++) forecaster.observe(slot, null);
    assert.deepEqual(
      horizons.map((h) => forecaster.predict(h).residualsSeen),
      seen,
    );
    assert(forecaster.predict(1).mean > 80, `${forecaster.predict(1).mean}`);
    forecaster.observe(204, 100);
    // Only the forecast made 10 slots earlier originates outside the gap.
    assert.deepEqual(
      horizons.map((h, i) => forecaster.predict(h).residualsSeen - (seen[i] as number)),
      [0, 0, 1],
    );
  });

  test('skipping years of slots is as cheap as one step', () => {
    const forecaster = fresh({ horizons });
    for (let slot = 0; slot < 100; slot++) forecaster.observe(slot, 100);
    forecaster.observe(1e15, 900);
    forecaster.observe(1e15 + 1, 900);
    const { mean, basis } = forecaster.predict(1);
    assert(Number.isFinite(mean) && basis !== 'nothing');
  });
}

function refusalPromises(fresh: (options?: ForecasterOptions) => Forecaster): void {
  for (const { what, slot = 5, count = 1, message } of [
    { what: 'a count that is not a number', count: Number.NaN, message: /whole number of requests.*got NaN/ },
    { what: 'a negative count', count: -1, message: /got -1/ },
    { what: 'a fractional count', count: 0.5, message: /got 0.5/ },
    { what: 'an infinite count', count: Number.POSITIVE_INFINITY, message: /got Infinity/ },
    { what: 'more than 10^12', count: 1e12 + 1, message: /from 0 to 10\^12/ },
    { what: 'the same slot again', slot: 4, message: /slot 4 is over: expected one after 4/ },
    { what: 'an earlier slot', slot: 2, message: /slot 2 is over/ },
    { what: 'a slot before 0', slot: -1, message: /invalid slot: expected a whole number from 0, got -1/ },
    { what: 'a time instead of a slot', slot: 5.5, message: /got 5.5/ },
    { what: 'a slot that is not a number', slot: Number.NaN, message: /got NaN/ },
  ]) {
    test(`rejects ${what} and is unchanged`, () => {
      const forecaster = fresh();
      for (let before = 0; before < 5; before++) forecaster.observe(before, 10);
      const snapshot = forecaster.snapshot();
      assert.throws(() => forecaster.observe(slot, count), { ...refused, message });
      assert.deepEqual(forecaster.snapshot(), snapshot);
    });
  }

  test('rejects horizons that were not configured, and invalid quantiles', () => {
    assert.throws(() => fresh().predict(2), { ...refused, message: /expected one of 1, 3, 10 slots, got 2/ });
    for (const tau of [0, 1, 95, -0.1, Number.NaN]) assert.throws(() => fresh().predict(1).quantile(tau), refused);
  });

  for (const options of [
    { horizons: [] },
    { horizons: [0] },
    { horizons: [1.5] },
    { horizons: [24], slotsPerDay: 24 },
    { horizons: [20_000], isSeasonal: false },
    { horizons: [1], slotsPerDay: 0 },
    { horizons: [1], slotsPerDay: Number.NaN },
    { horizons: [1], expectedCount: -1 },
    { horizons: [1], expectedCount: Number.NaN },
  ]) {
    test(`rejects the options ${JSON.stringify(options)}`, () => {
      assert.throws(() => fresh(options), refused);
    });
  }

  test('returns the nearest quantile of its grid, the higher one of a tie', () => {
    const forecaster = fresh();
    for (const [slot, count] of noisyCounts(200).entries()) forecaster.observe(slot, count);
    const forecast = forecaster.predict(1);
    for (const [tau, nearest] of [
      [0.01, 0.05],
      [0.5, 0.5],
      [0.54, 0.5],
      [0.15, 0.2],
      [0.92, 0.9],
      [0.98, 0.99],
      [0.999, 0.99],
    ] as const) {
      assert.equal(forecast.quantile(tau), forecast.quantiles[quantileGrid.indexOf(nearest)], `${tau}`);
    }
  });
}

function snapshotPromises(fresh: (options?: ForecasterOptions) => Forecaster, horizonsMost: number): void {
  for (const { what, counts } of [
    { what: 'nothing', counts: [] },
    { what: 'a gap', counts: [null] },
    { what: 'one count', counts: [7] },
    { what: 'a morning', counts: noisyCounts(70) },
    {
      what: 'three weeks with gaps',
      counts: noisyCounts(24 * 21).map((count, slot) => (slot % 41 < 38 && slot % 200 > 14 ? count : null)),
    },
    { what: 'three weeks that end in a gap', counts: [...noisyCounts(24 * 21), null, null, null] },
  ]) {
    test(`continues bit-identically from its snapshot after ${what}`, () => {
      const [first, second] = [fresh(), fresh()];
      for (const [slot, count] of counts.entries()) first.observe(slot + 1000, count);
      const text = JSON.stringify(first.snapshot());
      second.observe(5, 5); // restore must replace this state
      second.restore(JSON.parse(text));
      assert.equal(JSON.stringify(second.snapshot()), text);
      for (const [i, count] of noisyCounts(200).entries()) {
        const slot = 1000 + counts.length + i + (i > 150 ? 30 : 0);
        first.observe(slot, count);
        second.observe(slot, count);
        for (const h of horizons) assert.deepEqual(values(second.predict(h)), values(first.predict(h)));
      }
    });
  }

  for (const { what, options, count } of [
    { what: 'minutes', options: { horizons: [1, 3, 5, 10] }, count: (random: SeededRandom) => Math.floor(1e5 * random.next()) },
    {
      what: `minutes and ${horizonsMost} horizons`,
      options: { horizons: Array.from({ length: horizonsMost }, (_, i) => i + 1) },
      count: (random: SeededRandom) => Math.floor(1e5 * random.next()),
    },
    {
      what: 'slots of ten seconds',
      options: { horizons: [1, 3, 10, 50], slotsPerDay: 8640 },
      count: (random: SeededRandom) => 20_000 + Math.floor(300 * random.next()),
    },
  ]) {
    test(`a snapshot of eight days of ${what} is less than 200 kB`, () => {
      const forecaster = fresh(options);
      const random = new SeededRandom(3);
      const slots = 8 * (options.slotsPerDay ?? 1440);
      for (let slot = 0; slot < slots + 100; slot++) forecaster.observe(29_000_000 + slot, count(random));
      const { length } = JSON.stringify(forecaster.snapshot());
      assert(length < 200_000, `${length}`);
    });
  }

  test('rejects a snapshot of another forecaster or other options, or a broken one, and is unchanged', () => {
    const forecaster = fresh();
    for (const [slot, count] of noisyCounts(100).entries()) forecaster.observe(slot, count);
    const own = forecaster.snapshot();
    const changed = (change: (state: Record<string, Record<string, unknown>>) => void): ForecasterSnapshot => {
      const copy = JSON.parse(JSON.stringify(own)) as ForecasterSnapshot;
      change(copy.state as Record<string, Record<string, unknown>>);
      return copy;
    };
    for (const [broken, message] of [
      [null, /broken/],
      ['text', /broken/],
      [{}, /another format/],
      [{ ...own, name: 'oracle' }, /another name .* expected ".*", got "oracle"/],
      [{ ...own, horizons: [1, 2] }, /another horizons than this forecaster: expected \[1,3,10\], got \[1,2\]/],
      [{ ...own, slotsPerDay: 1440 }, /another slotsPerDay/],
      [{ ...own, isSeasonal: false }, /another isSeasonal/],
      [{ ...own, state: null }, /broken/],
      [changed((state) => delete state['history']), /broken/],
      [changed((state) => (state['history'] = { ...state['history'], counts: 'AAAA' })), /expected 100 counts/],
      [changed((state) => (state['history'] = { ...state['history'], slot: 1e99 })), /broken/],
      [changed((state) => delete state['tracks']), /broken/],
    ] as const) {
      assert.throws(() => forecaster.restore(broken), { ...refused, message });
    }
    assert.deepEqual(forecaster.snapshot(), own);
  });
}

function values({ mean, quantiles, basis, residualsSeen }: Forecast): unknown {
  return { mean, quantiles, basis, residualsSeen };
}

/** Counts with a daily pattern of 24 slots and noise. */
function noisyCounts(length: number): number[] {
  const random = new SeededRandom(length);
  return Array.from({ length }, (_, slot) => Math.floor((80 + 60 * Math.sin((2 * Math.PI * slot) / 24)) * (0.5 + random.next())));
}
