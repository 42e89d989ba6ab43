/** The main of a thread that runs one simulation. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { asPlatformError } from '../errors.ts';
import type { ThreadAnswer } from './simulate.ts';
import { Simulation } from './simulation.ts';
import type { SimulationOrder } from './simulation-order.ts';

assert(parentPort !== null, 'this file is the main of a thread');
// Requests that are given up are counted, not read.
Error.stackTraceLimit = 0;
let answer: ThreadAnswer;
try {
  answer = { result: await new Simulation(workerData as SimulationOrder).run() };
} catch (error) {
  const { code, message } = asPlatformError(error);
  answer = { error: { code, message } };
}
parentPort.postMessage(answer);
