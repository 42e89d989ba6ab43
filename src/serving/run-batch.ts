/** Runs a batch on its executor; one that fails is bisected, so that the culprit fails alone. */
import type { Clock } from '../clock.ts';
import type { CloseReason } from '../queueing/index.ts';
import type { Tensor } from '../tensor.ts';
import type { Executor } from './executor.ts';
import type { InferenceResult, Outcome, PendingRequest } from './request.ts';
import type { RunAnswer } from './run-requests.ts';
import type { VariantStatistics } from './statistics.ts';

export interface BatchContext {
  readonly clock: Clock;
  readonly executor: Executor;
  readonly statistics: VariantStatistics;
  /** Why it left. */
  readonly reason: CloseReason;
  readonly isColdStart: boolean;
  /** Takes what a run cost that failed. */
  readonly onRunFailed: (usd: number) => void;
}

/** What came of a batch: answers that are known but not given yet, and requests whose worker died under them. */
export interface BatchEnd {
  readonly answers: readonly { readonly request: PendingRequest; readonly outcome: Outcome }[];
  readonly lost: readonly PendingRequest[];
  readonly lostWhy: string;
  /** Their worker had ended before it began with them. */
  readonly neverBegan: boolean;
}

/** Runs the batch, in halves where it fails, and calls `done` once the executor is free again. */
export function runBatch(context: BatchContext, batch: readonly PendingRequest[], done: (end: BatchEnd) => void): void {
  const { clock, executor, onRunFailed } = context;
  const answers: { request: PendingRequest; outcome: Outcome }[] = [];
  const parts = [batch];
  const runNext = (): void => {
    const part = parts.pop();
    if (part === undefined) return done({ answers, lost: [], lostWhy: '', neverBegan: false });
    const startMs = clock.nowMs();
    executor.worker.run(part, (answer) => {
      const sinceMs = Math.max(startMs, executor.sinceMs);
      if (answer.kind !== 'done') onRunFailed(executor.worker.charge(clock.nowMs() - sinceMs)); // it took its time all the same
      if (answer.kind === 'gone') {
        const { why, neverBegan = false } = answer;
        return done({ answers, lost: [...part, ...parts.reverse().flat()], lostWhy: why, neverBegan });
      }
      if (answer.kind === 'done') {
        collect(context, part, answer, startMs, answers);
      } else {
        if (part.length === 1) answers.push({ request: part[0] as PendingRequest, outcome: { ok: false, error: answer.error } });
        else parts.push(...halvesOf(part));
      }
      runNext();
    });
  };
  runNext();
}

/** The two halves, the first on top; requests that nobody waits for any more are left out. */
function halvesOf(part: readonly PendingRequest[]): (readonly PendingRequest[])[] {
  const middle = part.length >> 1;
  return [part.slice(middle), part.slice(0, middle)]
    .map((half) => half.filter(({ state }) => state !== 'settled'))
    .filter((half) => half.length > 0);
}

function collect(
  { clock, executor, statistics, reason, isColdStart }: BatchContext,
  part: readonly PendingRequest[],
  { outputs, timings, reply }: RunAnswer & { kind: 'done' },
  startMs: number,
  answers: { request: PendingRequest; outcome: Outcome }[],
): void {
  const rows = part.reduce((sum, { call }) => sum + call.rows, 0);
  const nowMs = clock.nowMs();
  // A batch that was sent ahead began when the one before it ended; the worker's own clock tells the least it took.
  const serviceMs = Math.max(nowMs - Math.max(startMs, executor.sinceMs), timings.inMs + timings.runMs + timings.outMs);
  executor.observe(Math.max(rows, 1), serviceMs);
  statistics.executed(rows, timings);
  const batchUsd = executor.worker.charge(serviceMs);
  for (let i = 0; i < part.length; i++) {
    const request = part[i] as PendingRequest;
    const result: InferenceResult = {
      outputs: outputs[i] as readonly Tensor[],
      timings: {
        queueMs: Math.max(nowMs - serviceMs - request.call.arrivedAtMs, 0),
        computeInMs: timings.inMs,
        computeMs: timings.runMs,
        computeOutMs: timings.outMs,
        serviceMs,
      },
      batchRows: rows,
      closeReason: reason,
      costUsd: rows === 0 ? batchUsd / part.length : (batchUsd * request.call.rows) / rows,
      executor: executor.name,
      overflow: request.overflow,
      coldStart: isColdStart,
    };
    answers.push({ request, outcome: { ok: true, result: reply === undefined ? result : { ...result, reply } } });
  }
}
