/**
 * Executes one run, step by step. Each step is stored before and after it runs, and finds its earlier work again, so the next server continues
 * where a killed one stopped.
 */
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import { type PlatformEvent, withOrigin } from '../../records/index.ts';
import type { Transaction } from '../../storage/index.ts';
import { isPassing } from '../attempts/buckets.ts';
import { type Pipeline, type PipelineRun, type PipelineRunFacts, type PipelineStepView, runName } from './pipeline.ts';
import { checkStepRights } from './pipeline-rights.ts';
import type { PipelineStep } from './pipeline-spec.ts';
import { pauseFor, type RunStepDeps, type StepContext, type StepOutcome } from './run-steps.ts';
import { approveStep } from './step-approve.ts';
import { deployStep } from './step-deploy.ts';
import { evaluateStep } from './step-evaluate.ts';
import { registerStep, trainStep } from './step-train.ts';

const stepsByName: Readonly<Record<PipelineStep, (context: StepContext) => Promise<StepOutcome>>> = {
  train: trainStep,
  register: registerStep,
  evaluate: evaluateStep,
  approve: approveStep,
  deploy: deployStep,
};

const reasonMax = 1000;
/** If the server is overloaded or its database is unavailable, a step is retried for about five minutes; storing its result is retried until it succeeds. */
const triesMax = 60;
const tryEveryMs = 5000;

/** What a run executes; a new revision does not change it. */
export type RevisionOfRun = Pick<Pipeline, 'spec' | 'git' | 'sourceSha256' | 'appliedBy'>;

/** One per run in progress. Stopping ends the step's work, too; closing leaves it to the next server. */
export class RunExecution {
  readonly #deps: RunStepDeps;
  readonly #revision: RevisionOfRun;
  readonly #abort = new AbortController();
  readonly #closing = new AbortController();
  #stoppedBy = '';
  #run: PipelineRun;
  /** Serializes writes. */
  #written: Promise<unknown> = Promise.resolve();

  constructor(deps: RunStepDeps, revision: RevisionOfRun, run: PipelineRun) {
    this.#deps = deps;
    this.#revision = revision;
    this.#run = run;
  }

  get run(): PipelineRun {
    return this.#run;
  }

  /** Leaves the run to the next server. */
  halt(): void {
    this.#closing.abort();
    this.#abort.abort(new Error('closing'));
  }

  /** Stops the run and the job or evaluation of its step. Throws `wrong_state` once it deploys. */
  stop(who: string): void {
    const step = this.#run.steps.find(({ state }) => state === 'InProgress')?.step;
    if (step === 'deploy')
      throw new PlatformError(
        'wrong_state',
        `${runName(this.#run)} is deploying ${this.#run.version}: roll back with penstock rollback ${this.#revision.spec.deploy?.endpoint}`,
      );
    this.#stoppedBy = who;
    this.#abort.abort(new PlatformError('wrong_state', `stopped by ${who}`));
  }

  /** Resolves when the run has ended or was halted. A failed write, such as to a full disk, is retried. */
  async execute(): Promise<void> {
    const name = runName(this.#run);
    const origin = { protocol: 'pipeline', remoteAddress: name, userAgent: `pipeline:${name}`, requestId: name };
    await withOrigin(origin, async () => {
      for (;;) {
        try {
          return await this.#executeSteps();
        } catch (error) {
          if (this.#closing.signal.aborted) throw error;
          this.#deps.log.error({ run: name, error: messageOf(error) }, 'failed to store a run of a pipeline, will retry');
          await pauseFor(this.#deps.clock, tryEveryMs, this.#closing.signal);
        }
      }
    });
  }

  async #executeSteps(): Promise<void> {
    for (const { step } of this.#run.steps) {
      if (this.#stepOf(step).state === 'Completed') continue;
      const outcome = await this.#execute(step, this.#abort.signal);
      if (outcome === null || (await this.#endStep(step, outcome))) return;
    }
  }

  /** Null if the server closes, or if the run was stopped; a stop is stored first. */
  async #execute(step: PipelineStep, signal: AbortSignal): Promise<StepOutcome | null> {
    for (let tries = 1; ; tries++) {
      try {
        signal.throwIfAborted();
        checkStepRights(this.#deps, this.#revision.appliedBy, this.#revision.spec, step);
        if (this.#stepOf(step).state === 'Waiting')
          await this.#change(step, { state: 'InProgress', startedAtMs: this.#deps.clock.wallMs() });
        signal.throwIfAborted(); // stopped while that was stored
        return await stepsByName[step](this.#context(signal));
      } catch (error) {
        if (signal.aborted) {
          const { reason } = signal as { readonly reason: unknown };
          if (reason instanceof PlatformError) await this.#stopped(step, reason.message);
          return null;
        }
        const mayPass = !(error instanceof PlatformError) || isPassing(error);
        if (!mayPass || tries === triesMax) return { state: 'Failed', note: asPlatformError(error).message.slice(0, reasonMax) };
        this.#deps.log.warn({ run: runName(this.#run), step, error: messageOf(error) }, 'a step of a pipeline failed, will retry');
        await pauseFor(this.#deps.clock, tryEveryMs, signal);
      }
    }
  }

  #context(signal: AbortSignal): StepContext {
    const { spec, git, sourceSha256, appliedBy } = this.#revision;
    return {
      deps: this.#deps,
      spec,
      revision: { git, sourceSha256 },
      who: appliedBy,
      run: this.#run,
      signal,
      save: (facts, alongside) => this.#write(async (tx) => ({ run: { ...this.#run, ...facts, ...(await alongside?.(tx)) }, events: [] })),
      saveIn: async (tx, facts) => {
        const run = { ...this.#run, ...facts };
        await this.#deps.rows.updateRun(tx, run);
        return () => {
          this.#run = run;
        };
      },
    };
  }

  async #change(step: PipelineStep, change: Partial<PipelineStepView>): Promise<void> {
    await this.#write(async () => ({ run: this.#with(step, change), events: [] }));
  }

  /**
   * Ends the step and, if no step follows, the run in the same transaction: after a kill, no server finds one without the
   * other. Returns whether the run has ended.
   */
  async #endStep(step: PipelineStep, { state, note, stops, facts }: StepOutcome): Promise<boolean> {
    const { clock, events } = this.#deps;
    const cut = note.slice(0, reasonMax);
    const isOver = state === 'Failed' || stops !== undefined || this.#run.steps.at(-1)?.step === step;
    await this.#write(async (tx) => {
      const run = { ...this.#with(step, { state, note: cut, endedAtMs: clock.wallMs() }), ...facts };
      const detail = { run: run.number, step, state, note: cut, version: run.version };
      const ended = await events.record(tx, { kind: 'pipeline.step-ended', subject: run.pipeline, detail });
      if (!isOver) return { run, events: [ended] };
      const end =
        state === 'Failed'
          ? ({ state, reason: cut, why: `${step} failed` } as const)
          : ({ state: 'Completed', reason: null, why: stops ?? '' } as const);
      const over = await this.#endIn(tx, run, end);
      return { run: over.run, events: [ended, over.event] };
    });
    if (isOver) this.#deps.announceDeliveries();
    return isOver;
  }

  /** Call it when the step starts nothing more, so its job or evaluation is the last one. */
  async #stopped(step: PipelineStep, reason: string): Promise<void> {
    const { training, evaluations, registry, clock } = this.#deps;
    const { job, evaluation, version } = this.#run;
    if (step === 'train' && job !== null) await unlessOver(training.stop(job, this.#stoppedBy));
    if (step === 'evaluate' && evaluation !== null) await unlessOver(evaluations.stop(evaluation, this.#stoppedBy));
    // Otherwise a Python model would be approved after the run was stopped, once it has been opened.
    const [group = '', number = ''] = version?.split('/') ?? [];
    if (step === 'approve' && version !== null) await unlessOver(registry.cancelOpening(group, Number(number), this.#stoppedBy));
    await this.#write(async (tx) => {
      const run = this.#with(step, { state: 'Stopped', note: reason, endedAtMs: clock.wallMs() });
      const over = await this.#endIn(tx, run, { state: 'Stopped', reason, why: reason });
      return { run: over.run, events: [over.event] };
    });
    this.#deps.announceDeliveries();
  }

  /** Stores the end of the run, with its event and notifications. Marks the steps that did not run. */
  async #endIn(tx: Transaction, before: PipelineRun, { state, reason, why }: RunEnd): Promise<{ run: PipelineRun; event: PlatformEvent }> {
    const { clock, events, notify } = this.#deps;
    const steps = before.steps.map((each) => (each.state === 'Waiting' ? { ...each, state: 'Skipped' as const, note: why } : each));
    const run: PipelineRun = { ...before, steps, state, reason, endedAtMs: clock.wallMs() };
    const detail = { run: run.number, state, reason, version: run.version, verdict: run.verdict, job: run.job };
    const event = await events.record(tx, { kind: 'pipeline.run-ended', subject: run.pipeline, detail });
    await notify(tx, this.#revision.spec.notify, run);
    return { run, event };
  }

  /** Stores the change in one transaction. Only then does the run's state change, and its events are published. */
  #write(change: (tx: Transaction) => Promise<{ readonly run: PipelineRun; readonly events: readonly PlatformEvent[] }>): Promise<void> {
    const { rows, events } = this.#deps;
    const next = this.#written
      .catch(() => undefined)
      .then(async () => {
        const changed = await rows.transact(async (tx) => {
          const result = await change(tx);
          await rows.updateRun(tx, result.run);
          return result;
        });
        this.#run = changed.run;
        for (const event of changed.events) events.publish(event);
      });
    this.#written = next;
    return next;
  }

  #with(step: PipelineStep, change: Partial<PipelineStepView>): PipelineRun {
    return { ...this.#run, steps: this.#run.steps.map((each) => (each.step === step ? { ...each, ...change } : each)) };
  }

  #stepOf(step: PipelineStep): PipelineStepView {
    return this.#run.steps.find((each) => each.step === step) as PipelineStepView;
  }
}

interface RunEnd {
  readonly state: 'Completed' | 'Failed' | 'Stopped';
  readonly reason: string | null;
  /** Why the steps after it did not run. */
  readonly why: string;
}

/** The job or evaluation may have ended meanwhile, or may never have started. */
async function unlessOver(stopping: Promise<unknown>): Promise<void> {
  try {
    await stopping;
  } catch (error) {
    if (!(error instanceof PlatformError) || isPassing(error)) throw error;
  }
}

/** The steps of a new run. */
export const noFacts: PipelineRunFacts = {
  job: null,
  version: null,
  against: null,
  evaluation: null,
  holdout: null,
  holdoutBefore: null,
  test: null,
  verdict: null,
  scores: null,
  decision: null,
  generation: null,
};
