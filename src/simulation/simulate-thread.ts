/** Entry point of a thread that runs one simulation. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { asPlatformError } from '../errors.ts';
import type { SimulationResponse } from './simulate.ts';
import { Simulation } from './simulation.ts';
import type { SimulationSpec } from './simulation-spec.ts';

assert(parentPort !== null, 'this file is the entry point of a thread');
// Errors of dropped requests are counted but never printed, so their stack traces would only cost time.
Error.stackTraceLimit = 0;
let answer: SimulationResponse;
try {
  answer = { result: await new Simulation(workerData as SimulationSpec).run() };
} catch (error) {
  const { code, message } = asPlatformError(error);
  answer = { error: { code, message } };
}
parentPort.postMessage(answer);
