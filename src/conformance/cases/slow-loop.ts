/** Requests to the fixture whose service time its caller sets, and a server that is busy with one. */
import type { Target } from '../target.ts';
import type { Json, Reply } from '../wire.ts';

/** Long enough that what follows comes while it runs. */
const longIterations = 60_000;

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

/** Starts a long run, and resolves once the server is surely busy with it; the answer comes later. */
export async function occupy(target: Target, model: string): Promise<{ readonly answered: Promise<Reply> }> {
  const answered = target.infer(model, loop(longIterations));
  // A case that fails before it looks at the answer must not leave a rejection that nobody hears.
  answered.catch(() => undefined);
  // Answers on other connections show that the server has had time to read the first.
  for (let round = 0; round < 5; round++) await target.wire.send('/v2/health/live');
  return { answered };
}
