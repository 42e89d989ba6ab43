/** Runs a load in a thread of its own, so that the server's event loop does not wait for its own client. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { postRequest } from './http-connection.ts';
import { runOpenLoop } from './open-loop.ts';
import type { LoadOrder, LoadReport } from './run-load.ts';

const order = workerData as LoadOrder;
const url = new URL(order.url);
const requests = order.bodies.map((body) => postRequest(url, body, { 'Content-Type': 'application/json' }));
const answers: string[] = [];
const { latenciesMs, failures, elapsedMs } = await runOpenLoop({
  clock: new SystemClock(),
  host: url.hostname.replace(/^\[|\]$/g, ''),
  port: Number(url.port),
  arrivalsMs: order.arrivalsMs,
  requestOf: (i) => requests[i % requests.length] as Buffer,
  ...(order.wantsAnswers ? { onAnswer: (i, body) => void (answers[i] = body.toString()) } : {}),
  connections: order.connections,
});
assert(parentPort !== null, 'this file is the main of a thread');
parentPort.postMessage({ latenciesMs, failures: [...failures], elapsedMs, answers } satisfies LoadReport);
