/** Evaluates queries together: measured series, and expressions over them and each other. */
import { PlatformError } from '../../errors.ts';
import { parseMath } from './metric-math.ts';
import type { MathRange, MathSeries } from './value.ts';

/** An expression. It can refer to other queries by their ids. */
export interface ExpressionQuery {
  readonly id: string;
  readonly expression: string;
  /** Seconds; of an expression without metrics. */
  readonly periodS: number;
  /** The requested span for a given period. */
  readonly spanOf: (periodS: number) => MathRange;
}

/** All series by id. Expressions can refer to later ones, but not to themselves. Throws `invalid_request` that names the query. */
export function withExpressions(
  measured: ReadonlyMap<string, MathSeries>,
  expressions: readonly ExpressionQuery[],
): Map<string, MathSeries> {
  const known = new Map(measured);
  const names = new Set(measured.keys());
  let waiting = expressions.map((query) => ({ query, math: withQueryId(query.id, () => parseMath(query.expression)) }));
  const all = new Set([...names, ...expressions.map(({ id }) => id)]);
  for (const { query, math } of waiting) {
    const missing = [...math.ids].find((id) => !all.has(id));
    if (missing !== undefined) throw wrong(query.id, `no query has the id '${missing}'`);
  }
  while (waiting.length > 0) {
    const ready = waiting.filter(({ math }) => [...math.ids].every((id) => known.has(id)));
    const [first] = waiting;
    if (ready.length === 0 && first !== undefined) throw wrong(first.query.id, 'it depends on itself');
    for (const { query, math } of ready) {
      const { id, periodS, spanOf } = query;
      known.set(
        id,
        withQueryId(id, () => math.evaluate({ series: known, measured: names, periodS, spanOf })),
      );
    }
    waiting = waiting.filter((each) => !ready.includes(each));
  }
  return known;
}

function withQueryId<T>(id: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof PlatformError) || error.code !== 'invalid_request') throw error;
    throw new PlatformError('invalid_request', `Error in expression '${id}': ${error.message}`, { cause: error });
  }
}

function wrong(id: string, what: string): PlatformError {
  return new PlatformError('invalid_request', `Error in expression '${id}': ${what}`);
}
