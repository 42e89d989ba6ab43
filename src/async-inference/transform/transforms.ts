/** Batch transforms: ordered, kept, run one after the other, stopped, and gone on with after whatever ended the server. */
import type { Clock } from '../../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../../errors.ts';
import type { Audit, Deed, Events, Log } from '../../monitoring/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import type { Database, Transaction } from '../../storage/index.ts';
import { BucketInput, BucketOutput, ManifestInput, type TransformBuckets } from './bucket-places.ts';
import { FileInput, FileOutput } from './file-places.ts';
import { checkOrder, type TransformOrder, type TransformPlace, type TransformState, type TransformView } from './transform-job.ts';
import { type Checkpoint, Halted, type TransformInput, type TransformOutput } from './transform-places.ts';
import { ProgressMeter, progressAtRest } from './transform-progress.ts';
import { type KeptObject, type KeptTransform, type TransformFilter, TransformRows } from './transform-rows.ts';
import { TransformRun, type TransformRunNeeds } from './transform-run.ts';

export interface TransformsOptions extends Omit<TransformRunNeeds, 'rows'> {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Events;
  readonly audit: Pick<Audit, 'record'>;
  readonly buckets: TransformBuckets;
  /** Throws `not_found`. */
  readonly versionOf: (group: string, version: number) => Promise<ModelVersion>;
}

interface Running {
  readonly abort: AbortController;
  readonly meter: ProgressMeter;
  readonly ended: Promise<void>;
}

/** More at once would only take each other's processors. */
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

  /** Goes on with what an earlier server had under way. */
  async open(): Promise<void> {
    for (const name of await this.#rows.inStates(['Stopping'])) await this.#rows.turn(name, ['Stopping'], 'Stopped');
    this.#waiting.push(...(await this.#rows.inStates(['InProgress'])));
    this.#next();
  }

  /** What runs is let go of, and gone on with by the next server. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { abort } of this.#running.values()) abort.abort(new Halted('closing'));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** `beside` is done as one with it. Throws `invalid_request`, `not_found`, `wrong_state`, `already_exists`. */
  async create(
    order: TransformOrder,
    who: string,
    beside: (tx: Transaction) => Promise<void> = async () => undefined,
  ): Promise<TransformView> {
    checkOrder(order);
    const version = await this.#options.versionOf(order.group, order.version);
    if (version.approval !== 'Approved') {
      throw new PlatformError('wrong_state', `${version.name} is ${version.approval}: only an Approved version transforms`);
    }
    await this.#rows.add(order, async (tx) => {
      await beside(tx);
      const detail = { model: version.name, input: placeText(order.input), output: placeText(order.output) };
      await this.#options.audit.record(tx, { who, action: 'CreateTransformJob', target: order.name, outcome: 'ok', detail });
    });
    await this.#tell(order.name, 'InProgress', null);
    this.#waiting.push(order.name);
    this.#next();
    return this.get(order.name);
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<TransformView> {
    return this.#viewOf(await this.#kept(name));
  }

  /** Resolves when it is over, or after so long; at once where it does not run. */
  async settled(name: string, withinMs: number): Promise<void> {
    const running = this.#running.get(keyOf(name));
    if (running === undefined) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(withinMs, resolve);
    await Promise.race([running.ended, late]);
    cancel();
  }

  async list(filter: TransformFilter): Promise<TransformView[]> {
    return Promise.all((await this.#rows.list(filter)).map((kept) => this.#viewOf(kept)));
  }

  /** What became of each object, in their order. Throws `not_found`. */
  async objects(name: string, page: { readonly after?: number; readonly limit: number }): Promise<KeptObject[]> {
    await this.#kept(name);
    return this.#rows.objects(name, page);
  }

  /** Throws `not_found`, `wrong_state` where it is over. */
  async stop(name: string, who: string): Promise<TransformView> {
    const { order, state } = await this.#kept(name);
    if (!(await this.#rows.turn(order.name, ['InProgress'], 'Stopping'))) {
      if (state === 'Stopping') return this.get(name);
      throw new PlatformError('wrong_state', `transform ${order.name} is ${state}: only one that is InProgress can be stopped`);
    }
    await this.#audit(who, 'StopTransformJob', order.name);
    await this.#tell(order.name, 'Stopping', null);
    const running = this.#running.get(keyOf(order.name));
    if (running !== undefined) running.abort.abort(new Halted('stopped'));
    else await this.#settle(order.name, ['Stopping'], 'Stopped', null);
    return this.get(name);
  }

  /** Does what was not done, or failed. Throws `not_found`, `wrong_state` where there is nothing left to do. */
  async resume(name: string, who: string): Promise<TransformView> {
    const { order, state } = await this.#kept(name);
    if (state === 'InProgress') return this.get(name);
    await this.#rows.retryFailed(order.name);
    if (!(await this.#rows.turn(order.name, ['Stopped', 'Failed'], 'InProgress'))) {
      throw new PlatformError('wrong_state', `transform ${order.name} is ${state}: one that is Stopped or Failed can be gone on with`);
    }
    await this.#audit(who, 'ResumeTransformJob', order.name);
    await this.#tell(order.name, 'InProgress', null);
    this.#waiting.push(order.name);
    this.#next();
    return this.get(name);
  }

  #next(): void {
    while (!this.#isClosed && this.#running.size < runsMax) {
      // One that was stopped and is to go on waits until it has stopped.
      const at = this.#waiting.findIndex((name) => !this.#running.has(keyOf(name)));
      if (at < 0) return;
      for (const name of this.#waiting.splice(at, 1)) this.#start(name);
    }
  }

  #start(name: string): void {
    const abort = new AbortController();
    const meter = new ProgressMeter(this.#options.clock);
    const ended = this.#run(name, abort.signal, meter)
      .catch((error: unknown) => this.#options.log.error({ transform: name, error: messageOf(error) }, 'a transform could not be ended'))
      .finally(() => {
        this.#running.delete(keyOf(name));
        this.#next();
      });
    this.#running.set(keyOf(name), { abort, meter, ended });
  }

  async #run(name: string, signal: AbortSignal, meter: ProgressMeter): Promise<void> {
    const kept = await this.#rows.find(name);
    if (kept === null || kept.state !== 'InProgress') return;
    const { order } = kept;
    try {
      await this.#rows.started(order.name);
      const version = await this.#options.versionOf(order.group, order.version);
      if (version.createdAtMs > kept.createdAtMs) throw otherModel(version.name);
      const places = { input: this.#inputOf(order.input), output: this.#outputOf(order.output) };
      await new TransformRun({ ...this.#options, rows: this.#rows }, { kept, version, ...places, meter, signal }).run();
      await this.#conclude(order.name);
    } catch (error) {
      if (error instanceof Halted || signal.aborted) {
        if ((signal.reason as Error | undefined)?.message === 'stopped')
          await this.#settle(order.name, ['InProgress', 'Stopping'], 'Stopped', null);
        return;
      }
      this.#options.log.warn({ transform: order.name, error: messageOf(error) }, 'a transform failed');
      await this.#settle(order.name, ['InProgress', 'Stopping'], 'Failed', asPlatformError(error).message);
    }
  }

  /** Every object has come to its end. */
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
    if (await this.#rows.turn(name, from, to, short)) await this.#tell(name, to, short);
  }

  async #tell(name: string, state: TransformState, reason: string | null): Promise<void> {
    await this.#options.events.recordAndPublish({ kind: eventKindOf[state], subject: name, detail: { state, reason } });
  }

  async #audit(who: string, action: Deed, target: string): Promise<void> {
    await this.#options.audit.record(this.#options.db, { who, action, target, outcome: 'ok', detail: {} });
  }

  async #kept(name: string): Promise<KeptTransform> {
    const kept = await this.#rows.find(name);
    if (kept !== null) return kept;
    throw new PlatformError('not_found', `there is no transform '${name.slice(0, 80)}'`);
  }

  async #viewOf({ order, batchRows, ...kept }: KeptTransform): Promise<TransformView> {
    const totals = await this.#rows.totals(order.name);
    const running = this.#running.get(keyOf(order.name));
    if (running !== undefined) return { order, ...kept, batchRows, progress: running.meter.progress(totals) };
    const begun = kept.state === 'Completed' ? [] : await this.#rows.begun(order.name);
    const checkpoints = begun.map((each) => JSON.parse(each) as Checkpoint);
    return { order, ...kept, batchRows, progress: progressAtRest(totals, checkpoints) };
  }

  #inputOf(place: TransformPlace): TransformInput {
    if (place.kind === 'file') return new FileInput(place.path);
    return place.isManifest === true ? new ManifestInput(this.#options.buckets, place) : new BucketInput(this.#options.buckets, place);
  }

  #outputOf(place: TransformPlace): TransformOutput {
    return place.kind === 'file' ? new FileOutput(place.path, this.#options.clock) : new BucketOutput(this.#options.buckets, place);
  }
}

/** `s3://bucket/prefix`, or a path. */
export function placeText(place: TransformPlace): string {
  return place.kind === 'file' ? place.path : `s3://${place.bucket}/${place.prefix}`;
}

function keyOf(name: string): string {
  return name.toLowerCase();
}

/** A group was deleted and made anew: its versions are counted from 1 again. */
function otherModel(version: string): PlatformError {
  return new PlatformError(
    'wrong_state',
    `${version} is another model than the one this transform began with, which was deleted: order a new transform`,
  );
}
