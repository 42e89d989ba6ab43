/** Requests to the fixture whose service time its caller sets, and a server that is busy with one. */
import { Skipped } from '../outcome.ts';
import type { Target } from '../target.ts';
import type { Json, Reply } from '../wire.ts';

/** Long enough that what follows comes while it runs; more where the machine has too much to do for that. */
const longIterations = [60_000, 240_000];

/** A request of so many iterations, about 4 us each. Different numbers of them cannot share a batch. */
export function loop(iterations: number, parameters?: Json): Json {
  return {
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1, 256], data: new Array(256).fill(0.5) },
      { name: 'iters', datatype: 'INT64', shape: [], data: [iterations] },
    ],
    parameters,
  };
}

/**
 * Starts a long run, and resolves once the server is surely busy with it; the answer comes later. Skips the case where the server answers
 * nothing else meanwhile: what waits behind a run cannot be seen there.
 */
export async function occupy(target: Target, model: string): Promise<{ readonly answered: Promise<Reply> }> {
  for (const iterations of longIterations) {
    let isOver = false;
    const answered = target.infer(model, loop(iterations)).finally(() => {
      isOver = true;
    });
    // A case that fails before it looks at the answer must not leave a rejection that nobody hears.
    answered.catch(() => undefined);
    // Answers on other connections show that the server has had time to read the first.
    for (let round = 0; round < 5; round++) await target.wire.send('/v2/health/live');
    if (!isOver) return { answered };
    await answered;
  }
  throw new Skipped('the server answers nothing else while a model runs');
}
