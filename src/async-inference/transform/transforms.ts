/** Batch transforms: stored, run a few at a time, stopped, and resumed after a restart or crash of the server. */
import type { Clock } from '../../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Audit, AuditAction, Events } from '../../records/index.ts';
import type { ForeignCodeCheck, ModelVersion } from '../../registry/index.ts';
import type { Database, Transaction } from '../../storage/index.ts';
import { BucketInput, BucketOutput, ManifestInput, type TransformBuckets } from './bucket-io.ts';
import { FileInput, FileOutput } from './file-io.ts';
import { type Checkpoint, TransformHalted, type TransformInput, type TransformOutput } from './transform-io.ts';
import {
  checkTransformSpec,
  type TransformLocation,
  type TransformSpec,
  type TransformState,
  type TransformView,
} from './transform-job.ts';
import { ProgressMeter, storedProgress } from './transform-progress.ts';
import { type StoredTransform, type StoredTransformObject, type TransformFilter, TransformRows } from './transform-rows.ts';
import { TransformRun, type TransformRunDeps } from './transform-run.ts';

export interface TransformsOptions extends Omit<TransformRunDeps, 'rows'> {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Pick<Audit, 'record'>;
  readonly buckets: TransformBuckets;
  /** Throws `not_found`. */
  readonly versionOf: (group: string, version: number) => Promise<ModelVersion>;
  /** Throws `forbidden` if the caller may not start the code of a version on this machine. */
  readonly checkForeignCode?: ForeignCodeCheck;
}

interface Running {
  readonly abort: AbortController;
  readonly meter: ProgressMeter;
  readonly ended: Promise<void>;
}

/** More concurrent runs would only compete for CPUs. */
const runsMax = 2;
const failuresShown = 3;
const reasonMax = 1024;
const eventKindOf = {
  InProgress: 'transform.in-progress',
  Completed: 'transform.completed',
  Failed: 'transform.failed',
  Stopping: 'transform.stopping',
  Stopped: 'transform.stopped',
} as const satisfies Record<TransformState, string>;

/** All transforms of a server. Requests that arrive while enough of them run wait in order. */
export class Transforms {
  readonly #options: TransformsOptions;
  readonly #rows: TransformRows;
  readonly #running = new Map<string, Running>();
  readonly #waiting: string[] = [];
  #isClosed = false;

  constructor(options: TransformsOptions) {
    this.#options = options;
    this.#rows = new TransformRows(options.db, options.clock);
  }

  /** Resumes transforms that a restart or crash of the server interrupted. */
  async open(): Promise<void> {
    for (const name of await this.#rows.inStates(['Stopping'])) await this.#rows.turn(name, ['Stopping'], 'Stopped');
    this.#waiting.push(...(await this.#rows.inStates(['InProgress'])));
    this.#next();
  }

  /** Halts running transforms; the next server resumes them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { abort } of this.#running.values()) abort.abort(new TransformHalted('closing'));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** `hook` runs in the same transaction. Throws `invalid_request`, `not_found`, `wrong_state`, `already_exists`. */
  async create(spec: TransformSpec, who: string, hook: (tx: Transaction) => Promise<void> = async () => undefined): Promise<TransformView> {
    checkTransformSpec(spec);
    const version = await this.#options.versionOf(spec.group, spec.version);
    checkApproved(version, spec);
    this.#options.checkForeignCode?.(version, who, spec.environment);
    await this.#rows.add(spec, async (tx) => {
      await hook(tx);
      const detail = { model: version.name, input: formatLocation(spec.input), output: formatLocation(spec.output) };
      await this.#options.audit.record(tx, { who, action: 'CreateTransformJob', target: spec.name, outcome: 'ok', detail });
    });
    await this.#publish(spec.name, 'InProgress', null);
    this.#waiting.push(spec.name);
    this.#next();
    return this.get(spec.name);
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<TransformView> {
    return this.#viewOf(await this.#stored(name));
  }

  /** Resolves when the transform ends, or after `withinMs`; at once if it is not running. */
  async settled(name: string, withinMs: number): Promise<void> {
    const running = this.#running.get(keyOf(name));
    if (running === undefined) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(withinMs, resolve);
    await Promise.race([running.ended, late]);
    cancel();
  }

  async list(filter: TransformFilter): Promise<TransformView[]> {
    return Promise.all((await this.#rows.list(filter)).map((stored) => this.#viewOf(stored)));
  }

  /** The objects and their states, in order. Throws `not_found`. */
  async objects(name: string, page: { readonly after?: number; readonly limit: number }): Promise<StoredTransformObject[]> {
    await this.#stored(name);
    return this.#rows.objects(name, page);
  }

  /** Throws `not_found`, `wrong_state` if the transform has ended. */
  async stop(name: string, who: string): Promise<TransformView> {
    const { spec, state } = await this.#stored(name);
    if (!(await this.#rows.turn(spec.name, ['InProgress'], 'Stopping'))) {
      if (state === 'Stopping') return this.get(name);
      throw new PlatformError('wrong_state', `transform ${spec.name} is ${state}: only an InProgress transform can be stopped`);
    }
    await this.#audit(who, 'StopTransformJob', spec.name);
    await this.#publish(spec.name, 'Stopping', null);
    const running = this.#running.get(keyOf(spec.name));
    if (running !== undefined) running.abort.abort(new TransformHalted('stopped'));
    else await this.#settle(spec.name, ['Stopping'], 'Stopped', null);
    return this.get(name);
  }

  /** Processes unfinished and failed objects. Throws `not_found`, `wrong_state` if nothing remains. */
  async resume(name: string, who: string): Promise<TransformView> {
    const { spec, state } = await this.#stored(name);
    if (state === 'InProgress') return this.get(name);
    this.#options.checkForeignCode?.(await this.#options.versionOf(spec.group, spec.version), who, spec.environment);
    await this.#rows.retryFailed(spec.name);
    if (!(await this.#rows.turn(spec.name, ['Stopped', 'Failed'], 'InProgress'))) {
      throw new PlatformError('wrong_state', `transform ${spec.name} is ${state}: only a Stopped or Failed transform can be resumed`);
    }
    await this.#audit(who, 'ResumeTransformJob', spec.name);
    await this.#publish(spec.name, 'InProgress', null);
    this.#waiting.push(spec.name);
    this.#next();
    return this.get(name);
  }

  #next(): void {
    while (!this.#isClosed && this.#running.size < runsMax) {
      // A resumed transform waits until its previous run has stopped.
      const at = this.#waiting.findIndex((name) => !this.#running.has(keyOf(name)));
      if (at < 0) return;
      for (const name of this.#waiting.splice(at, 1)) this.#start(name);
    }
  }

  #start(name: string): void {
    const abort = new AbortController();
    const meter = new ProgressMeter(this.#options.clock);
    const ended = this.#run(name, abort.signal, meter)
      .catch((error: unknown) => this.#options.log.error({ transform: name, error: messageOf(error) }, 'failed to end a transform'))
      .finally(() => {
        this.#running.delete(keyOf(name));
        this.#next();
      });
    this.#running.set(keyOf(name), { abort, meter, ended });
  }

  async #run(name: string, signal: AbortSignal, meter: ProgressMeter): Promise<void> {
    const stored = await this.#rows.find(name);
    if (stored === null || stored.state !== 'InProgress') return;
    const { spec } = stored;
    try {
      await this.#rows.started(spec.name);
      const version = await this.#options.versionOf(spec.group, spec.version);
      if (version.createdAtMs > stored.createdAtMs) throw otherModel(version.name);
      checkApproved(version, spec); // the approval may have been withdrawn since
      const io = { input: this.#inputOf(spec.input), output: this.#outputOf(spec.output) };
      await new TransformRun({ ...this.#options, rows: this.#rows }, { stored, version, ...io, meter, signal }).run();
      await this.#conclude(spec.name);
    } catch (error) {
      if (error instanceof TransformHalted || signal.aborted) {
        if ((signal.reason as Error | undefined)?.message === 'stopped')
          await this.#settle(spec.name, ['InProgress', 'Stopping'], 'Stopped', null);
        return;
      }
      this.#options.log.warn({ transform: spec.name, error: messageOf(error) }, 'a transform failed');
      await this.#settle(spec.name, ['InProgress', 'Stopping'], 'Failed', asPlatformError(error).message);
    }
  }

  /** Sets the final state after all objects are done or failed. */
  async #conclude(name: string): Promise<void> {
    const { objects, objectsFailed } = await this.#rows.totals(name);
    if (objectsFailed === 0) return this.#settle(name, ['InProgress', 'Stopping'], 'Completed', null);
    const failures = await this.#rows.failures(name, failuresShown);
    const shown = failures.map((failure) => `${failure.name}: ${failure.note ?? 'failed'}`).join('; ');
    const more = objectsFailed > failures.length ? `; and ${objectsFailed - failures.length} more` : '';
    return this.#settle(name, ['InProgress', 'Stopping'], 'Failed', `${objectsFailed} of ${objects} objects failed: ${shown}${more}`);
  }

  async #settle(name: string, from: readonly TransformState[], to: TransformState, reason: string | null): Promise<void> {
    const short = reason === null || reason.length <= reasonMax ? reason : `${reason.slice(0, reasonMax - 1)}…`;
    if (await this.#rows.turn(name, from, to, short)) await this.#publish(name, to, short);
  }

  async #publish(name: string, state: TransformState, reason: string | null): Promise<void> {
    await this.#options.events.recordAndPublish({ kind: eventKindOf[state], subject: name, detail: { state, reason } });
  }

  async #audit(who: string, action: AuditAction, target: string): Promise<void> {
    await this.#options.audit.record(this.#options.db, { who, action, target, outcome: 'ok', detail: {} });
  }

  async #stored(name: string): Promise<StoredTransform> {
    const stored = await this.#rows.find(name);
    if (stored !== null) return stored;
    throw new PlatformError('not_found', `there is no transform '${name.slice(0, 80)}'`);
  }

  async #viewOf({ spec, batchRows, ...rest }: StoredTransform): Promise<TransformView> {
    const totals = await this.#rows.totals(spec.name);
    const running = this.#running.get(keyOf(spec.name));
    if (running !== undefined) return { spec, ...rest, batchRows, progress: running.meter.progress(totals) };
    const texts = rest.state === 'Completed' ? [] : await this.#rows.begun(spec.name);
    const checkpoints = texts.map((text) => JSON.parse(text) as Checkpoint);
    return { spec, ...rest, batchRows, progress: storedProgress(totals, checkpoints) };
  }

  #inputOf(location: TransformLocation): TransformInput {
    if (location.kind === 'file') return new FileInput(location.path);
    return location.isManifest === true
      ? new ManifestInput(this.#options.buckets, location)
      : new BucketInput(this.#options.buckets, location);
  }

  #outputOf(location: TransformLocation): TransformOutput {
    return location.kind === 'file'
      ? new FileOutput(location.path, this.#options.clock)
      : new BucketOutput(this.#options.buckets, location);
  }
}

function checkApproved({ name, approval, runtime }: ModelVersion, { isPending }: Pick<TransformSpec, 'isPending'>): void {
  if (isPending === true && approval === 'PendingManualApproval' && runtime.kind === 'onnx') return;
  if (approval !== 'Approved')
    throw new PlatformError('wrong_state', `${name} is ${approval}: only an Approved version can run a transform`);
}

/** `s3://bucket/prefix`, or a path. */
export function formatLocation(location: TransformLocation): string {
  return location.kind === 'file' ? location.path : `s3://${location.bucket}/${location.prefix}`;
}

function keyOf(name: string): string {
  return name.toLowerCase();
}

/** The group was deleted and created again, so its version numbers started over. */
function otherModel(version: string): PlatformError {
  return new PlatformError(
    'wrong_state',
    `${version} is not the model this transform started with, which was deleted: create a new transform`,
  );
}
