/** Splits a call with many rows into requests of at most one batch each, and serves a few at a time. */
import { cutRows, type RowInvocation, type RowLimits } from '../../codecs/index.ts';
import { asPlatformError, type PlatformError } from '../../errors.ts';
import { type InferenceCall, type InferenceOutcome, type InferenceResult, type ServedRoute, SplitCall } from '../request.ts';
import type { ServedView } from '../traffic/served-view.ts';

/** A part of a call that runs as one request. */
export interface InvocationPart extends RowInvocation {
  /** Index of the invocation that it belongs to. */
  readonly of: number;
}

/** Splits invocations into parts of at most one batch, in order. Throws `invalid_request` for rows without elements. */
export function partsOf(
  { batchable, batchSizeMax, signature }: ServedRoute,
  invocations: readonly RowInvocation[],
): readonly InvocationPart[] {
  const rowsMax = batchable ? Math.max(batchSizeMax, 1) : Number.POSITIVE_INFINITY;
  return invocations.flatMap((each, of) => cutRows(each, signature.inputs, rowsMax).map((part) => ({ ...part, of })));
}

/** Limit of the first dimension of an unbatched model: it is a length (of an audio clip, for example), not a number of rows. */
const lengthMax = 16 * 2 ** 20;
const realTimeRowsMax = 65_536;

/**
 * Row limits of calls with a waiting client; larger inputs belong into a batch transform. Each request of a call costs the event
 * loop some microseconds.
 */
export function realTimeRows({ batchable }: Pick<ServedRoute, 'batchable'>): RowLimits {
  return { rowsMax: batchable ? realTimeRowsMax : lengthMax, requestsMax: 4096 };
}

/** Row limits of asynchronous requests, by the model's largest batch. */
export function asyncRows({ batchable, batchSizeMax }: Pick<ServedRoute, 'batchable' | 'batchSizeMax'>): RowLimits {
  const rowsMax = batchable ? Math.min(2 ** 20, realTimeRowsMax * Math.max(batchSizeMax, 1)) : lengthMax;
  return { rowsMax, requestsMax: 16_384 };
}

/** Callbacks of a split call. */
export interface PartReceiver {
  /**
   * Receives the result of a part. Encode it before returning, because its tensors may be overwritten afterwards. Parts arrive in
   * any order.
   */
  onPart(part: number, result: InferenceResult, rows: number): void;
  /** Called once: with null after all parts were delivered, or with the first failure, which cancels the remaining parts. */
  end(error: PlatformError | null): void;
}

/** The part of `Serving` that split calls use. */
export interface PartInvoker {
  invoke(route: ServedRoute, call: InferenceCall, settle: (outcome: InferenceOutcome) => void): () => void;
  endpoint(name: string): ServedView | undefined;
}

/** Serves the parts as one call. The returned function cancels the call; no callback follows it. */
export function invokeParts(
  serving: PartInvoker,
  route: ServedRoute,
  parts: readonly InvocationPart[],
  call: Omit<InferenceCall, 'inputs' | 'rows'>,
  taker: PartReceiver,
): () => void {
  const cancels = new Set<() => void>();
  const rowsOf = ({ rows }: InvocationPart): number => (route.batchable ? rows : 1);
  const whole = parts.length <= 1 ? null : new SplitCall(sum(parts.map(rowsOf)), parts.length);
  const shared = whole === null ? call : { ...call, whole };
  let next = 0;
  let isOver = false;
  const close = (how: SplitCall['end']): void => {
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
    const cut = parts[part] as InvocationPart;
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
          taker.onPart(part, outcome.result, rows);
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

/** Number of parts served at a time: a few, so one large file does not fill the queue. */
function lanesFor(serving: PartInvoker, route: ServedRoute, parts: number): number {
  if (parts <= 1) return parts;
  const served = serving.endpoint(route.endpoint)?.variants.find(({ name }) => name === route.variant);
  const instances = served?.executors.filter(({ isFunction }) => !isFunction).length ?? 0;
  // If there are instances, a large file is not a reason to pay for functions.
  const executors = instances > 0 ? instances : (served?.functions?.config.maxConcurrency ?? 1);
  return Math.min(parts, 2 * Math.max(executors, 1));
}
