/** Entry point of the thread that computes settings, so computations never block the gateway's event loop. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { SystemClock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type ChoiceRequest, chooseBatching } from './choose-batching.ts';
import type { ChooserResponse } from './chooser.ts';

assert(parentPort !== null, 'this file is the entry point of a thread');
const port = parentPort;
const clock = new SystemClock();

port.on('message', (request: ChoiceRequest) => {
  const startMs = clock.nowMs();
  let answer: ChooserResponse;
  try {
    answer = { choice: chooseBatching(request), computeMs: clock.nowMs() - startMs };
  } catch (error) {
    answer = { error: messageOf(error) };
  }
  port.postMessage(answer);
});
