/** Runs a batch on its executor. A failed batch is bisected, so only the request that causes the failure fails. */

import type { Clock } from '../../clock.ts';
import type { LadderRung } from '../../deployment/index.ts';
import type { CloseReason } from '../../queueing/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Executor } from '../executor.ts';
import type { Ladder } from '../ladder.ts';
import type { BatchRung } from '../plans/batch-plan.ts';
import type { InferenceOutcome, InferenceResult, PendingRequest } from '../request.ts';
import { type BatchAnswers, rowCharges, SlicedAnswers } from '../row-answers.ts';
import type { VariantStatistics } from '../traffic/statistics.ts';
import type { BatchRunResult } from './run-requests.ts';

/** What a run needs of its pool. */
export interface BatchContext {
  readonly clock: Clock;
  readonly executor: Executor;
  readonly statistics: VariantStatistics;
  /** Why the batch was dispatched. */
  readonly reason: CloseReason;
  readonly isColdStart: boolean;
  /** The plan of the batch, and the ladder that it belongs to; null if the worker has one model. */
  readonly plan: { readonly ladder: Ladder; readonly choice: BatchRung } | null;
  /** Receives the cost of a failed run in US dollars. */
  readonly onRunFailed: (usd: number) => void;
}

/** Outcome of a batch: results that are not sent yet, and requests whose worker crashed. */
export interface BatchEnd {
  readonly answers: readonly { readonly request: PendingRequest; readonly outcome: InferenceOutcome }[];
  readonly lost: readonly PendingRequest[];
  readonly lossReason: string;
  /** True if the worker had already exited before it started these requests. */
  readonly neverStarted: boolean;
}

/** Runs the batch, in halves if it fails, and calls `done` once the executor is free again. */
export function runBatch(context: BatchContext, batch: readonly PendingRequest[], done: (end: BatchEnd) => void): void {
  const { clock, executor, onRunFailed, plan } = context;
  const answers: { request: PendingRequest; outcome: InferenceOutcome }[] = [];
  const parts = [batch];
  const runNext = (): void => {
    const part = parts.pop();
    if (part === undefined) return done({ answers, lost: [], lossReason: '', neverStarted: false });
    const startMs = clock.nowMs();
    executor.worker.run(
      part,
      (answer) => {
        const sinceMs = Math.max(startMs, executor.sinceMs);
        if (answer.kind !== 'done') onRunFailed(executor.worker.charge(clock.nowMs() - sinceMs)); // a failed run also uses executor time
        if (answer.kind === 'gone') {
          const { why, neverStarted = false } = answer;
          return done({ answers, lost: [...part, ...parts.reverse().flat()], lossReason: why, neverStarted });
        }
        if (answer.kind === 'done') {
          collect(context, part, answer, startMs, answers);
        } else {
          if (part.length === 1) answers.push({ request: part[0] as PendingRequest, outcome: { ok: false, error: answer.error } });
          else parts.push(...halvesOf(part));
        }
        runNext();
      },
      plan?.choice.rung ?? 0,
    );
  };
  runNext();
}

/** The two halves without settled requests, as a stack with the first half on top. */
function halvesOf(part: readonly PendingRequest[]): (readonly PendingRequest[])[] {
  const middle = part.length >> 1;
  return [part.slice(middle), part.slice(0, middle)]
    .map((half) => half.filter(({ state }) => state !== 'settled'))
    .filter((half) => half.length > 0);
}

function collect(
  { clock, executor, statistics, reason, isColdStart, plan }: BatchContext,
  part: readonly PendingRequest[],
  { outputs, timings, reply, rows: stages }: BatchRunResult & { kind: 'done' },
  startMs: number,
  answers: { request: PendingRequest; outcome: InferenceOutcome }[],
): void {
  const rows = part.reduce((sum, { call }) => sum + call.rows, 0);
  const nowMs = clock.nowMs();
  // A batch sent ahead began when the previous batch ended. Its duration is at least the time measured inside the worker.
  const serviceMs = Math.max(nowMs - Math.max(startMs, executor.sinceMs), timings.inMs + timings.runMs + timings.outMs);
  executor.observe(Math.max(rows, 1), serviceMs, executor.isFunction ? 0 : plan?.choice.rung);
  statistics.executed(rows, timings);
  const batchUsd = executor.worker.charge(serviceMs);
  let answered: BatchAnswers | null = null;
  let charges: Float64Array | null = null;
  if (plan !== null && stages !== undefined) {
    const { ladder, choice } = plan;
    ladder.answered(choice.rung, stages, batchUsd);
    const { rungs } = ladder.config;
    const rung = rungs[choice.rung] as LadderRung;
    answered = { rung, position: choice.rung + 1, of: rungs.length, choice, stages };
    // All rows of one model cost the same.
    if (rung.second !== null) charges = rowCharges(batchUsd, stages);
  }
  let row = 0;
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
      costUsd:
        rows === 0
          ? batchUsd / part.length
          : charges === null
            ? (batchUsd * request.call.rows) / rows
            : charges.subarray(row, row + request.call.rows).reduce((sum, usd) => sum + usd, 0),
      executor: executor.name,
      overflow: request.overflow,
      coldStart: isColdStart,
      answered: answered === null ? undefined : new SlicedAnswers(answered, row, request.call.rows),
    };
    row += request.call.rows;
    answers.push({ request, outcome: { ok: true, result: reply === undefined ? result : { ...result, reply } } });
  }
}
