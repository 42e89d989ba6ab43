import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { createForecaster, forecasterNames } from './create-forecaster.ts';

const horizons = [1, 3, 5, 10];
/** Some numbers in boxes, but no list and no object for each feature or quantile. */
const bytesMax = 500;

describe('the work of a slot', () => {
  for (const name of forecasterNames) {
    test(`${name}: four horizons with twelve quantiles take less than half a millisecond, and observing allocates next to nothing`, (t) => {
      const forecaster = createForecaster(name, { horizons });
      const random = new SeededRandom(1);
      const counts = Array.from({ length: 13_000 }, () => Math.floor(5000 * random.next()));
      let slot = 0;
      for (; slot < 9000; slot++) forecaster.observe(slot, counts[slot] as number);

      const startMs = performance.now();
      for (; slot < 11_000; slot++) {
        forecaster.observe(slot, counts[slot] as number);
        for (const h of horizons) forecaster.predict(h);
      }
      const stepMs = (performance.now() - startMs) / 2000;

      // Stretch by stretch, until one shows the compiled code, and is not disturbed by a collection of garbage (the use of the heap falls then).
      let grownBytes = Number.POSITIVE_INFINITY;
      for (let stretch = 0; stretch < 1000 && grownBytes > bytesMax * 100; stretch++) {
        const before = process.memoryUsage().heapUsed;
        for (const end = slot + 100; slot < end; slot++) forecaster.observe(slot, counts[slot % counts.length] as number);
        const grown = process.memoryUsage().heapUsed - before;
        if (grown >= 0) grownBytes = Math.min(grownBytes, grown);
      }

      t.diagnostic(`${name}: ${(1000 * stepMs).toFixed(1)} µs a step; an observation allocates ${grownBytes / 100} bytes`);
      assert(stepMs < 0.5, `${stepMs} ms`);
      assert(grownBytes <= bytesMax * 100, `${grownBytes / 100} bytes an observation`);
    });
  }
});
