import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { createForecaster, forecasterNames } from './create-forecaster.ts';

const horizons = [1, 3, 5, 10];
/** Bytes per observation: allows a few boxed numbers, but no list or object per feature or quantile. */
const bytesMax = 500;

describe('the cost of a slot', () => {
  for (const name of forecasterNames) {
    test(`${name}: four horizons with twelve quantiles take less than half a millisecond of the processor, and an observation allocates almost nothing`, (t) => {
      const forecaster = createForecaster(name, { horizons });
      const random = new SeededRandom(1);
      const counts = Array.from({ length: 13_000 }, () => Math.floor(5000 * random.next()));
      let slot = 0;
      for (; slot < 9000; slot++) forecaster.observe(slot, counts[slot] as number);

      const before = process.threadCpuUsage();
      for (; slot < 11_000; slot++) {
        forecaster.observe(slot, counts[slot] as number);
        for (const h of horizons) forecaster.predict(h);
      }
      const { user, system } = process.threadCpuUsage(before);
      const stepMs = (user + system) / 1000 / 2000;

      // Repeats until one measurement runs compiled code without a garbage collection, which would reduce heap use.
      let grownBytes = Number.POSITIVE_INFINITY;
      for (let stretch = 0; stretch < 1000 && grownBytes > bytesMax * 100; stretch++) {
        const heldBytes = process.memoryUsage().heapUsed;
        for (const end = slot + 100; slot < end; slot++) forecaster.observe(slot, counts[slot % counts.length] as number);
        const grown = process.memoryUsage().heapUsed - heldBytes;
        if (grown >= 0) grownBytes = Math.min(grownBytes, grown);
      }

      t.diagnostic(`${name}: ${(1000 * stepMs).toFixed(1)} µs a step; an observation allocates ${grownBytes / 100} bytes`);
      assert(stepMs < 0.5, `${stepMs} ms`);
      assert(grownBytes <= bytesMax * 100, `${grownBytes / 100} bytes an observation`);
    });
  }
});
