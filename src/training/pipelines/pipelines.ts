/** All pipelines of a server. Each has at most one run in progress, which continues after a restart. */

import type { Access, Caller } from '../../access/index.ts';
import type { Envelope } from '../../alerts/index.ts';
import { Loop } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { compilePattern, type EventPattern } from '../../event-patterns/index.ts';
import { nameKey } from '../../names.ts';
import type { Audit, AuditAction, Events, PlatformEvent } from '../../records/index.ts';
import { withoutOrigin } from '../../records/index.ts';
import type { Transaction } from '../../storage/index.ts';
import type { Threads } from '../../threads/index.ts';
import type { AddedSource, Training } from '../training-job.ts';
import { noFacts, type RevisionOfRun, RunExecution } from './execute-run.ts';
import type { Pipeline, PipelineGit, PipelineRun, PipelineTrigger } from './pipeline.ts';
import { parsePipelineTask } from './pipeline-file.ts';
import { checkRights } from './pipeline-rights.ts';
import { type PipelineSpec, stepsOf } from './pipeline-spec.ts';
import { type PlannedStep, planPipeline } from './plan-pipeline.ts';
import type { RunStepDeps } from './run-steps.ts';
import { trainingSpecFor } from './step-train.ts';
import { checkOwnEvents, isOfRollout, mergedTrigger, scheduleDueMs, startsAtMs, startValues } from './triggers.ts';

/** Modules that pipelines use, and a few checks. */
export interface PipelinesDeps extends RunStepDeps {
  readonly training: RunStepDeps['training'] & Pick<Training, 'check'>;
  readonly audit: Pick<Audit, 'record'>;
  readonly events: RunStepDeps['events'] & Pick<Events, 'since' | 'lastSeq' | 'subscribe'>;
  readonly access: Pick<Access, 'callerFor' | 'require'>;
  readonly threads: Threads;
  /** Envelopes of a platform event, which patterns match. */
  readonly envelopesOf: (event: PlatformEvent) => Promise<readonly Envelope[]>;
  /** Throws `invalid_request` for a URL that must not be called. */
  readonly checkUrl: (url: string) => void;
  /** Deletes an archive that nothing refers to. */
  readonly discardSource: (sha256: string) => Promise<void>;
}

/** A file to apply, with its code. */
export interface NewPipeline {
  readonly file: string;
  /** The archive of the code; null: that of the previous revision. */
  readonly source: AddedSource | null;
  readonly git: PipelineGit | null;
}

/** What an apply would do. */
export interface PipelinePlan {
  readonly spec: PipelineSpec;
  readonly steps: readonly PlannedStep[];
  readonly nextDueMs: number | null;
  /** The revision that an apply would make. */
  readonly revision: number;
}

const pollEveryMs = 1000;
const eventsAtOnce = 200;
const pipelinesMax = 100;
const parsing = { name: 'reading the file of the pipeline', hint: 'Write it with fewer and shorter members', timeMaxMs: 20_000 };
/** Runs whose own events do not trigger the pipeline again. */
const ownRuns = 5;

/** A trigger that comes during a run waits; only one waits per pipeline. */
export class Pipelines {
  readonly #deps: PipelinesDeps;
  /** By lower-case name. */
  readonly #known = new Map<string, Pipeline>();
  /** Parsed once per revision, because parsing a long expression takes milliseconds. */
  readonly #due = new WeakMap<Pipeline, number | null>();
  readonly #patterns = new Map<string, EventPattern>();
  readonly #running = new Map<string, { readonly execution: RunExecution; readonly ended: Promise<void> }>();
  readonly #loop: Loop;
  #endListening = (): void => {};
  /** Serializes changes of triggers. */
  #serial: Promise<unknown> = Promise.resolve();
  #seq = 0;
  #isClosed = false;

  constructor(deps: PipelinesDeps) {
    this.#deps = deps;
    const onFailure = (error: unknown): void => deps.log.error({ error: messageOf(error) }, 'failed to check the pipelines, will retry');
    this.#loop = new Loop({
      clock: deps.clock,
      everyMs: pollEveryMs,
      run: () => withoutOrigin(() => this.#inTurn(() => this.#poll())),
      onFailure,
    });
  }

  /** Continues the runs of the previous server. */
  async open(): Promise<void> {
    const { rows, events } = this.#deps;
    for (const pipeline of await rows.list({ limit: pipelinesMax })) this.#known.set(nameKey(pipeline.name), pipeline);
    this.#seq = await rows.cursor(await events.lastSeq());
    for (const run of await rows.unfinished()) {
      const revision = await rows.revision(run.pipeline, run.revision);
      if (revision === null) throw new PlatformError('internal', `revision ${run.revision} of pipeline ${run.pipeline} is missing`);
      this.#execute(run, revision);
    }
    this.#endListening = events.subscribe(() => this.#loop.runNow());
    this.#loop.open(0);
  }

  /** Leaves runs in progress to the next server. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endListening();
    await this.#loop.close();
    await this.#serial.catch(() => undefined);
    for (const { execution } of this.#running.values()) execution.halt();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    await this.#deps.rows
      .setCursor(null, this.#seq)
      .catch((error: unknown) => this.#deps.log.warn({ error: messageOf(error) }, 'failed to store the position in the events'));
  }

  /** Sorted by name. */
  list(): readonly Pipeline[] {
    return [...this.#known.values()].toSorted((a, b) => (nameKey(a.name) < nameKey(b.name) ? -1 : 1));
  }

  /** Throws `not_found`. */
  get(name: string): Pipeline {
    const found = this.#known.get(nameKey(name));
    if (found !== undefined) return found;
    throw new PlatformError('not_found', `there is no pipeline '${name.slice(0, 80)}'`, { hint: '`penstock pipeline list` lists them' });
  }

  /** When the schedule is due next; null without one, and while the pipeline is disabled. */
  nextDueMs(pipeline: Pipeline): number | null {
    if (!pipeline.isEnabled) return null;
    const known = this.#due.get(pipeline);
    if (known !== undefined) return known;
    let dueMs: number | null = null;
    try {
      dueMs = scheduleDueMs(pipeline);
    } catch (error) {
      this.#logUnaccepted(pipeline.name, 'schedule', error);
    }
    this.#due.set(pipeline, dueMs);
    return dueMs;
  }

  /**
   * Checks the file and stores it as the next revision, which new runs use. Throws `invalid_request` with the line, `forbidden` unless the
   * caller may do what each step does, `not_found`, `wrong_state`.
   */
  async apply(provided: NewPipeline, caller: Caller): Promise<Pipeline> {
    const { rows, audit, clock, discardSource, log } = this.#deps;
    const { spec, sourceSha256 } = await this.#checked(provided, caller);
    const applied = { spec, git: provided.git, file: provided.file, sourceSha256, who: caller.keyId };
    const { dropped } = await this.#inTurn(async () => {
      const before = this.#known.get(nameKey(spec.name));
      if (provided.source === null && sourceSha256 !== null && before?.sourceSha256 !== sourceSha256)
        throw new PlatformError('wrong_state', `the code of pipeline ${spec.name} was changed meanwhile: apply the file again`);
      const result = await rows.transact(async (tx) => {
        if (before === undefined && (await rows.count(tx)) >= pipelinesMax)
          throw new PlatformError('too_large', `there are ${pipelinesMax} pipelines, which is the limit: delete one first`);
        const added = await rows.apply(tx, applied, clock.wallMs());
        const detail = { revision: added.revision, steps: stepsOf(spec).join(', '), source: sourceSha256 };
        await audit.record(tx, { who: caller.keyId, action: 'ApplyPipeline', target: spec.name, outcome: 'ok', detail });
        return added;
      });
      await this.#reload(spec.name);
      return result;
    });
    // The revision refers to the archive now.
    for (const release of [provided.source?.discard, ...dropped.map((sha256) => () => discardSource(sha256))])
      await release?.().catch((error: unknown) =>
        log.warn({ pipeline: spec.name, error: messageOf(error) }, 'failed to release the code of a pipeline'),
      );
    this.#loop.runNow();
    return this.get(spec.name);
  }

  /** What an apply would store, and what its next run would do. Throws like `apply`. */
  async plan(provided: NewPipeline, caller: Caller): Promise<PipelinePlan> {
    const { spec } = await this.#checked(provided, caller);
    const known = this.#known.get(nameKey(spec.name));
    const nowMs = this.#deps.clock.wallMs();
    const nextDueMs = scheduleDueMs({ spec, scheduleHandledMs: nowMs, createdAtMs: known?.createdAtMs ?? nowMs });
    return { spec, steps: await planPipeline(this.#deps, spec), nextDueMs, revision: (known?.revision ?? 0) + 1 };
  }

  /** A disabled pipeline runs only by hand. Throws `not_found`. */
  async setEnabled(name: string, isEnabled: boolean, who: string): Promise<Pipeline> {
    const pipeline = this.get(name);
    const action = isEnabled ? 'EnablePipeline' : 'DisablePipeline';
    await this.#inTurn(() =>
      this.#change(pipeline.name, { who, action, detail: {} }, (tx) =>
        this.#deps.rows.setEnabled(tx, pipeline.name, isEnabled, this.#deps.clock.wallMs()),
      ),
    );
    this.#loop.runNow();
    return this.get(name);
  }

  /** Deletes a pipeline with its revisions and runs, but not their jobs and versions. Throws `not_found`, `wrong_state` while it runs. */
  async delete(name: string, who: string): Promise<void> {
    const { name: own } = this.get(name);
    await this.#inTurn(async () => {
      const running = this.#running.get(nameKey(own))?.execution.run.number;
      if (running !== undefined)
        throw new PlatformError('wrong_state', `pipeline ${own} runs: stop its run first (penstock pipeline stop ${own} ${running})`);
      let sources: readonly string[] = [];
      await this.#change(own, { who, action: 'DeletePipeline', detail: {} }, async (tx) => {
        sources = await this.#deps.rows.remove(tx, own);
      });
      for (const sha256 of sources) await this.#deps.discardSource(sha256);
    });
  }

  /**
   * Starts a run on behalf of a caller. While one is in progress, the request waits, together with all others. Returns the run, or null if it
   * waits. Throws `not_found`, `invalid_request` for unknown parameters.
   */
  async run(name: string, parameters: Readonly<Record<string, string>>, who: string): Promise<PipelineRun | null> {
    return this.#trigger(name, { kind: 'manual', by: who, count: 1, atMs: this.#deps.clock.wallMs(), ...startValues(parameters, who) });
  }

  /** Starts a run on behalf of a rule; `atMostEvery` applies to its events. Throws like `run`. */
  async runByEvent(name: string, parameters: Readonly<Record<string, string>>, by: string): Promise<void> {
    if (!this.get(name).isEnabled) return;
    await this.#trigger(name, { kind: 'event', by, count: 1, atMs: this.#deps.clock.wallMs(), ...startValues(parameters, null) });
  }

  /** Throws `not_found`. */
  async runOf(name: string, number: number): Promise<PipelineRun> {
    const { name: own } = this.get(name);
    const execution = this.#running.get(nameKey(own))?.execution;
    if (execution?.run.number === number) return execution.run;
    const run = await this.#deps.rows.run(own, number);
    if (run !== null) return run;
    throw new PlatformError('not_found', `pipeline ${own} has no run ${number}`, { hint: `\`penstock pipeline runs ${own}\` lists them` });
  }

  /** The newest first. Throws `not_found`. */
  async runs(name: string, page: { readonly limit: number; readonly offset?: number }): Promise<readonly PipelineRun[]> {
    return this.#deps.rows.runs(this.get(name).name, page);
  }

  /** Stops a run with the job or evaluation of its step. Throws `not_found`, `wrong_state` if it has ended or is deploying. */
  async stop(name: string, number: number, who: string): Promise<PipelineRun> {
    const { state, pipeline } = await this.runOf(name, number);
    const running = this.#running.get(nameKey(pipeline));
    if (running?.execution.run.number !== number)
      throw new PlatformError('wrong_state', `run ${number} of pipeline ${pipeline} is ${state}: only one in progress can be stopped`);
    running.execution.stop(who);
    await running.ended;
    const over = await this.runOf(name, number);
    if (over.state !== 'Stopped')
      throw new PlatformError('wrong_state', `run ${number} of pipeline ${pipeline} was ${over.state} before it could be stopped`);
    await this.#deps.rows.transact((tx) => this.#audit(tx, { who, action: 'StopPipelineRun', detail: { run: number } }, pipeline));
    return over;
  }

  async #checked(provided: NewPipeline, caller: Caller): Promise<{ spec: PipelineSpec; sourceSha256: string | null }> {
    const { clock, access, checkUrl, training, threads } = this.#deps;
    const { file: text } = provided;
    const input = { text, nowMs: clock.wallMs() };
    const spec = await threads.run(parsePipelineTask, input, { bytes: text.length, work: parsing, lane: 'files' });
    checkRights(access, caller, spec);
    checkOwnEvents(spec);
    for (const url of spec.notify) checkUrl(url);
    const before = this.#known.get(nameKey(spec.name))?.sourceSha256 ?? null;
    const sourceSha256 = spec.train.source === null ? null : (provided.source?.sha256 ?? before);
    if (spec.train.source !== null && sourceSha256 === null)
      throw new PlatformError('invalid_request', `train.source: expected the archive of ${spec.train.source} as part source of the form`);
    const { parameters } = spec;
    await training.check(trainingSpecFor(spec, { git: provided.git, sourceSha256 }, { run: null, job: null, parameters }), caller.keyId);
    await planPipeline(this.#deps, spec); // throws for an endpoint of another group, and for a missing version
    return { spec, sourceSha256 };
  }

  async #trigger(name: string, trigger: PipelineTrigger): Promise<PipelineRun | null> {
    const { spec } = this.get(name);
    const unknown = Object.keys(trigger.parameters).find((key) => !Object.hasOwn(spec.parameters, key));
    if (unknown !== undefined) {
      const known = Object.keys(spec.parameters).join(', ') || 'none';
      throw new PlatformError('invalid_request', `unknown parameter '${unknown.slice(0, 80)}' of pipeline ${spec.name}: expected ${known}`);
    }
    return this.#inTurn(async () => {
      const pipeline = this.get(name);
      await this.#wait(pipeline, trigger);
      return this.#startIfDue(this.get(name));
    });
  }

  async #poll(): Promise<void> {
    await this.#readEvents();
    for (const pipeline of this.list()) {
      if (this.#isClosed) return;
      try {
        await this.#pollOne(pipeline);
      } catch (error) {
        // One pipeline must not stop the others.
        this.#deps.log.error({ pipeline: pipeline.name, error: messageOf(error) }, 'failed to check a pipeline, will retry');
      }
    }
  }

  async #pollOne(pipeline: Pipeline): Promise<void> {
    const dueMs = this.nextDueMs(pipeline);
    const nowMs = this.#deps.clock.wallMs();
    if (dueMs !== null && dueMs <= nowMs) {
      const by = pipeline.spec.on.schedule as string;
      await this.#wait(pipeline, { kind: 'schedule', by, count: 1, atMs: nowMs, parameters: {} }, nowMs);
    }
    await this.#startIfDue(this.get(pipeline.name));
  }

  /** Matches each event once: triggers are stored together with the position up to which events were read. */
  async #readEvents(): Promise<void> {
    const { events, rows } = this.#deps;
    for (;;) {
      const batch = await events.since(this.#seq, eventsAtOnce);
      const last = batch.at(-1);
      if (last === undefined) return;
      const waiting = new Map<string, { readonly pipeline: Pipeline; trigger: PipelineTrigger | null }>();
      for (const event of batch) {
        for (const pipeline of await this.#triggeredBy(event)) {
          const merged = waiting.get(pipeline.name)?.trigger ?? pipeline.waiting;
          const trigger = { kind: 'event', by: event.kind, count: 1, atMs: this.#deps.clock.wallMs(), parameters: {} } as const;
          waiting.set(pipeline.name, { pipeline, trigger: mergedTrigger(merged, trigger) });
        }
      }
      // Stored even if nothing matches: earlier events must not start a pipeline that is applied later.
      await rows.transact(async (tx) => {
        for (const { pipeline, trigger } of waiting.values()) await rows.setWaiting(tx, pipeline.name, trigger);
        await rows.setCursor(tx, last.seq);
      });
      for (const { pipeline, trigger } of waiting.values()) this.#known.set(nameKey(pipeline.name), { ...pipeline, waiting: trigger });
      this.#seq = last.seq;
    }
  }

  async #triggeredBy(event: PlatformEvent): Promise<Pipeline[]> {
    const candidates = this.list().filter(({ isEnabled, spec }) => isEnabled && spec.on.event !== null);
    if (candidates.length === 0) return [];
    const envelopes = await this.#deps.envelopesOf(event);
    const matching = candidates.filter((pipeline) => envelopes.some((envelope) => this.#patternOf(pipeline)(envelope)));
    const own = await Promise.all(matching.map((pipeline) => this.#isOwn(pipeline, event)));
    return matching.filter((_, i) => own[i] === false);
  }

  /** Whether a run of the pipeline itself caused the event: its job, its version, its evaluation, its rollout. */
  async #isOwn({ name, spec }: Pipeline, event: PlatformEvent): Promise<boolean> {
    const { kind, subject } = event;
    if (kind.startsWith('pipeline.')) return subject === name;
    const runs = await this.#deps.rows.runs(name, { limit: ownRuns });
    if (isOfRollout(event, spec, runs)) return true;
    return runs.some(({ job, version, evaluation }) => [job, version, evaluation].includes(subject));
  }

  #patternOf({ name, revision, spec }: Pipeline): EventPattern {
    const id = `${nameKey(name)}/${revision}`;
    const known = this.#patterns.get(id);
    if (known !== undefined) return known;
    if (this.#patterns.size > 2 * pipelinesMax) this.#patterns.clear();
    let compiled: EventPattern = () => false;
    try {
      compiled = compilePattern(spec.on.event as string);
    } catch (error) {
      this.#logUnaccepted(name, 'pattern of events', error);
    }
    this.#patterns.set(id, compiled);
    return compiled;
  }

  /** An earlier server stored it. It must not disable the other pipelines. */
  #logUnaccepted(pipeline: string, what: string, error: unknown): void {
    this.#deps.log.error(
      { pipeline, error: messageOf(error) },
      `the ${what} of a pipeline is not accepted, so it starts no run: apply its file again`,
    );
  }

  async #wait({ name, waiting }: Pipeline, trigger: PipelineTrigger, handledMs?: number): Promise<void> {
    const merged = mergedTrigger(waiting, trigger);
    await this.#deps.rows.transact((tx) => this.#deps.rows.setWaiting(tx, name, merged, handledMs));
    await this.#reload(name);
  }

  /** Starts the run of the waiting trigger, unless a run is in progress or it is too early. */
  async #startIfDue(pipeline: Pipeline): Promise<PipelineRun | null> {
    const { clock, rows, events } = this.#deps;
    const { name, waiting, spec, revision, appliedBy } = pipeline;
    const atMs = startsAtMs(pipeline);
    const nowMs = clock.wallMs();
    if (waiting === null || atMs === null || atMs > nowMs || this.#isClosed || this.#running.has(nameKey(name))) return null;
    const steps = stepsOf(spec).map((step) => ({ step, state: 'Waiting', startedAtMs: null, endedAtMs: null, note: null }) as const);
    const parameters = { ...spec.parameters, ...waiting.parameters };
    const { run, event } = await rows.transact(async (tx) => {
      const number = await rows.nextNumber(tx, name);
      const started = { pipeline: name, number, revision, state: 'InProgress', trigger: waiting, parameters, steps, reason: null } as const;
      const added: PipelineRun = { ...noFacts, ...started, startedAtMs: nowMs, endedAtMs: null };
      await rows.addRun(tx, added);
      const who = waiting.kind === 'manual' ? waiting.by : appliedBy;
      const detail = { run: number, revision, trigger: waiting.kind, by: waiting.by, rightsOf: appliedBy };
      await this.#audit(tx, { who, action: 'StartPipelineRun', detail }, name);
      return { run: added, event: await events.record(tx, { kind: 'pipeline.run-started', subject: name, detail }) };
    });
    // Nothing between the row and its execution may fail, or a second run would start.
    this.#known.set(nameKey(name), { ...pipeline, waiting: null, lastStartedAtMs: nowMs });
    this.#execute(run, pipeline);
    events.publish(event);
    return run;
  }

  #execute(run: PipelineRun, revision: RevisionOfRun): void {
    const { log } = this.#deps;
    const key = nameKey(run.pipeline);
    const execution = new RunExecution(this.#deps, revision, run);
    const ended = withoutOrigin(() => execution.execute())
      .catch((error: unknown) =>
        log.error(
          { pipeline: run.pipeline, run: run.number, error: messageOf(error) },
          'failed to store a run of a pipeline: the next server continues it',
        ),
      )
      .finally(() => {
        this.#running.delete(key);
        this.#loop.runNow();
      });
    this.#running.set(key, { execution, ended });
  }

  async #reload(name: string): Promise<void> {
    const found = await this.#deps.rows.find(name);
    if (found === null) this.#known.delete(nameKey(name));
    else this.#known.set(nameKey(name), found);
  }

  async #change(name: string, entry: AuditedChange, change: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.#deps.rows.transact(async (tx) => {
      await change(tx);
      await this.#audit(tx, entry, name);
    });
    await this.#reload(name);
  }

  async #audit(tx: Transaction, { who, action, detail }: AuditedChange, target: string): Promise<void> {
    await this.#deps.audit.record(tx, { who, action, target, outcome: 'ok', detail });
  }

  /** Serialized, so two triggers start one run. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const next = this.#serial.catch(() => undefined).then(run);
    this.#serial = next;
    return next;
  }
}

interface AuditedChange {
  readonly who: string;
  readonly action: AuditAction;
  readonly detail: Readonly<Record<string, unknown>>;
}
