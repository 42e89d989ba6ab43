/** Accuracy of the forecasters on recorded loads, compared with an independent first implementation. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { joinSlots, mmppCounts } from '../../test/load-generators.ts';
import { traceCounts } from '../../test/traces.ts';
import { SeededRandom } from '../random.ts';
import { createForecaster, type ForecasterName } from './create-forecaster.ts';

const horizons = [1, 5, 10];

interface Accuracy {
  /** √(mean squared error) / mean, in percent. */
  readonly nrmse: number;
  /** Sum of absolute errors / sum of counts, in percent. */
  readonly wape: number;
  /** Share of counts at or below their quantile .9, in percent. */
  readonly covered: number;
}

interface Load {
  readonly counts: readonly number[];
  readonly isSeasonal: boolean;
  /** Number of slots at the beginning that are used only for learning. */
  readonly warmUpSlots: number;
}

/** Errors at each horizon, over the slots after the warm-up. */
function accuracyOf(name: ForecasterName, { counts, isSeasonal, warmUpSlots }: Load): readonly Accuracy[] {
  const forecaster = createForecaster(name, { horizons, isSeasonal });
  const means = horizons.map(() => new Float64Array(counts.length + 10));
  const nineties = horizons.map(() => new Float64Array(counts.length + 10));
  for (const [slot, count] of counts.entries()) {
    forecaster.observe(slot, count);
    for (const [i, h] of horizons.entries()) {
      const forecast = forecaster.predict(h);
      (means[i] as Float64Array)[slot + h] = forecast.mean;
      (nineties[i] as Float64Array)[slot + h] = forecast.quantile(0.9);
    }
  }
  return horizons.map((_, i) => {
    let [squares, absolute, total, below] = [0, 0, 0, 0];
    for (let slot = warmUpSlots; slot < counts.length; slot++) {
      const count = counts[slot] as number;
      const error = count - (means[i]?.[slot] as number);
      squares += error ** 2;
      absolute += Math.abs(error);
      total += count;
      if (count <= (nineties[i]?.[slot] as number)) below++;
    }
    const slots = counts.length - warmUpSlots;
    return { nrmse: (100 * Math.sqrt(squares / slots)) / (total / slots), wape: (100 * absolute) / total, covered: (100 * below) / slots };
  });
}

/** Expected nRMSE and WAPE at 1, 5 and 10 slots ahead. */
type Row = readonly [ForecasterName, ...(readonly (readonly [number, number])[])];

/** Percentage points; the expected values are rounded to one decimal. */
const tolerance = 0.15;

function check(t: TestContext, load: Load, [name, ...expected]: Row): void {
  const measured = accuracyOf(name, load);
  const shown = measured.map(({ nrmse, wape, covered }) => `${nrmse.toFixed(2)}/${wape.toFixed(2)} (${covered.toFixed(1)})`);
  t.diagnostic(`${name}: nRMSE/WAPE (coverage of q.9) in % at 1, 5, 10 slots: ${shown.join('  ')}`);
  for (const [i, [nrmse, wape]] of expected.entries()) {
    const { nrmse: gotNrmse, wape: gotWape, covered } = measured[i] as Accuracy;
    assert(Math.abs(gotNrmse - nrmse) <= tolerance, `nRMSE ${horizons[i]} ahead: ${gotNrmse}, expected ${nrmse}`);
    assert(Math.abs(gotWape - wape) <= tolerance, `WAPE ${horizons[i]} ahead: ${gotWape}, expected ${wape}`);
    assert(covered > 85 && covered < 93, `q.9 ${horizons[i]} ahead covers ${covered} %`);
  }
}

describe('27 days of a web server (NASA, 1995), slots of a minute', () => {
  const counts = traceCounts('nasa_http_1995_per_minute.csv');
  assert(typeof counts !== 'string', `${String(counts)}`);
  const load: Load = { counts: counts.slice(0, 27 * 1440), isSeasonal: true, warmUpSlots: 4 * 1440 };
  const rows: readonly Row[] = [
    ['persistence', [38.8, 28.3], [46.6, 33.5], [48.6, 35.0]],
    ['seasonal-naive', [71.8, 49.8], [71.8, 49.8], [71.8, 49.8]],
    ['holt-winters', [35.1, 25.3], [43.1, 30.9], [47.3, 34.0]],
    ['rls-ar', [33.2, 24.0], [37.9, 27.0], [39.4, 28.1]],
  ];
  for (const row of rows) test(`${row[0]} reaches the reference accuracy`, (t) => check(t, load, row));
});

describe('22 days of messages (Twitter, 2021), slots of a minute', () => {
  const counts = traceCounts('twitter_2021-08_per_minute.csv');
  const rows: readonly Row[] = [
    ['persistence', [21.5, 7.0], [61.0, 21.3], [77.9, 30.3]],
    ['seasonal-naive', [72.0, 28.1], [72.0, 28.1], [72.0, 28.1]],
    ['holt-winters', [27.2, 10.8], [51.3, 23.2], [61.4, 30.9]],
    ['rls-ar', [18.7, 7.2], [48.9, 20.8], [56.9, 26.1]],
  ];
  for (const row of rows) {
    test(`${row[0]} reaches the reference accuracy, if the trace is available`, (t) => {
      if (typeof counts === 'string') t.diagnostic(`skipped: ${counts}`);
      else check(t, { counts, isSeasonal: true, warmUpSlots: 4 * 1440 }, row);
    });
  }
});

describe('6 days of a load that switches between two rates without a season', () => {
  const seconds = mmppCounts(new SeededRandom(7), 6 * 86_400, { ratePerSecond: [10, 80], meanStayS: [600, 180] });
  const load: Load = { counts: joinSlots(seconds, 60), isSeasonal: false, warmUpSlots: 3 * 1440 };
  const rows: readonly Row[] = [
    ['persistence', [70.4, 32.5], [129.5, 80.1]],
    ['rls-ar', [65.6, 40.8], [103.0, 77.0]],
  ];
  for (const row of rows) test(`${row[0]} reaches the reference accuracy`, (t) => check(t, load, row));
});
