/** Queries together: series that were measured, and expressions over them and over each other. */
import { PlatformError } from '../../errors.ts';
import { parseMath } from './metric-math.ts';
import type { Series, Span } from './value.ts';

export interface ExpressionQuery {
  readonly id: string;
  readonly expression: string;
  /** Seconds; of what stands on no metric. */
  readonly periodS: number;
  /** What was asked for, of periods of so many seconds. */
  readonly spanOf: (periodS: number) => Span;
}

/**
 * All series by their ids. An expression may stand on others that come later, but not on itself. Throws `invalid_request` that names the
 * query.
 */
export function withExpressions(measured: ReadonlyMap<string, Series>, expressions: readonly ExpressionQuery[]): Map<string, Series> {
  const known = new Map(measured);
  const names = new Set(measured.keys());
  let waiting = expressions.map((query) => ({ query, math: told(query.id, () => parseMath(query.expression)) }));
  const all = new Set([...names, ...expressions.map(({ id }) => id)]);
  for (const { query, math } of waiting) {
    const missing = [...math.ids].find((id) => !all.has(id));
    if (missing !== undefined) throw wrong(query.id, `there is no '${missing}' among the queries`);
  }
  while (waiting.length > 0) {
    const ready = waiting.filter(({ math }) => [...math.ids].every((id) => known.has(id)));
    const [first] = waiting;
    if (ready.length === 0 && first !== undefined) throw wrong(first.query.id, 'it stands on itself');
    for (const { query, math } of ready) {
      const { id, periodS, spanOf } = query;
      known.set(
        id,
        told(id, () => math.evaluate({ series: known, measured: names, periodS, spanOf })),
      );
    }
    waiting = waiting.filter((each) => !ready.includes(each));
  }
  return known;
}

function told<T>(id: string, run: () => T): T {
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
