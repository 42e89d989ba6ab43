/**
 * Executes a pipeline: each step when those before it have succeeded, side by side. The name of a job is stored before the job is created, so
 * the next server finds it again after a kill. A step that fails lets those that run end, and no other begin.
 */
import { messageOf, PlatformError } from '../../../errors.ts';
import { type Events, type PlatformEvent, withOrigin } from '../../../records/index.ts';
import type { Transaction } from '../../../storage/index.ts';
import { areTrue } from './conditions.ts';
import { type GraphStep, type PipelineDefinition, parseDefinition } from './definition.ts';
import type { ExecutePipelineDeps } from './execution-deps.ts';
import type { ExecutedStep, Execution, ExecutionStatus } from './execution-rows.ts';
import { asText, resolveReferences } from './references.ts';
import { StepCalls } from './step-calls.ts';
import { jobStateOf, resourceNameOf, type StepKind, stepDigest, stepKinds } from './step-kinds.ts';

const pollMs = 500;
/** Long jobs are looked at less often: a tenth of their age. */
const pollMsMax = 5000;
/** Steps of an execution that run side by side, if it does not say how many. */
const parallelDefault = 50;
/** The server has no room, or its database was away. */
const retryMs = 5000;
const triesMax = 60;
const reasonMax = 1024;
/** Executions before this one whose results may be used again. */
const cachedMax = 50;
const failure = 'Step failure: One or multiple steps failed.';

class StepFailed extends Error {}
class StepStopped extends Error {}

/** One execution under way in this process. */
export class PipelineExecution {
  readonly #deps: ExecutePipelineDeps;
  readonly #definition: PipelineDefinition;
  readonly #calls: StepCalls;
  /** The server stops: the next one continues. */
  readonly #halt = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  readonly #waiting = new Set<() => void>();
  #execution: Execution;
  /** Writes follow one another. */
  #written: Promise<unknown> = Promise.resolve();

  constructor(deps: ExecutePipelineDeps, execution: Execution) {
    this.#deps = deps;
    this.#execution = execution;
    this.#definition = parseDefinition(execution.definition);
    this.#calls = new StepCalls(deps, execution, (step) => this.#recordOf(step), this.#definition);
  }

  get execution(): Execution {
    return this.#execution;
  }

  halt(): void {
    this.#halt.abort();
    this.#wake();
  }

  /** Stops the jobs of its steps; nothing else begins. One that ends meanwhile has ended. */
  async stop(): Promise<void> {
    await this.#write((execution) => (execution.status === 'Executing' ? { ...execution, status: 'Stopping' } : execution));
    this.#wake();
  }

  /** Resolves at the end, or when it was halted. */
  async run(): Promise<void> {
    const name = `${this.#execution.pipeline}/${this.#execution.id}`;
    const origin = { protocol: 'pipeline', remoteAddress: name, userAgent: `pipeline:${name}`, requestId: name };
    await withOrigin(origin, async () => {
      for (;;) {
        this.#startSteps();
        if (this.#running.size === 0 || this.#halt.signal.aborted) break;
        await Promise.race(this.#running.values());
      }
      await Promise.all(this.#running.values());
      if (!this.#halt.signal.aborted) await this.#end();
    });
  }

  #startSteps(): void {
    const { parallelMax, status, steps } = this.#execution;
    const records = new Map(steps.map((step) => [step.name, step]));
    const hasFailed = steps.some((each) => each.status === 'Failed');
    for (const step of this.#definition.steps) {
      if (this.#halt.signal.aborted || this.#running.has(step.name)) continue;
      if (this.#running.size >= (parallelMax ?? parallelDefault)) return;
      const record = records.get(step.name);
      const isBegun = record?.status === 'Executing';
      const mayBegin = record === undefined && status === 'Executing' && !hasFailed && isDue(step, records);
      if (!isBegun && !mayBegin) continue;
      const run = this.#runStep(step).finally(() => this.#running.delete(step.name));
      this.#running.set(step.name, run);
    }
  }

  #recordOf(name: string): ExecutedStep | null {
    return this.#execution.steps.find((step) => step.name === name) ?? null;
  }

  async #runStep(step: GraphStep): Promise<void> {
    for (let tries = 1; !this.#halt.signal.aborted; tries++) {
      try {
        const { clock } = this.#deps;
        if (this.#recordOf(step.name) === null) await this.#saveStep({ ...begun, name: step.name, startedAtMs: clock.wallMs() });
        return await this.#complete(step);
      } catch (error) {
        if (this.#halt.signal.aborted) return;
        if (tries < triesMax && mayPass(error)) {
          this.#warn(step, error);
          await this.#pause(retryMs);
          continue;
        }
        const status = error instanceof StepStopped ? 'Stopped' : 'Failed';
        await this.#endStep(step, { status, failureReason: messageOf(error).slice(0, reasonMax) });
        return;
      }
    }
  }

  async #complete(step: GraphStep): Promise<void> {
    const at = `step '${step.name}'`;
    const resolved = (await resolveReferences(step.arguments, this.#calls.references(), at)) as Record<string, unknown>;
    if (step.type === 'Fail') throw new StepFailed(asText(resolved['ErrorMessage'] ?? ''));
    if (step.type === 'Condition')
      return this.#endStep(step, { status: 'Succeeded', outcome: areTrue(resolved['Conditions'] as Record<string, unknown>[]) });
    const kind = stepKinds[step.type] as StepKind;
    const digest = stepDigest(step.type, resolved);
    const before = await this.#cached(step, digest);
    if (before !== null) {
      const { resource, arn, from } = before;
      return this.#endStep(step, { status: 'Succeeded', resource, arn, cachedFrom: from, digest });
    }
    const resource = await this.#create(step, kind, resolved, digest);
    await this.#await(step, kind, resource);
  }

  /** The name of the job, which may have been created by a server that was killed. */
  async #create(step: GraphStep, kind: StepKind, resolved: Record<string, unknown>, digest: string): Promise<string> {
    const { id } = this.#execution;
    const record = this.#recordOf(step.name) as ExecutedStep;
    if (record.arn !== null && record.resource !== null) return record.resource;
    const resource = record.resource ?? resourceNameOf(step.type, id, step.name);
    if (record.resource === null) await this.#saveStep({ ...record, resource, digest });
    else if (step.type !== 'RegisterModel') {
      const found = await this.#calls.described(kind, resource).catch(() => null);
      if (found !== null) return this.#created(step, resource, String(found[kind.arn]));
    }
    this.#expectRunning();
    const arn = await this.#calls.create(step, kind, resource, resolved);
    return this.#created(step, step.type === 'RegisterModel' ? arn : resource, arn);
  }

  async #created(step: GraphStep, resource: string, arn: string): Promise<string> {
    await this.#saveStep({ ...(this.#recordOf(step.name) as ExecutedStep), resource, arn });
    return resource;
  }

  #expectRunning(): void {
    if (this.#execution.status !== 'Executing') throw new StepStopped('the execution was stopped');
  }

  async #await(step: GraphStep, kind: StepKind, resource: string): Promise<void> {
    const { clock } = this.#deps;
    const sinceMs = clock.nowMs();
    for (let isStopping = false; ; ) {
      const state = jobStateOf(kind, await this.#calls.described(kind, resource));
      if (state.state === 'succeeded') return this.#endStep(step, { status: 'Succeeded' });
      if (state.state === 'failed') throw new StepFailed(state.reason);
      if (state.state === 'stopped') throw new StepStopped('the job was stopped');
      if (this.#execution.status === 'Stopping') {
        // A model package whose Python model is being opened cannot be stopped; its opening may take long.
        if (kind.stop === null) this.#expectRunning();
        if (!isStopping) await this.#calls.stop(kind, resource);
        isStopping = true;
      }
      await this.#pause(Math.min(Math.max((clock.nowMs() - sinceMs) / 10, pollMs), pollMsMax));
      if (this.#halt.signal.aborted) throw new Error('halted');
    }
  }

  /** The result of the same step in an earlier execution of this pipeline. */
  async #cached({ name, cacheMs }: GraphStep, digest: string): Promise<{ resource: string; arn: string; from: string } | null> {
    if (cacheMs === null) return null;
    const { pipeline, id } = this.#execution;
    const sinceMs = this.#deps.clock.wallMs() - cacheMs;
    const newest = { after: null, descending: true, limit: cachedMax };
    const succeeded = (earlier: Execution): { readonly step: ExecutedStep; readonly from: string } | null => {
      const step = earlier.steps.find((each) => each.name === name && each.status === 'Succeeded' && each.digest === digest);
      return step === undefined || earlier.id === id ? null : { step, from: earlier.id };
    };
    for (const found of await this.#deps.rows.list(pipeline, newest, succeeded)) {
      if (found === null) continue;
      const { resource, arn, endedAtMs, cachedFrom } = found.step;
      if (resource === null || arn === null || (endedAtMs ?? 0) < sinceMs) continue;
      return { resource, arn, from: cachedFrom ?? found.from };
    }
    return null;
  }

  async #endStep({ name }: GraphStep, change: Partial<ExecutedStep>): Promise<void> {
    const record = this.#recordOf(name) as ExecutedStep;
    await this.#saveStep({ ...record, ...change, endedAtMs: this.#deps.clock.wallMs() });
  }

  async #end(): Promise<void> {
    const { status, steps } = this.#execution;
    if (steps.some((step) => step.status === 'Failed')) return this.#save({ status: 'Failed', failureReason: failure });
    const isStopped = status === 'Stopping' || steps.some((step) => step.status === 'Stopped');
    await this.#save({ status: isStopped ? 'Stopped' : 'Succeeded' });
  }

  #saveStep(step: ExecutedStep): Promise<void> {
    return this.#write(({ steps, ...execution }) => {
      const isKnown = steps.some(({ name }) => name === step.name);
      return { ...execution, steps: isKnown ? steps.map((each) => (each.name === step.name ? step : each)) : [...steps, step] };
    });
  }

  #save(change: Partial<Execution>): Promise<void> {
    return this.#write((execution) => ({ ...execution, ...change }));
  }

  /** In one transaction with the event of a changed status; what cannot be stored, as on a full disk, is tried again. */
  #write(change: (execution: Execution) => Execution): Promise<void> {
    const next = this.#written
      .catch(() => undefined)
      .then(async () => {
        const execution = { ...change(this.#execution), updatedAtMs: this.#deps.clock.wallMs() };
        await this.#store(execution);
      });
    this.#written = next;
    return next;
  }

  async #store(execution: Execution): Promise<void> {
    const { rows, events } = this.#deps;
    for (;;) {
      try {
        const isOver = execution.status !== this.#execution.status && execution.status !== 'Stopping';
        const event = await rows.transact(async (tx) => {
          await rows.write(tx, execution);
          return isOver ? recordExecution(events, tx, execution, this.#execution.status) : null;
        });
        this.#execution = execution;
        if (event !== null) events.publish(event);
        return;
      } catch (error) {
        if (this.#halt.signal.aborted) throw error;
        this.#deps.log.error(
          { pipeline: execution.pipeline, error: messageOf(error) },
          'failed to store an execution of a pipeline, will retry',
        );
        await this.#pause(retryMs);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    if (this.#halt.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(ms, resolve);
    this.#waiting.add(resolve);
    await promise;
    this.#waiting.delete(resolve);
    cancel();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }

  #warn({ name }: GraphStep, error: unknown): void {
    this.#deps.log.warn(
      { pipeline: this.#execution.pipeline, step: name, error: messageOf(error) },
      'a step of a pipeline failed, will retry',
    );
  }
}

const begun: Omit<ExecutedStep, 'name' | 'startedAtMs'> = {
  status: 'Executing',
  endedAtMs: null,
  failureReason: null,
  resource: null,
  arn: null,
  outcome: null,
  cachedFrom: null,
  digest: null,
};

function isDue({ after, branch }: GraphStep, records: ReadonlyMap<string, ExecutedStep>): boolean {
  if (branch !== null && records.get(branch.condition)?.outcome !== branch.outcome) return false;
  return after.every((name) => records.get(name)?.status === 'Succeeded');
}

/** Errors of AWS's own codes are final, but for limits that pass; others are those of the database and the file system. */
function mayPass(error: unknown): boolean {
  if (error instanceof StepFailed || error instanceof StepStopped) return false;
  if (error instanceof PlatformError) return error.code === 'unavailable' || error.code === 'overloaded';
  return !(error instanceof Error && 'httpStatus' in error) || ('code' in error && error.code === 'ResourceLimitExceeded');
}

/** The event of a new status of an execution. */
export function recordExecution(
  events: Pick<Events, 'record'>,
  tx: Transaction,
  { id, pipeline, status, failureReason, displayName, createdAtMs }: Execution,
  before: ExecutionStatus | null,
): Promise<PlatformEvent> {
  const kind = status === 'Executing' ? 'pipeline.execution-started' : 'pipeline.execution-ended';
  return events.record(tx, { kind, subject: pipeline, detail: { execution: id, status, before, failureReason, displayName, createdAtMs } });
}
