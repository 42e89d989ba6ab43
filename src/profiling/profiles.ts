/**
 * Profiles by model version and executor. Measured in the background, one at a time, on a borrowed worker, so measurements
 * neither delay requests nor disturb each other.
 */
import type { Clock } from '../clock.ts';
import { functionShape, heldVcpu, instanceType, type PriceTable, threadsOf } from '../costs/index.ts';
import { defined } from '../defined.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import { nameKey } from '../names.ts';
import { loadLimits, type Provider } from '../providers/index.ts';
import type { Random } from '../random.ts';
import type { Events } from '../records/index.ts';
import { type ModelVersion, payloadKind, pythonOf, type Registry, storedSample } from '../registry/index.ts';
import { type RunResult, type SampleBody, sampleBatches, type WorkerLink } from '../runtime/index.ts';
import { type Database, isForeignKeyViolation } from '../storage/index.ts';
import { takesJson } from '../tensor.ts';
import { functionExecutor, functionSizes, measureMemoryMiB } from './function-sizes.ts';
import { batchSizesMeasured, measure } from './measure.ts';
import { busyText, type Profile } from './profile.ts';
import { timer, timerOf } from './timer.ts';

export interface ProfilesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: Events;
  readonly registry: Pick<Registry, 'verifiedModelFiles'>;
  readonly prices: PriceTable;
  /** CPU cores of this machine. */
  readonly cores: number;
  /** Time budget of a profile, in milliseconds. */
  readonly budgetMs: number;
  /** Lends a worker for one task. */
  readonly borrow: Provider['borrow'];
  /** True if workers can be limited to their processors. Default: they cannot. */
  readonly isCpuHeld?: () => boolean;
}

/** Resources of the worker of an executor. */
interface ExecutorSize {
  readonly threads: number;
  readonly memoryMiB: number;
  readonly vcpuMax: number | null;
  /** Absent for a function. */
  readonly instanceType?: string;
}

/** Notification that a profile was stored. */
export interface MeasuredProfile {
  readonly group: string;
  readonly version: number;
  readonly profile: Profile;
}

/** Maximum time of a measurement, including loading a large model. Then the worker is terminated and the measurement fails. */
const measureTimeoutMs = 60_000;
/** A reply that is larger fails the measurement. */
const replyBytesMax = 64 * 1024 ** 2;

/** A measurement that is requested twice runs once. Listeners are called after it was stored. */
export class Profiles {
  readonly #options: ProfilesOptions;
  /** Running and waiting measurements, by version and executor. */
  readonly #pending = new Map<string, Promise<Profile>>();
  readonly #listeners = new Set<(measured: MeasuredProfile) => void>();
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  /** Null if not measured yet. */
  async get(group: string, version: number, executor: string): Promise<Profile | null> {
    const row = await this.#options.db
      .selectFrom('profiles')
      .select('profile')
      .where('group_key', '=', nameKey(group))
      .where('version', '=', version)
      .where('executor', '=', executor)
      .executeTakeFirst();
    return row === undefined ? null : (JSON.parse(row.profile) as Profile);
  }

  /** All profiles of a version, ordered by executor. */
  async list(group: string, version: number): Promise<readonly Profile[]> {
    const rows = await this.#options.db
      .selectFrom('profiles')
      .select('profile')
      .where('group_key', '=', nameKey(group))
      .where('version', '=', version)
      .orderBy('executor')
      .execute();
    return rows.map(({ profile }) => JSON.parse(profile) as Profile);
  }

  /** Stores or replaces the profile of an executor and notifies listeners. Throws `not_found` if the version was deleted. */
  async put(version: Pick<ModelVersion, 'group' | 'version'>, profile: Profile): Promise<void> {
    const values = { profile: JSON.stringify(profile), measured_at: profile.measuredAtMs };
    await this.#options.db
      .insertInto('profiles')
      .values({ group_key: nameKey(version.group), version: version.version, executor: profile.executor, ...values })
      .onConflict((conflict) => conflict.columns(['group_key', 'version', 'executor']).doUpdateSet(values))
      .execute()
      .catch((error: unknown) => {
        if (!isForeignKeyViolation(error)) throw error;
        throw new PlatformError('not_found', `${version.group}/${version.version} was deleted while it was being measured`, {
          cause: error,
        });
      });
    for (const listener of this.#listeners) listener({ group: version.group, version: version.version, profile });
  }

  /** A Python model is measured once it was opened, because that is the first run of its code. */
  measureOpened(version: ModelVersion): void {
    if (version.python === undefined || version.python.state === 'opened') this.measureInBackground(version, 'instance:local.1');
  }

  /** Measures the profile in the background if it does not exist; failures are logged. */
  measureInBackground(version: ModelVersion, executor: string): void {
    const isUnknown = (payloadKind(version.runtime) !== 'tensors' || takesJson(version.signature)) && version.python?.hasSample !== true;
    if (isUnknown || isUnapprovedCode(version)) return;
    void this.get(version.group, version.version, executor)
      .then((known) => known ?? this.measure(version, executor))
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#options.log.warn({ version: version.name, executor, error: messageOf(error) }, 'failed to measure a profile');
      });
  }

  /**
   * Measures even if a profile exists, after measurements requested earlier, and stores the result. Duplicate waiting requests
   * share one measurement. Throws `invalid_request` for an unknown executor, `model_failed`, `unsupported`, `wrong_state` for code
   * that is not approved, or `unavailable` during shutdown.
   */
  measure(version: ModelVersion, executor: string): Promise<Profile> {
    if (version.runtime.kind === 'process') return Promise.reject(notMeasurable(version));
    if (isUnapprovedCode(version)) return Promise.reject(notApproved(version));
    const key = `${version.name} ${executor}`;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const measured = this.#last.then(() => this.#measureAndPut(version, executor));
    this.#pending.set(key, measured);
    this.#last = measured.catch(() => undefined).finally(() => this.#pending.delete(key));
    return measured;
  }

  /** Calls the listener after each measurement. Returns a function that unsubscribes. */
  onMeasured(listener: (measured: MeasuredProfile) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Aborts waiting measurements at once and the running one before its next run. */
  async close(): Promise<void> {
    this.#closing.abort(new PlatformError('unavailable', 'the platform is stopping'));
    await this.#last;
  }

  async #measureAndPut(version: ModelVersion, executor: string): Promise<Profile> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const { db, clock, random, registry, borrow, events, log } = this.#options;
    const size = this.#sizeOf(executor);
    const { threads, memoryMiB, vcpuMax } = size;
    const files = await registry.verifiedModelFiles(version);
    const python = pythonOf(version);
    const sample = await storedSample(db, version);
    const takesBytes = payloadKind(version.runtime) !== 'tensors';
    if (sample === null && (takesBytes || takesJson(version.signature))) throw notMeasurable(version);
    const measureWith = async (link: WorkerLink): Promise<Profile> => {
      // An executor limited to a fraction of a processor waits by design, so its waiting is not subtracted.
      const timing = vcpuMax === null || vcpuMax >= threads ? await timerOf(link, clock) : { clock };
      const sinceLoad = timer(timing);
      const { signature, loadMs: tookMs } = await link.load({ ...files, threads, name: version.name, ...defined({ python }) });
      const loadMs = Math.min(tookMs, sinceLoad().ownMs);
      const rssOf = async () => (await link.status()).rssBytes / 1024 ** 2;
      const provided = {
        ...timing,
        signature,
        loadMs,
        sinceLoad,
        batchable: version.batchable,
        executor,
        memoryMiB,
        rssOf,
        random,
        inputsOf: sampleBatches(signature, takesBytes ? null : sample, random),
        signal,
      };
      const run: Parameters<typeof measure>[0] =
        takesBytes && sample !== null
          ? () => invoked(link, sample)
          : (inputs) => link.run(inputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, parts: [data] })));
      return measure(run, { ...provided, budgetMs: this.#options.budgetMs, batchSizes: batchSizesMeasured });
    };
    // A worker limited to less than a processor needs a separate cgroup.
    const options = {
      ...loadLimits(version.artifact.bytes, measureTimeoutMs),
      ...(vcpuMax === null ? {} : { memoryMiB, vcpuMax }),
      ...(python === undefined
        ? {}
        : { python: { environment: python.environment, threads, ...defined({ instanceType: size.instanceType }) } }),
    };
    const measured = await borrow(measureWith, options).catch((error: unknown) => {
      if (vcpuMax === null || !(error instanceof PlatformError) || !/memory/.test(error.message)) throw error;
      return emptyProfile(executor, clock.wallMs(), `it did not fit into ${memoryMiB} MiB: ${error.message}`);
    });
    const profile = { ...measured, threads, vcpuMax };
    signal.throwIfAborted();
    await this.put(version, profile);
    const busy = busyText(profile);
    if (busy !== null) log.warn({ version: version.name, executor, slowdown: profile.slowdown }, `a profile was ${busy}`);
    const { batchMax, service } = profile;
    await events.recordAndPublish({
      kind: 'profile.measured',
      subject: version.name,
      detail: { executor, batchMax, p50Ms: service[0]?.p50Ms },
    });
    return profile;
  }

  #sizeOf(executor: string): ExecutorSize {
    const { prices, cores, isCpuHeld = () => false } = this.#options;
    const [kind, name = ''] = executor.split(':');
    if (kind === 'instance') {
      const type = instanceType(prices, name);
      return { threads: threadsOf(type, cores), memoryMiB: type.memoryMiB, vcpuMax: heldVcpu(type, isCpuHeld()), instanceType: name };
    }
    const sizes = functionSizes(prices.functions);
    const memoryMiB = sizes.find((size) => functionExecutor(size) === executor);
    if (memoryMiB === undefined) {
      const expected = `instance:TYPE, such as instance:local.1, or function:MIB of ${sizes.join(', ')}`;
      throw new PlatformError('invalid_request', `unknown executor '${executor.slice(0, 60)}': expected ${expected}`);
    }
    const shape = functionShape(memoryMiB, cores, isCpuHeld());
    return { ...shape, memoryMiB: measureMemoryMiB(memoryMiB, sizes, cores) };
  }
}

/** One call of a Python function that takes bytes. */
async function invoked(link: WorkerLink, { contentType, body }: SampleBody): Promise<RunResult> {
  const { timings } = await link.invoke({ headers: { 'content-type': contentType }, body }, replyBytesMax);
  return { outputs: [], timings };
}

function notMeasurable({ name, runtime, signature }: ModelVersion): PlatformError {
  if (takesJson(signature)) {
    const todo = 'Register it again with --sample ROWS.jsonl, which has a few rows of JSON, one per line';
    return new PlatformError('unsupported', `${name} takes rows of JSON and has no sample, so it cannot be measured in advance. ${todo}`);
  }
  if (runtime.kind === 'python') {
    const why = 'which requests it accepts is not known. Register it with --sample FILE: the file is sent as one request';
    return new PlatformError('unsupported', `${name} takes bytes and has no sample, so it cannot be measured in advance: ${why}`);
  }
  const why = 'its inputs are unknown, so it cannot be measured in advance; its service times are learned from calls';
  return new PlatformError('unsupported', `${name} is a process: ${why}`);
}

/** Measuring runs the code of a Python model. Callers with the permission `register` can request it, but must not be able to run programs. */
function isUnapprovedCode({ runtime, approval }: ModelVersion): boolean {
  return runtime.kind === 'python' && approval !== 'Approved';
}

function notApproved({ name, approval }: ModelVersion): PlatformError {
  const why = 'measuring a Python model runs its code';
  return new PlatformError('wrong_state', `${name} is ${approval}: ${why}. Approve it first with \`penstock approve ${name}\``);
}

function emptyProfile(executor: string, measuredAtMs: number, note: string): Profile {
  return { executor, service: [], measuredAtMs, loadMs: 0, batchMax: 1, notes: [note] };
}
