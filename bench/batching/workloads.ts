/** Arrivals of the batching benchmarks: synthetic with a seed, and recorded. */
import { readFileSync } from 'node:fs';
import { arrivalTimesMs, mmpp2, poisson } from '../../src/queueing/index.ts';
import { exponentialMs, type Random, SeededRandom } from '../../src/random.ts';

export interface Workload {
  readonly name: string;
  readonly arrivalsMs: Float64Array;
}

/** Speed-up of recorded arrivals, which have only a few requests per second. */
const timesFaster = 20;
/** Each slot of the function trace is played in ten seconds, at 50 requests per second on average. */
const slotMs = 10_000;
const slotsPlayed = 70;
const meanPerSecond = 50;

export function workloads(): Workload[] {
  const switching = { switch12PerSecond: 1, switch21PerSecond: 4 };
  const slow = { switch12PerSecond: 0.2, switch21PerSecond: 1 };
  return [
    { name: 'Poisson, 150/s', arrivalsMs: arrivalTimesMs(poisson(150), new SeededRandom(1), 35_000) },
    {
      name: 'MMPP 20 and 400/s, 1 s and 250 ms',
      arrivalsMs: arrivalTimesMs(mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, ...switching }), new SeededRandom(2), 35_000),
    },
    {
      name: 'MMPP 10 and 120/s, 5 s and 1 s',
      arrivalsMs: arrivalTimesMs(mmpp2({ rate1PerSecond: 10, rate2PerSecond: 120, ...slow }), new SeededRandom(3), 35_000),
    },
    { name: `Azure chat 2023, ${timesFaster} x as fast`, arrivalsMs: recorded('azure_llm_2023_conv.csv') },
    { name: `Azure code 2023, ${timesFaster} x as fast`, arrivalsMs: recorded('azure_llm_2023_code.csv') },
    { name: 'Azure function 2019, bursty, 50/s', arrivalsMs: slots('azurefunc2019_bursty.csv', new SeededRandom(4)) },
  ];
}

function lines(file: string): number[] {
  const text = readFileSync(new URL(`../traces/${file}`, import.meta.url), 'utf8');
  return text.trim().split('\n').slice(1).map(Number);
}

function recorded(file: string): Float64Array {
  return Float64Array.from(lines(file), (ms) => ms / timesFaster);
}

/** Poisson arrivals within each slot. */
function slots(file: string, random: Random): Float64Array {
  const rates = lines(file).slice(0, slotsPlayed);
  const perSecond = meanPerSecond / (rates.reduce((sum, rate) => sum + rate, 0) / rates.length);
  const times: number[] = [];
  for (const [slot, rate] of rates.entries()) {
    if (rate === 0) continue;
    for (let ms = exponentialMs(random, rate * perSecond); ms < slotMs; ms += exponentialMs(random, rate * perSecond))
      times.push(slot * slotMs + ms);
  }
  return Float64Array.from(times);
}
