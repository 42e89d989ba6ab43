/** Compares formulas with simulations, as two independent computations of the same figures. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { type ArrivalProcess, markovian, mmpp2, poisson } from './arrivals/arrival-process.ts';
import { arrivalTimesMs } from './arrivals/generate-arrivals.ts';
import { latencyCdf, latencyQuantileMs } from './latency.ts';
import { costUsdPerMillion } from './search/cost.ts';
import { empiricalService, type FixedService, fixedService } from './service-law.ts';
import { AnalyticTables } from './waits/analytic-table.ts';
import { type BatchSetting, exactTable } from './waits/exact-model.ts';
import { predictAtServers } from './waits/servers.ts';
import { workConservingWaits } from './waits/work-conserving.ts';

interface Batch {
  readonly first: number;
  readonly size: number;
  readonly dispatchMs: number;
}

/** Reference: batches that are dispatched at the B-th request or T after the first. */
function batchesOf(timesMs: Float64Array, { batchSizeMax, waitMsMax }: BatchSetting): Batch[] {
  const batches: Batch[] = [];
  for (let first = 0; first < timesMs.length; ) {
    const endMs = (timesMs[first] as number) + waitMsMax;
    let size = 1;
    while (size < batchSizeMax && (timesMs[first + size] ?? Number.POSITIVE_INFINITY) <= endMs) size++;
    batches.push({ first, size, dispatchMs: size === batchSizeMax ? (timesMs[first + size - 1] as number) : endMs });
    first += size;
  }
  return batches;
}

/** Latencies in order of arrival. */
function latenciesMs(timesMs: Float64Array, batches: readonly Batch[], servers: number, serviceMs: (size: number) => number): Float64Array {
  const latencies = new Float64Array(timesMs.length);
  const freeMs = new Float64Array(Number.isFinite(servers) ? servers : 0);
  for (const { first, size, dispatchMs } of batches) {
    let startMs = dispatchMs;
    if (freeMs.length > 0) {
      const next = freeMs.indexOf(Math.min(...freeMs));
      startMs = Math.max(dispatchMs, freeMs[next] as number);
      freeMs[next] = startMs + serviceMs(size);
    }
    const endMs = startMs + serviceMs(size);
    for (let i = first; i < first + size; i++) latencies[i] = endMs - (timesMs[i] as number);
  }
  return latencies;
}

/** The mean of correlated values, and its standard error from 30 blocks, each much longer than the correlation. */
function estimate(values: ArrayLike<number>): { mean: number; error: number } {
  const blocks = 30;
  const length = Math.floor(values.length / blocks);
  const means = Array.from({ length: blocks }, (_, block) => {
    let sum = 0;
    for (let i = 0; i < length; i++) sum += values[block * length + i] as number;
    return sum / length;
  });
  const mean = means.reduce((a, b) => a + b, 0) / blocks;
  const variance = means.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (blocks - 1);
  return { mean, error: Math.sqrt(variance / blocks) };
}

function agrees(expected: number, values: ArrayLike<number>, what: string): void {
  const { mean, error } = estimate(values);
  assert(Math.abs(mean - expected) <= 3 * error + 1e-9, `${what}: expected ${expected}, simulated ${mean} ± ${error}`);
}

const quantileOf = (values: Float64Array, q: number): number => values.toSorted()[Math.ceil(q * values.length) - 1] as number;

const bursts = mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 });
const threePhases = markovian(
  [
    [-30, 4, 1],
    [0, -200, 10],
    [2, 3, -50],
  ],
  [
    [20, 5, 0],
    [30, 150, 10],
    [0, 0, 45],
  ],
);
const price = { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 1 };
const affine = fixedService((b) => 5.25 + 2 * b);

describe('the exact model agrees with a simulation of 300 000 requests', () => {
  for (const { name, process, setting, seed } of [
    { name: 'Poisson', process: poisson(200), setting: { batchSizeMax: 8, waitMsMax: 30 }, seed: 1 },
    { name: 'bursts, small batches', process: bursts, setting: { batchSizeMax: 8, waitMsMax: 50 }, seed: 2 },
    { name: 'bursts, large batches', process: bursts, setting: { batchSizeMax: 32, waitMsMax: 120 }, seed: 3 },
    { name: 'three phases', process: threePhases, setting: { batchSizeMax: 6, waitMsMax: 40 }, seed: 4 },
  ]) {
    test(name, () => {
      const timesMs = arrivalTimesMs(process, new SeededRandom(seed), 300_000);
      const batches = batchesOf(timesMs, setting);
      const latencies = latenciesMs(timesMs, batches, Number.POSITIVE_INFINITY, affine.serviceMs);
      const table = exactTable(process, setting);
      agrees(
        table.meanBatch,
        batches.map(({ size }) => size),
        'E[b]',
      );
      for (let b = 1; b <= setting.batchSizeMax; b += 3) {
        const share = batches.map(({ size }) => (size === b ? 1 : 0));
        agrees(table.batchSizePmf[b] as number, share, `p_${b}`);
      }
      for (const share of [0.2, 0.5, 0.8, 0.95]) {
        const ms = latencyQuantileMs(table, affine, share) - 0.01;
        agrees(
          latencyCdf(table, affine, ms),
          latencies.map((each) => (each <= ms ? 1 : 0)),
          `F(${ms} ms)`,
        );
      }
      const p95Ms = latencyQuantileMs(table, affine, 0.95);
      assert(Math.abs(quantileOf(latencies, 0.95) / p95Ms - 1) < 0.01, `p95 ${quantileOf(latencies, 0.95)}, expected ${p95Ms}`);
      // Cost per request is a ratio of means: batch cost minus predicted cost per request times batch size must average 0.
      const usd = costUsdPerMillion(table, affine, 2048, price) / 1e6;
      const call = (size: number): number => price.usdPerInvocation + price.usdPerGbSecond * 2 * (Math.ceil(affine.serviceMs(size)) / 1000);
      agrees(
        0,
        batches.map(({ size }) => (call(size) - usd * size) * 1e6),
        'cost',
      );
    });
  }
});

test('random service, cold starts and overhead match a simulation', () => {
  const random = new SeededRandom(11);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const drawMs = (size: number): number => (6 + 2 * size) * Math.exp(0.4 * normal());
  const sizes = [1, 2, 3, 4, 5, 6, 7, 8];
  const law = empiricalService(
    sizes.map((batchSize) => ({ batchSize, serviceMs: Array.from({ length: 20_000 }, () => drawMs(batchSize)) })),
  );
  const setting = { batchSizeMax: 8, waitMsMax: 40 };
  const table = new AnalyticTables(bursts, 8).at(40).of(8);
  const timesMs = arrivalTimesMs(bursts, random, 300_000);
  const extras = { overheadMs: 1.5, coldStartProbability: 0.02, coldStartMs: 60 };
  const latencies = new Float64Array(timesMs.length);
  for (const { first, size, dispatchMs } of batchesOf(timesMs, setting)) {
    const endMs = dispatchMs + drawMs(size) + extras.overheadMs + (random.next() < extras.coldStartProbability ? extras.coldStartMs : 0);
    for (let i = first; i < first + size; i++) latencies[i] = endMs - (timesMs[i] as number);
  }
  for (const quantile of [0.5, 0.9, 0.95, 0.99]) {
    const ms = latencyQuantileMs(table, law, quantile, extras);
    assert(
      Math.abs(quantileOf(latencies, quantile) / ms - 1) < 0.015,
      `p${100 * quantile}: ${quantileOf(latencies, quantile)}, expected ${ms}`,
    );
  }
});

describe('a few servers behind the buffer', () => {
  for (const { name, process, setting, servers, seed } of [
    { name: 'one server, half loaded', process: poisson(150), setting: { batchSizeMax: 8, waitMsMax: 30 }, servers: 1, seed: 21 },
    { name: 'four servers', process: poisson(800), setting: { batchSizeMax: 6, waitMsMax: 10 }, servers: 4, seed: 23 },
    {
      name: 'two servers, light bursts',
      process: mmpp2({ rate1PerSecond: 40, rate2PerSecond: 240, switch12PerSecond: 2, switch21PerSecond: 4 }),
      setting: { batchSizeMax: 8, waitMsMax: 30 },
      servers: 2,
      seed: 24,
    },
  ] satisfies readonly { name: string; process: ArrivalProcess; setting: BatchSetting; servers: number; seed: number }[]) {
    test(`${name}: the p95 is within 3 % of a simulation`, () => {
      const prediction = predictAtServers(process, setting, { servers, service: affine });
      assert(prediction.valid);
      const timesMs = arrivalTimesMs(process, new SeededRandom(seed), 300_000);
      const simulatedMs = quantileOf(latenciesMs(timesMs, batchesOf(timesMs, setting), servers, affine.serviceMs), 0.95);
      const p95Ms = prediction.latencyQuantileMs(0.95);
      assert(Math.abs(p95Ms / simulatedMs - 1) < 0.03, `predicted ${p95Ms}, simulated ${simulatedMs}, ρ ${prediction.utilisation}`);
      assert(prediction.latencyCdf(p95Ms) >= 0.95);
    });
  }

  test('without batching, waits behind fixed service times are overestimated by up to 15 %', () => {
    const prediction = predictAtServers(poisson(150), { batchSizeMax: 1, waitMsMax: 0 }, { servers: 2, service: affine });
    assert(prediction.valid);
    const timesMs = arrivalTimesMs(poisson(150), new SeededRandom(22), 300_000);
    const simulatedMs = quantileOf(latenciesMs(timesMs, batchesOf(timesMs, { batchSizeMax: 1, waitMsMax: 0 }), 2, affine.serviceMs), 0.95);
    const ratio = prediction.latencyQuantileMs(0.95) / simulatedMs;
    assert(ratio >= 1 && ratio < 1.15, `predicted / simulated: ${ratio}`);
  });

  test('reports when arrivals need more servers, and when bursts invalidate the approximation', () => {
    const setting = { batchSizeMax: 4, waitMsMax: 20 };
    const tooFew = predictAtServers(poisson(2000), setting, { servers: 2, service: affine });
    assert(!tooFew.valid && tooFew.utilisation > 1);
    assert.match(tooFew.reason, /2 servers are too few/);
    const bursty = predictAtServers(bursts, setting, { servers: 1, service: affine });
    assert(!bursty.valid && bursty.utilisation < 0.9, JSON.stringify(bursty));
    assert.match(bursty.reason, /busiest phase .* must be simulated/);
  });
});

/** Reference: one server that takes waiting requests as soon as it is idle. */
function latenciesAtOneServer(timesMs: Float64Array, batchSizeMax: number, { serviceMs }: FixedService): Float64Array {
  const latencies = new Float64Array(timesMs.length);
  let freeMs = 0;
  for (let first = 0; first < timesMs.length; ) {
    const startMs = Math.max(freeMs, timesMs[first] as number);
    let size = 1;
    while (size < batchSizeMax && (timesMs[first + size] ?? Number.POSITIVE_INFINITY) <= startMs) size++;
    freeMs = startMs + serviceMs(size);
    for (let i = first; i < first + size; i++) latencies[i] = freeMs - (timesMs[i] as number);
    first += size;
  }
  return latencies;
}

describe('one server that never waits for more requests', () => {
  for (const { ratePerSecond, batchSizeMax, seed } of [
    { ratePerSecond: 30, batchSizeMax: 8, seed: 31 },
    { ratePerSecond: 200, batchSizeMax: 8, seed: 32 },
    { ratePerSecond: 250, batchSizeMax: 8, seed: 33 },
    { ratePerSecond: 80, batchSizeMax: 1, seed: 34 },
  ]) {
    test(`${ratePerSecond}/s, B = ${batchSizeMax}: the p95 is within 1.5 % of a simulation, and the table is normalised`, () => {
      const waits = workConservingWaits({ ratePerSecond, batchSizeMax, service: affine });
      assert(waits.valid);
      const { table } = waits;
      const simulated = latenciesAtOneServer(arrivalTimesMs(poisson(ratePerSecond), new SeededRandom(seed), 300_000), batchSizeMax, affine);
      for (const quantile of [0.5, 0.95]) {
        const [predictedMs, simulatedMs] = [latencyQuantileMs(table, affine, quantile), quantileOf(simulated, quantile)];
        assert(Math.abs(predictedMs / simulatedMs - 1) < 0.015, `p${100 * quantile}: predicted ${predictedMs}, simulated ${simulatedMs}`);
      }
      assert(Math.abs(table.batchSizePmf.reduce((a, b) => a + b, 0) - 1) < 1e-9);
      for (let b = 1; b <= batchSizeMax; b++) {
        assert(Math.abs(table.requestsWithin(b, 1e9) - b * (table.batchSizePmf[b] as number)) < 1e-9);
      }
    });
  }

  test('reports that one server is not enough', () => {
    const waits = workConservingWaits({ ratePerSecond: 1000, batchSizeMax: 8, service: affine });
    assert(!waits.valid);
    assert.match(waits.reason, /one server is too few: full batches load it to 266 %/);
  });
});
