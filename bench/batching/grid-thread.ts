/** Entry point of the timed thread: a choice among 9,600 settings with fixed waits, or 320 under the slack rule. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { arrivalTimesMs, type ChoiceInput, choose, mmpp2, poisson } from '../../src/queueing/index.ts';
import { SeededRandom } from '../../src/random.ts';
import { price, profiles } from './service.ts';

export interface GridTiming {
  readonly name: string;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly considered: number;
  readonly evaluated: number;
}

const timed = 15;
const warmUps = 5;

const processes = {
  Poisson: poisson(150),
  MMPP: mmpp2({ rate1PerSecond: 20, rate2PerSecond: 400, switch12PerSecond: 1, switch21PerSecond: 4 }),
};

function time(name: string, input: ChoiceInput): GridTiming {
  const times: number[] = [];
  let candidates = { considered: 0, evaluated: 0 };
  for (let i = 0; i < warmUps + timed; i++) {
    const startMs = performance.now();
    const choice = choose(input);
    if (i >= warmUps) times.push(performance.now() - startMs);
    if (choice.kind === 'chosen') candidates = choice.candidates;
  }
  times.sort((a, b) => a - b);
  const { considered, evaluated } = candidates;
  return { name, medianMs: times[Math.floor(timed / 2)] as number, worstMs: times.at(-1) as number, considered, evaluated };
}

assert(parentPort !== null, 'this file is the entry point of a worker thread');
const timings: GridTiming[] = [];
for (const cv of [0, 0.2]) {
  for (const [arrivals, process] of Object.entries(processes)) {
    for (const kind of ['batch', 'slack'] as const) {
      const recordedMs = arrivalTimesMs(process, new SeededRandom(5), 5000);
      timings.push(
        time(`${kind}, ${arrivals}, ${cv === 0 ? 'fixed' : 'measured'} service times`, {
          policy: { kind },
          profiles: profiles(cv, new SeededRandom(99)),
          price,
          objective: { percentile: 95, latencyMs: 150 },
          marginMs: 0,
          coldStart: { probability: 0, ms: 0 },
          arrivals: { recordedMs, process },
          current: null,
        }),
      );
    }
  }
}
parentPort.postMessage(timings);
