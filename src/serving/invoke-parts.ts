/** A call of many rows as the requests it is cut into: no more than a batch each, a few at a time. */
import { cutRows, type Invocation } from '../codecs/index.ts';
import { asPlatformError, type PlatformError } from '../errors.ts';
import { type InferenceCall, type InferenceResult, type Route, WholeCall } from './request.ts';
import type { Serving } from './serving.ts';

/** What runs as one request. */
export interface Part extends Invocation {
  /** Which of the invocations it is a part of. */
  readonly of: number;
}

/** Cuts invocations into parts in their order. Throws `invalid_request` for rows without elements. */
export function partsOf({ batchable, batchSizeMax, signature }: Route, invocations: readonly Invocation[]): readonly Part[] {
  const rowsMax = batchable ? Math.max(batchSizeMax, 1) : Number.POSITIVE_INFINITY;
  return invocations.flatMap((each, of) => cutRows(each, signature.inputs, rowsMax).map((part) => ({ ...part, of })));
}

export interface PartsTaker {
  /** The answer to a part, encoded in the moment it comes: its tensors may be overwritten after. Parts come in any order. */
  take(part: number, result: InferenceResult, rows: number): void;
  /** All parts were taken, or the first failure has ended the rest. Called once. */
  end(error: PlatformError | null): void;
}

export type Door = Pick<Serving, 'invoke'> & { endpoint(name: string): ReturnType<Serving['endpoint']> };

/** Serves the parts as one call. The answer cancels it: the client is gone, and nobody is told anything more. */
export function invokeParts(
  serving: Door,
  route: Route,
  parts: readonly Part[],
  call: Omit<InferenceCall, 'inputs' | 'rows'>,
  taker: PartsTaker,
): () => void {
  const cancels = new Set<() => void>();
  const rowsOf = ({ rows }: Part): number => (route.batchable ? rows : 1);
  const whole = parts.length <= 1 ? null : new WholeCall(sum(parts.map(rowsOf)), parts.length);
  const shared = whole === null ? call : { ...call, whole };
  let next = 0;
  let isOver = false;
  const close = (how: WholeCall['end']): void => {
    isOver = true;
    if (whole !== null) whole.end ??= how;
    for (const cancel of cancels) cancel();
    cancels.clear();
  };
  const fail = (error: unknown): void => {
    if (isOver) return;
    const failure = asPlatformError(error);
    close(failure);
    taker.end(failure);
  };
  const start = (): void => {
    const part = next++;
    const cut = parts[part] as Part;
    const { inputs, rows } = cut;
    let isSettled = false;
    let cancel: (() => void) | null = null;
    try {
      cancel = serving.invoke(route, { ...shared, inputs, rows: rowsOf(cut) }, (outcome) => {
        isSettled = true;
        if (cancel !== null) cancels.delete(cancel);
        if (isOver) return;
        if (!outcome.ok) return fail(outcome.error);
        try {
          taker.take(part, outcome.result, rows);
        } catch (error) {
          return fail(error);
        }
        if (next < parts.length) start();
        else if (cancels.size === 0) {
          close('ok');
          taker.end(null);
        }
      });
      if (!isSettled) cancels.add(cancel);
    } catch (error) {
      fail(error);
    }
  };
  for (let lanes = lanesFor(serving, route, parts.length); lanes > 0 && !isOver; lanes--) start();
  return () => close('cancelled');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** A few at a time, so that a long file does not fill the buffer alone. */
function lanesFor(serving: Door, route: Route, parts: number): number {
  if (parts <= 1) return parts;
  const served = serving.endpoint(route.endpoint)?.variants.find(({ name }) => name === route.variant);
  const instances = served?.executors.filter(({ isFunction }) => !isFunction).length ?? 0;
  // A long file is no reason to pay for functions where there are instances.
  const executors = instances > 0 ? instances : (served?.functions?.config.maxConcurrency ?? 1);
  return Math.min(parts, 2 * Math.max(executors, 1));
}
