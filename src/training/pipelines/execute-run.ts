/**
 * Executes one run, step by step. Each step is stored before and after it, and finds again what it has begun: the next server continues
 * where a killed one was.
 */
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import { type PlatformEvent, withOrigin } from '../../records/index.ts';
import type { Transaction } from '../../storage/index.ts';
import { isPassing } from '../buckets.ts';
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
/** The server has no room, or its database was away: tried again, about five minutes long. */
const triesMax = 60;
const tryEveryMs = 5000;

export type RevisionOfRun = Pick<Pipeline, 'spec' | 'git' | 'sourceSha256' | 'appliedBy'>;

export class RunExecution {
  readonly #deps: RunStepDeps;
  readonly #revision: RevisionOfRun;
  readonly #abort = new AbortController();
  #run: PipelineRun;
  /** Writes follow one another. */
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
    this.#abort.abort(new Error('closing'));
  }

  /** Ends the run, and the job or evaluation of its step. Throws `wrong_state` once it deploys. */
  async stop(who: string): Promise<void> {
    const step = this.#run.steps.find(({ state }) => state === 'InProgress')?.step;
    if (step === 'deploy')
      throw new PlatformError(
        'wrong_state',
        `${runName(this.#run)} is deploying ${this.#run.version}: roll back with penstock rollback ${this.#revision.spec.deploy?.endpoint}`,
      );
    this.#abort.abort(new PlatformError('wrong_state', `stopped by ${who}`));
    const { training, evaluations } = this.#deps;
    const { job, evaluation } = this.#run;
    // Each may have ended meanwhile.
    if (step === 'train' && job !== null) await training.stop(job, who).catch(() => undefined);
    if (step === 'evaluate' && evaluation !== null) await evaluations.stop(evaluation, who).catch(() => undefined);
  }

  /** Resolves when the run has ended, or was halted. Throws if its end could not be stored. */
  async execute(): Promise<void> {
    const { signal } = this.#abort;
    const name = runName(this.#run);
    const origin = { protocol: 'pipeline', remoteAddress: name, userAgent: `pipeline:${name}`, requestId: name };
    await withOrigin(origin, async () => {
      for (const { step } of this.#run.steps) {
        const { state } = this.#stepOf(step);
        if (state === 'Completed') continue;
        if (state === 'Failed') break;
        const outcome = await this.#execute(step, signal);
        if (outcome === null) return;
        const isOver = outcome.state === 'Failed' || outcome.stops !== undefined;
        await this.#endStep(step, outcome);
        if (isOver) {
          const why = outcome.stops ?? `${step} failed`;
          await this.#end(outcome.state === 'Failed' ? 'Failed' : 'Completed', outcome.state === 'Failed' ? outcome.note : null, why);
          return;
        }
      }
      const failed = this.#run.steps.find(({ state }) => state === 'Failed');
      await this.#end(failed === undefined ? 'Completed' : 'Failed', failed?.note ?? null, `${failed?.step} failed`);
    });
  }

  /** Null if the server closes, or the run was stopped, which is stored then. */
  async #execute(step: PipelineStep, signal: AbortSignal): Promise<StepOutcome | null> {
    for (let tries = 1; ; tries++) {
      try {
        signal.throwIfAborted();
        checkStepRights(this.#deps.access, this.#revision.appliedBy, this.#revision.spec, step);
        if (this.#stepOf(step).state === 'Waiting')
          await this.#change(step, { state: 'InProgress', startedAtMs: this.#deps.clock.wallMs() });
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

  async #endStep(step: PipelineStep, { state, note, facts }: StepOutcome): Promise<void> {
    const cut = note.slice(0, reasonMax);
    await this.#write(async (tx) => {
      const run = { ...this.#with(step, { state, note: cut, endedAtMs: this.#deps.clock.wallMs() }), ...facts };
      const detail = { run: run.number, step, state, note: cut, version: run.version };
      return { run, events: [await this.#deps.events.record(tx, { kind: 'pipeline.step-ended', subject: run.pipeline, detail })] };
    });
  }

  async #stopped(step: PipelineStep, reason: string): Promise<void> {
    await this.#change(step, { state: 'Stopped', note: reason, endedAtMs: this.#deps.clock.wallMs() });
    await this.#end('Stopped', reason, reason);
  }

  /** Stores the end with its event and notifications, and marks the steps that did not run. */
  async #end(state: 'Completed' | 'Failed' | 'Stopped', reason: string | null, why: string): Promise<void> {
    const { clock, events, notify, announceDeliveries } = this.#deps;
    await this.#write(async (tx) => {
      const steps = this.#run.steps.map((each) => (each.state === 'Waiting' ? { ...each, state: 'Skipped' as const, note: why } : each));
      const run: PipelineRun = { ...this.#run, steps, state, reason, endedAtMs: clock.wallMs() };
      const detail = { run: run.number, state, reason, version: run.version, verdict: run.verdict, job: run.job };
      const event = await events.record(tx, { kind: 'pipeline.run-ended', subject: run.pipeline, detail });
      await notify(tx, this.#revision.spec.notify, run);
      return { run, events: [event] };
    });
    announceDeliveries();
  }

  /** In one transaction; only then is it the run's state, and its events are published. */
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

/** Of a run that begins. */
export const noFacts: PipelineRunFacts = {
  job: null,
  version: null,
  against: null,
  evaluation: null,
  holdout: null,
  test: null,
  verdict: null,
  scores: null,
  decision: null,
  generation: null,
};
