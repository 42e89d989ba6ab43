/** Entry point of the thread that plans deployments, so plans never block the gateway's event loop. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { ChooserResponse } from '../batching/chooser.ts';
import { planDeployment } from './plan-deployment.ts';
import type { DeploymentPlan, DeploymentPlanRequest } from './plan-types.ts';

assert(parentPort !== null, 'this file is the entry point of a thread');
const port = parentPort;
const clock = new SystemClock();

port.on('message', (request: DeploymentPlanRequest) => {
  const startMs = clock.nowMs();
  let answer: ChooserResponse<DeploymentPlan>;
  try {
    answer = { choice: planDeployment(request), computeMs: clock.nowMs() - startMs };
  } catch (error) {
    answer = { error: messageOf(error) };
  }
  port.postMessage(answer);
});
