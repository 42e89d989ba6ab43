/**
 * Whether some order of single steps explains what concurrent calls answered (Herlihy and Wing, 1990), found by the search of Wing and Gong
 * (1993) with Lowe's memory of positions that were tried before (2017).
 */

/** A call and its answer. */
export interface Call<Input, Output> {
  readonly input: Input;
  /** Undefined if the outcome is unknown: the call may have taken effect, at any later time, or not. */
  readonly output: Output | undefined;
  /** Any clock, as long as it is one for all. */
  readonly beganAt: number;
  readonly endedAt: number;
}

/** What one call does alone. States are values: a step changes none, it returns the next one. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State;
  step(state: State, input: Input): { readonly state: State; readonly output: Output };
  /** Equal for equal states, and for equal outputs. */
  keyOf(value: State | Output): string;
}

interface Position<State> {
  /** All calls before this one are done. */
  readonly low: number;
  /** Calls after it that are done. */
  readonly ahead: ReadonlySet<number>;
  readonly state: State;
}

/** Null if the history is linearizable. Otherwise a description of how far an explanation reaches. */
export function whyNotLinearizable<State, Input, Output>(
  history: readonly Call<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): string | null {
  const calls = history.toSorted((one, other) => one.beganAt - other.beganAt);
  const tried = new Set<string>();
  const positions: Position<State>[] = [{ low: 0, ahead: new Set(), state: model.initial }];
  let furthest = positions[0] as Position<State>;
  for (let position = positions.pop(); position !== undefined; position = positions.pop()) {
    if (isComplete(calls, position)) return null;
    if (position.low + position.ahead.size > furthest.low + furthest.ahead.size) furthest = position;
    for (const next of nextOf(calls, position)) {
      const { input, output } = calls[next] as Call<Input, Output>;
      const step = model.step(position.state, input);
      if (output !== undefined && model.keyOf(step.output) !== model.keyOf(output)) continue;
      const after = advance(position, next, step.state);
      const key = `${after.low} ${[...after.ahead].sort((a, b) => a - b).join(',')} ${model.keyOf(after.state)}`;
      if (tried.has(key)) continue;
      tried.add(key);
      positions.push(after);
    }
  }
  const stuck = nextOf(calls, furthest).map((next) => JSON.stringify(calls[next]));
  return `after ${furthest.low + furthest.ahead.size} of ${calls.length} calls, in ${model.keyOf(furthest.state)}, none of ${stuck.join(' or ')} can be next`;
}

/** Calls that may be next: those that began before any other open call ended. */
function nextOf<Input, Output>(calls: readonly Call<Input, Output>[], { low, ahead }: Position<unknown>): number[] {
  const open: number[] = [];
  let firstEnd = Number.POSITIVE_INFINITY;
  for (let i = low; i < calls.length; i++) {
    const { beganAt, endedAt, output } = calls[i] as Call<Input, Output>;
    if (beganAt > firstEnd) break;
    if (ahead.has(i)) continue;
    open.push(i);
    if (output !== undefined) firstEnd = Math.min(firstEnd, endedAt);
  }
  return open.filter((i) => (calls[i] as Call<Input, Output>).beganAt <= firstEnd);
}

function advance<State>({ low, ahead }: Position<State>, next: number, state: State): Position<State> {
  const after = new Set(ahead).add(next);
  let from = low;
  while (after.delete(from)) from++;
  return { low: from, ahead: after, state };
}

function isComplete<Input, Output>(calls: readonly Call<Input, Output>[], { low, ahead }: Position<unknown>): boolean {
  for (let i = low; i < calls.length; i++) if (!ahead.has(i) && calls[i]?.output !== undefined) return false;
  return true;
}
