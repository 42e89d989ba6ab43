/** Requests to the fixture with a configurable run time, used to keep a server busy. */

import type { Target } from '../client/target.ts';
import type { Json, WireReply } from '../client/wire.ts';
import { Skipped } from '../outcome.ts';

/** Long enough for later requests to arrive during the run. The second value is for slow machines. */
const longIterations = [60_000, 240_000];

/** A request of this many iterations, about 4 us each. Requests with different counts cannot be batched together. */
export function slowLoop(iterations: number, parameters?: Json): Json {
  return {
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1, 256], data: new Array(256).fill(0.5) },
      { name: 'iters', datatype: 'INT64', shape: [], data: [iterations] },
    ],
    parameters,
  };
}

/**
 * Starts a long run and resolves once the server is certainly busy with it; its response arrives later. Skips the case if the server
 * answers nothing else meanwhile, because queueing cannot be observed then.
 */
export async function occupyServer(target: Target, model: string): Promise<{ readonly answered: Promise<WireReply> }> {
  for (const iterations of longIterations) {
    let isOver = false;
    const answered = target.infer(model, slowLoop(iterations)).finally(() => {
      isOver = true;
    });
    // Prevents an unhandled rejection if the case fails before it awaits the response.
    answered.catch(() => undefined);
    // Once other connections are answered, the server has had time to read the first.
    for (let round = 0; round < 5; round++) await target.wire.send('/v2/health/live');
    if (!isOver) return { answered };
    await answered;
  }
  throw new Skipped('the server answers nothing else while a model runs');
}
