/** The main of the thread that computes settings, so that the gateway's event loop never waits for them. */
import assert from 'node:assert/strict';
import { parentPort } from 'node:worker_threads';
import { SystemClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { type ChoiceOrder, chooseBatching } from './choose-batching.ts';
import type { ThreadAnswer } from './chooser.ts';

assert(parentPort !== null, 'this file is the main of a thread');
const port = parentPort;
const clock = new SystemClock();

port.on('message', (order: ChoiceOrder) => {
  const startMs = clock.nowMs();
  let answer: ThreadAnswer;
  try {
    answer = { choice: chooseBatching(order), computeMs: clock.nowMs() - startMs };
  } catch (error) {
    answer = { error: messageOf(error) };
  }
  port.postMessage(answer);
});
