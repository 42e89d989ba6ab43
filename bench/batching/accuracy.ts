/** Compares the exact model with a simulation of the serving rule: latency and cost of several settings of B and T. */
import {
  type ArrivalProcess,
  arrivalTimesMs,
  callUsd,
  costUsdPerMillion,
  empiricalService,
  exactTable,
  fixedService,
  latencyQuantileMs,
  mmpp2,
  poisson,
  simulateBatching,
} from '../../src/queueing/index.ts';
import { SeededRandom } from '../../src/random.ts';
import { price, spread } from './service.ts';

export interface Accuracy {
  readonly arrivals: string;
  readonly batchSizeMax: number;
  readonly waitMsMax: number;
  readonly cv: number;
  readonly requests: number;
  readonly modelP95Ms: number;
  readonly simulatedP95Ms: number;
  readonly p95ErrorPercent: number;
  readonly costErrorPercent: number;
}

const bursts = (rate1PerSecond: number, rate2PerSecond: number, switch12PerSecond: number, switch21PerSecond: number): ArrivalProcess =>
  mmpp2({ rate1PerSecond, rate2PerSecond, switch12PerSecond, switch21PerSecond });

const processes: Readonly<Record<string, ArrivalProcess>> = {
  'Poisson 20/s': poisson(20),
  'Poisson 150/s': poisson(150),
  'Poisson 1,000/s': poisson(1000),
  'MMPP 10, 120/s': bursts(10, 120, 0.5, 2),
  'MMPP 20, 400/s': bursts(20, 400, 1, 4),
  'MMPP 50, 1,000/s': bursts(50, 1000, 5, 20),
};

const settings: readonly (readonly [string, number, number, number])[] = [
  ['Poisson 20/s', 1, 0, 0],
  ['Poisson 20/s', 4, 120, 0],
  ['Poisson 20/s', 16, 500, 0],
  ['Poisson 150/s', 2, 10, 0],
  ['Poisson 150/s', 11, 74, 0],
  ['Poisson 150/s', 32, 250, 0],
  ['Poisson 1,000/s', 4, 2, 0],
  ['Poisson 1,000/s', 16, 10, 0],
  ['Poisson 1,000/s', 32, 30, 0],
  ['MMPP 10, 120/s', 4, 50, 0],
  ['MMPP 10, 120/s', 8, 100, 0],
  ['MMPP 10, 120/s', 32, 500, 0],
  ['MMPP 20, 400/s', 2, 5, 0],
  ['MMPP 20, 400/s', 10, 90, 0],
  ['MMPP 20, 400/s', 16, 30, 0],
  ['MMPP 20, 400/s', 32, 300, 0],
  ['MMPP 50, 1,000/s', 8, 20, 0],
  ['MMPP 50, 1,000/s', 16, 60, 0],
  ['MMPP 50, 1,000/s', 32, 100, 0],
  ['MMPP 50, 1,000/s', 32, 500, 0],
  ['Poisson 150/s', 11, 74, 0.3],
  ['Poisson 1,000/s', 16, 10, 0.3],
  ['MMPP 20, 400/s', 10, 90, 0.3],
  ['MMPP 50, 1,000/s', 32, 100, 0.3],
];

const chunk = 250_000;
const memoryMiB = 2048;
const meanMs = (rows: number): number => 5 + 2 * rows;
const quantile = 0.95;

export function accuracies(requests: number, say: (text: string) => void): Accuracy[] {
  return settings.map(([arrivals, batchSizeMax, waitMsMax, cv], i) => {
    say(`accuracy ${i + 1} of ${settings.length}: ${arrivals}, B = ${batchSizeMax}, T = ${waitMsMax} ms, cv ${cv}`);
    return accuracyOf(arrivals, batchSizeMax, waitMsMax, cv, requests);
  });
}

function accuracyOf(arrivals: string, batchSizeMax: number, waitMsMax: number, cv: number, requests: number): Accuracy {
  const process = processes[arrivals] as ArrivalProcess;
  const law = lawOf(batchSizeMax, cv);
  const random = new SeededRandom(17);
  const latencies = new Float64Array(Math.ceil(requests / chunk) * chunk);
  let usd = 0;
  for (let at = 0; at < latencies.length; at += chunk) {
    const run = simulateBatching(
      arrivalTimesMs(process, random, chunk),
      { policy: { kind: 'timeout', batchSizeMax, waitMsMax }, latencyMs: 0 },
      { concurrencyMax: Number.POSITIVE_INFINITY, coldStartMs: 0, keepAliveMs: 0, drawServiceMs: (rows) => law.draw(rows, random.next()) },
      random,
    );
    latencies.set(run.latenciesMs, at);
    for (const { rows, serviceMs } of run.batches)
      usd += callUsd(
        rows,
        fixedService(() => serviceMs),
        memoryMiB,
        price,
      );
  }
  latencies.sort();
  const table = exactTable(process, { batchSizeMax, waitMsMax });
  const modelP95Ms = latencyQuantileMs(table, law.service, quantile);
  const simulatedP95Ms = latencies[Math.ceil(quantile * latencies.length) - 1] as number;
  const modelCost = costUsdPerMillion(table, law.service, memoryMiB, price);
  return {
    arrivals,
    batchSizeMax,
    waitMsMax,
    cv,
    requests: latencies.length,
    modelP95Ms,
    simulatedP95Ms,
    p95ErrorPercent: 100 * (modelP95Ms / simulatedP95Ms - 1),
    costErrorPercent: 100 * (modelCost / ((1e6 * usd) / latencies.length) - 1),
  };
}

/** Draws service times from the samples that the model gets, so that the result shows the model's error and not sampling error. */
function lawOf(batchSizeMax: number, cv: number) {
  if (cv === 0) return { service: fixedService(meanMs), draw: meanMs };
  const random = new SeededRandom(23);
  const samples = Array.from({ length: batchSizeMax }, (_, i) =>
    Float64Array.from({ length: 1000 }, () => meanMs(i + 1) * spread(cv, random)),
  );
  return {
    service: empiricalService(samples.map((serviceMs, i) => ({ batchSize: i + 1, serviceMs }))),
    draw: (rows: number, uniform: number) => (samples[rows - 1] as Float64Array)[Math.floor(uniform * 1000)] as number,
  };
}
