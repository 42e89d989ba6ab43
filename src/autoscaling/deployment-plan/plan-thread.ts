/** The main of the thread that plans deployments, so that the gateway's event loop never waits for a slider. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { ThreadAnswer } from '../chooser.ts';
import { planDeployment } from './plan-deployment.ts';
import type { DeploymentOrder, DeploymentPlan } from './plan-order.ts';

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;
const clock = new SystemClock();

port.on('message', (order: DeploymentOrder) => {
  const startMs = clock.nowMs();
  let answer: ThreadAnswer<DeploymentPlan>;
  try {
    answer = { choice: planDeployment(order), computeMs: clock.nowMs() - startMs };
  } catch (error) {
    answer = { error: messageOf(error) };
  }
  port.postMessage(answer);
});
