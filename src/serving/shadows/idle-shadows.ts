/**
 * Runs a sampled share of the answered requests of a selection again under another plan, while an instance is idle, and compares the
 * answers. Requests that a cheaper plan answered run under the most accurate one, and those of the most accurate one under the cheaper
 * ones in turn, so the agreement of every plan is known without labels. Shadows cost nothing, are not counted as requests, and wait for
 * idle time at most a minute. Synchronous, so that it runs on a virtual clock.
 */
import type { Clock } from '../../clock.ts';
import { predictionsOf } from '../../data-quality/index.ts';
import type { LadderRung } from '../../deployment/index.ts';
import { shadowWaitMs } from '../../queueing/index.ts';
import type { Random } from '../../random.ts';
import { stages } from '../../runtime/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Executor } from '../executor.ts';
import type { Ladder } from '../ladder.ts';
import { type InferenceCall, type InferenceResult, PendingRequest } from '../request.ts';
import type { BatchRunResult } from '../runners/run-requests.ts';

/** What an answered request would have been answered under another plan. */
export interface ShadowAnswer {
  readonly requestId: string;
  /** The plan that ran in idle time. */
  readonly plan: string;
  /** By row. */
  readonly values: readonly (number | string)[];
}

export interface IdleShadowsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly ladder: Ladder;
  /** Instances that take requests. */
  readonly instances: () => readonly Executor[];
  readonly rowsWaiting: () => number;
  /** The promised latency without its margin and the time in addition to the service; null without an objective. */
  readonly limitMs: () => number | null;
  /** A run begins: its end is checked no later than the timeout. */
  readonly onBegin: () => void;
  /** An instance is free again, or its worker crashed during the run. */
  readonly onFreed: (executor: Executor) => void;
  readonly onLost: (executor: Executor) => void;
  readonly onAnswered: ((answer: ShadowAnswer) => void) | null;
}

interface WaitingShadow {
  readonly call: InferenceCall;
  readonly bytes: number;
  readonly atMs: number;
  /** The rung that answered, and the one to run. */
  readonly served: number;
  readonly rung: number;
  readonly stage: Uint8Array;
  readonly values: readonly (number | string)[];
}

/** A sampled request whose inputs are copied, before its answer is known to be of use. */
export interface SampledCall {
  readonly call: InferenceCall;
  readonly bytes: number;
}

const callsMax = 64;
const bytesMax = 8 * 1024 ** 2;
const waitMsMax = 60_000;
const rowsMax = 1000;
const callBytesMax = 1024 ** 2;
/** After a crash: the request that caused it is not run again, but others may be like it. */
const pauseAfterCrashMs = 60_000;

export class IdleShadows {
  readonly #deps: IdleShadowsDeps;
  #waiting: WaitingShadow[] = [];
  #bytes = 0;
  #arrivedAtMs = Number.NEGATIVE_INFINITY;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  /** The cheaper rung that is compared next. */
  #turn = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(deps: IdleShadowsDeps) {
    this.#deps = deps;
  }

  /** A request arrived. */
  arrived(): void {
    this.#arrivedAtMs = this.#deps.clock.nowMs();
  }

  /** Draws whether a request is compared, and copies its inputs, which are not retained after its answer. Null if it is not. */
  sample(call: InferenceCall): SampledCall | null {
    const { random, ladder } = this.#deps;
    const { shadowShare = 0, rungs } = ladder.config;
    if (shadowShare === 0 || rungs.length < 2 || call.rows < 1 || call.rows > rowsMax || random.next() >= shadowShare) return null;
    const bytes = call.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
    if (bytes > callBytesMax) return null;
    const inputs = call.inputs.map((tensor): Tensor => ({ ...tensor, data: new Uint8Array(tensor.data) })); // `slice` of a Buffer is not a copy
    const { requestId, rows, arrivedAtMs } = call;
    return { call: { requestId, rows, arrivedAtMs, inputs }, bytes };
  }

  /** A sampled request was answered: it waits for idle time. */
  add({ call, bytes }: SampledCall, { answered, outputs }: Pick<InferenceResult, 'answered' | 'outputs'>): void {
    const { clock, ladder } = this.#deps;
    const predicted = predictionsOf(outputs, call.rows);
    if (answered === undefined || predicted?.kind !== 'class') return;
    const { top } = ladder;
    const served = answered.position - 1;
    const rung = served < top ? top : this.#turn++ % top;
    this.#dropExpired();
    if (this.#waiting.length >= callsMax || this.#bytes + bytes > bytesMax) {
      this.#deps.ladder.shadows.dropped++;
      return;
    }
    this.#bytes += bytes;
    this.#waiting.push({ call, bytes, atMs: clock.nowMs(), served, rung, stage: new Uint8Array(answered.stage), values: predicted.values });
    this.look();
  }

  /** Runs the next shadow if an instance is idle and it makes no request late. */
  look(): void {
    if (this.#waiting.length === 0) return;
    this.#dropExpired();
    const { clock, instances, rowsWaiting, limitMs } = this.#deps;
    const nowMs = clock.nowMs();
    if (nowMs < this.#pausedUntilMs) return;
    for (;;) {
      const [next] = this.#waiting;
      const idle = instances().filter(({ isBusy, isDraining, isFunction }) => !isBusy && !isDraining && !isFunction);
      // Requests take the one that was used last.
      const [executor] = idle
        .filter((each) => next !== undefined && this.#deps.ladder.canRun(each, next.rung))
        .sort((a, b) => a.sinceMs - b.sinceMs);
      if (next === undefined || executor === undefined) return;
      const moment = {
        rowsWaiting: rowsWaiting(),
        othersIdle: idle.length - 1,
        shadowMs: executor.serviceMs(next.call.rows, next.rung),
        requestMs: executor.serviceMs(1),
        quietMs: nowMs - this.#arrivedAtMs,
        limitMs: limitMs(),
      };
      const waitMs = shadowWaitMs(moment);
      if (waitMs > 0) {
        if (waitMs < waitMsMax) this.#lookIn(waitMs);
        return;
      }
      this.#waiting.shift();
      this.#bytes -= next.bytes;
      this.#run(next, executor);
    }
  }

  /** Drops what waits. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#waiting = [];
    this.#bytes = 0;
  }

  #lookIn(waitMs: number): void {
    this.#cancelTimer ??= this.#deps.clock.after(waitMs, () => {
      this.#cancelTimer = null;
      this.look();
    });
  }

  #dropExpired(): void {
    const sinceMs = this.#deps.clock.nowMs() - waitMsMax;
    while (this.#waiting[0] !== undefined && this.#waiting[0].atMs < sinceMs) {
      this.#bytes -= this.#waiting[0].bytes;
      this.#waiting.shift();
      this.#deps.ladder.shadows.dropped++;
    }
  }

  #run(shadow: WaitingShadow, executor: Executor): void {
    const { clock, onBegin, onFreed, onLost } = this.#deps;
    const { call, rung } = shadow;
    const startMs = clock.nowMs();
    const never = Number.POSITIVE_INFINITY;
    const request = new PendingRequest(call, { deadlineMs: never, promisedAtMs: never, timeoutAtMs: never, bucket: '' }, () => undefined);
    request.state = 'running';
    executor.begin(call.rows, startMs, rung);
    onBegin();
    executor.worker.run(
      [request],
      (answer) => {
        const nowMs = clock.nowMs();
        this.#deps.ladder.shadows.ms += nowMs - startMs;
        executor.end(nowMs);
        if (answer.kind === 'gone') {
          this.#deps.ladder.shadows.dropped++;
          this.#pausedUntilMs = nowMs + pauseAfterCrashMs;
          return onLost(executor);
        }
        executor.aliveAtMs = nowMs;
        onFreed(executor);
        this.#compare(shadow, answer);
      },
      rung,
    );
  }

  #compare({ call, served, rung, stage, values }: WaitingShadow, answer: Exclude<BatchRunResult, { kind: 'gone' }>): void {
    const { ladder, onAnswered } = this.#deps;
    const predicted = answer.kind === 'done' ? predictionsOf(answer.outputs[0] ?? [], call.rows) : null;
    if (answer.kind !== 'done' || predicted === null || answer.rows === undefined) {
      this.#deps.ladder.shadows.dropped++;
      return;
    }
    this.#deps.ladder.shadows.calls++;
    this.#deps.ladder.shadows.rows += call.rows;
    const cheaper = Math.min(served, rung);
    const stageOfCheaper = served === cheaper ? stage : answer.rows.stage;
    let [rows, disagreed] = [0, 0];
    for (let row = 0; row < call.rows; row++) {
      if (stageOfCheaper[row] !== stages.first) continue;
      rows++;
      if (String(values[row]) !== String(predicted.values[row])) disagreed++;
    }
    ladder.compared(cheaper, rows, disagreed);
    onAnswered?.({ requestId: call.requestId, plan: (ladder.config.rungs[rung] as LadderRung).name, values: predicted.values });
  }
}
