/**
 * Runs a sampled share of the answered requests of a selection again under another plan, while an instance is idle, and compares the
 * answers. Requests that a cheaper plan answered run under the most accurate one, and those of the most accurate one under the cheaper
 * ones in turn, so the agreement of every plan is known without labels. Shadows cost nothing, are not counted as requests, and wait for
 * idle time at most a minute. Synchronous, so that it runs on a virtual clock.
 */
import type { Clock } from '../../clock.ts';
import { predictionsOf } from '../../data-quality/index.ts';
import { defined } from '../../defined.ts';
import type { LadderRung } from '../../deployment/index.ts';
import type { Random } from '../../random.ts';
import { stages } from '../../runtime/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Executor } from '../executor.ts';
import type { Ladder } from '../ladder.ts';
import { type InferenceCall, type InferenceResult, PendingRequest } from '../request.ts';
import type { BatchRunResult } from '../runners/run-requests.ts';
import type { IdleTime } from './idle-time.ts';

/** What an answered request would have been answered under another plan. */
export interface ShadowAnswer {
  readonly requestId: string;
  /** The plan that ran in idle time. */
  readonly plan: string;
  /** By row. */
  readonly values: readonly (number | string)[];
  /** What the incumbent of a challenger answers, by row; absent: `plan` is compared with what the client got. */
  readonly against?: readonly (number | string)[];
}

/** The ladder whose plans are compared, and the idle time to do it in. */
export interface IdleShadowsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly ladder: Ladder;
  readonly idle: IdleTime;
  readonly onAnswered: ((answer: ShadowAnswer) => void) | null;
}

interface WaitingShadow {
  readonly call: InferenceCall;
  readonly bytes: number;
  readonly atMs: number;
  /** The rung that answered, and the one to run; null: a challenger. */
  readonly served: number;
  readonly rung: number | null;
  readonly stage: Uint8Array;
  readonly values: readonly (number | string)[];
  /** The plans to run, and the answers of those that ran. */
  readonly plans: readonly number[];
  readonly answers: readonly (readonly (number | string)[])[];
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

/** Waiting copies are bounded in number, bytes and age; beyond that they are dropped and counted. */
export class IdleShadows {
  readonly #deps: IdleShadowsDeps;
  #waiting: WaitingShadow[] = [];
  #bytes = 0;
  /** The cheaper rung that is compared next. */
  #turn = 0;
  /** Whether the last sampled request is run by the challenger. */
  #isChallenge = false;
  #cancelTimer: (() => void) | null = null;

  constructor(deps: IdleShadowsDeps) {
    this.#deps = deps;
    deps.idle.onChange(() => this.look());
  }

  /** Draws whether a request is compared, and copies its inputs, which are not retained after its answer. Null if it is not. */
  sample(call: InferenceCall): SampledCall | null {
    const { random, ladder } = this.#deps;
    const { shadowShare = 0, rungs, challenger } = ladder.config;
    if (
      shadowShare === 0 ||
      (rungs.length < 2 && challenger === undefined) ||
      call.rows < 1 ||
      call.rows > rowsMax ||
      random.next() >= shadowShare
    )
      return null;
    const bytes = call.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
    if (bytes > callBytesMax) return null;
    const inputs = call.inputs.map((tensor): Tensor => ({ ...tensor, data: new Uint8Array(tensor.data) })); // `slice` of a Buffer is not a copy
    const { requestId, rows, arrivedAtMs } = call;
    return { call: { requestId, rows, arrivedAtMs, inputs }, bytes };
  }

  /** A sampled request was answered: it waits for idle time. */
  add({ call, bytes }: SampledCall, { answered, outputs }: Pick<InferenceResult, 'answered' | 'outputs'>): void {
    const { clock } = this.#deps;
    const predicted = predictionsOf(outputs, call.rows);
    if (answered === undefined || predicted?.kind !== 'class') return;
    const served = answered.position - 1;
    const { rung, plans } = this.#workFor(served);
    this.#dropExpired();
    if (this.#waiting.length >= callsMax || this.#bytes + bytes > bytesMax) {
      this.#deps.ladder.shadows.dropped++;
      return;
    }
    this.#bytes += bytes;
    const stage = new Uint8Array(answered.stage);
    this.#waiting.push({ call, bytes, atMs: clock.nowMs(), served, rung, stage, values: predicted.values, plans, answers: [] });
    this.look();
  }

  /** With a challenger, every other request is run by it. */
  #workFor(served: number): Pick<WaitingShadow, 'rung' | 'plans'> {
    const { ladder } = this.#deps;
    const plans = ladder.challengePlans(served);
    this.#isChallenge = plans.length > 0 && (ladder.isAlone || !this.#isChallenge);
    if (this.#isChallenge) return { rung: null, plans };
    const { top } = ladder;
    const rung = served < top ? top : this.#turn++ % top;
    return { rung, plans: [rung] };
  }

  /** Runs the next shadow if an instance is idle and it makes no request late. */
  look(): void {
    this.#dropExpired();
    const { idle, ladder } = this.#deps;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const { rows } = next.call;
      const match = idle.find({
        rows,
        // A challenger is not measured yet: it is expected to take no longer than the most accurate plan.
        serviceMs: (executor) => executor.serviceMs(rows, next.rung ?? ladder.top),
        canRun: (executor) => (next.rung === null ? ladder.canChallenge(executor) : ladder.canRun(executor, next.rung)),
      });
      if ('waitMs' in match) {
        if (match.waitMs < waitMsMax) this.#lookIn(match.waitMs);
        return;
      }
      this.#waiting.shift();
      this.#bytes -= next.bytes;
      this.#run(next, match.executor);
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
    const { call, rung, plans } = shadow;
    const { ladder, idle } = this.#deps;
    const never = Number.POSITIVE_INFINITY;
    const request = new PendingRequest(call, { deadlineMs: never, promisedAtMs: never, timeoutAtMs: never, bucket: '' }, () => undefined);
    request.state = 'running';
    idle.run({ executor, request, plan: plans[0] as number, rung: rung ?? ladder.top }, (answer, ms) => {
      ladder.shadows.ms += ms;
      const predicted = answer.kind === 'done' ? predictionsOf(answer.outputs[0] ?? [], call.rows) : null;
      if (answer.kind !== 'done' || predicted === null || answer.rows === undefined) return this.#failed(shadow, answer);
      if (rung === null) this.#challenge(shadow, predicted.values);
      else this.#compare(shadow, rung, answer.rows.stage, predicted.values);
    });
  }

  #failed({ rung, answers }: WaitingShadow, answer: BatchRunResult): void {
    const { shadows, challenge } = this.#deps.ladder;
    shadows.dropped++;
    if (rung !== null || answers.length > 0) return;
    challenge.failed++;
    if (answer.kind === 'gone') challenge.crashes++;
  }

  /** The challenger has answered, then its incumbent. */
  #challenge(shadow: WaitingShadow, values: WaitingShadow['values']): void {
    const { ladder, onAnswered } = this.#deps;
    const { call } = shadow;
    const answers = [...shadow.answers, values];
    const plans = shadow.plans.slice(1);
    if (plans.length > 0) {
      this.#bytes += shadow.bytes;
      this.#waiting.unshift({ ...shadow, plans, answers });
      return this.look();
    }
    const [own = [], against] = answers;
    const other = against ?? shadow.values;
    ladder.shadows.calls++;
    ladder.shadows.rows += call.rows;
    ladder.challenge.rows += call.rows;
    ladder.challenge.disagreed += own.filter((value, row) => String(value) !== String(other[row])).length;
    const plan = ladder.config.challenger?.model;
    if (plan !== undefined) onAnswered?.({ requestId: call.requestId, plan, values: own, ...defined({ against }) });
  }

  #compare({ call, served, stage, values }: WaitingShadow, rung: number, ownStage: Uint8Array, own: WaitingShadow['values']): void {
    const { ladder, onAnswered } = this.#deps;
    ladder.shadows.calls++;
    ladder.shadows.rows += call.rows;
    const cheaper = Math.min(served, rung);
    const stageOfCheaper = served === cheaper ? stage : ownStage;
    let [rows, disagreed] = [0, 0];
    for (let row = 0; row < call.rows; row++) {
      if (stageOfCheaper[row] !== stages.first) continue;
      rows++;
      if (String(values[row]) !== String(own[row])) disagreed++;
    }
    ladder.compared(cheaper, rows, disagreed);
    onAnswered?.({ requestId: call.requestId, plan: (ladder.config.rungs[rung] as LadderRung).name, values: own });
  }
}
