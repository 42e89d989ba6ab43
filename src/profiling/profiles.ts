/**
 * The profiles there are, by model version and executor, and the one place where they are measured: in the
 * background, one at a time, on a borrowed worker, so that nothing waits for them and no two disturb each other.
 */
import type { Clock } from '../clock.ts';
import { functionShape, heldVcpu, instanceType, type PriceTable, threadsOf } from '../costs/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Events, Log } from '../monitoring/index.ts';
import type { Provider } from '../providers/index.ts';
import type { Random } from '../random.ts';
import { keyOf, type ModelVersion, type Registry } from '../registry/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import type { Database } from '../storage/index.ts';
import { functionExecutor, functionSizes, measureMemoryMiB } from './function-sizes.ts';
import { batchSizesMeasured, measure, profileBudgetMs } from './measure.ts';
import { busyText, type Profile } from './profile.ts';
import { timer, timerOf } from './timer.ts';

export interface ProfilesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: Events;
  readonly registry: Pick<Registry, 'artifactPath'>;
  readonly prices: PriceTable;
  /** Of this machine. */
  readonly cores: number;
  /** A worker for one task. */
  readonly borrow: Provider['borrow'];
  /** Whether workers can be held to their processors; they cannot unless told. */
  readonly isCpuHeld?: () => boolean;
}

/** How a worker of an executor is run. */
interface ExecutorSize {
  readonly threads: number;
  readonly memoryMiB: number;
  readonly vcpuMax: number | null;
}

export interface MeasuredProfile {
  readonly group: string;
  readonly version: number;
  readonly profile: Profile;
}

/** Loading a large model takes its time; after this the worker is ended and the profile has failed. */
const measureTimeoutMs = 60_000;

export class Profiles {
  readonly #options: ProfilesOptions;
  /** By version and executor: the measurements under way or waiting. */
  readonly #pending = new Map<string, Promise<Profile>>();
  readonly #listeners = new Set<(measured: MeasuredProfile) => void>();
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  /** null where it is not measured (yet). */
  async get(group: string, version: number, executor: string): Promise<Profile | null> {
    const row = await this.#options.db
      .selectFrom('profiles')
      .select('profile')
      .where('group_key', '=', keyOf(group))
      .where('version', '=', version)
      .where('executor', '=', executor)
      .executeTakeFirst();
    return row === undefined ? null : (JSON.parse(row.profile) as Profile);
  }

  /** All there are of a version, by executor. */
  async list(group: string, version: number): Promise<readonly Profile[]> {
    const rows = await this.#options.db
      .selectFrom('profiles')
      .select('profile')
      .where('group_key', '=', keyOf(group))
      .where('version', '=', version)
      .orderBy('executor')
      .execute();
    return rows.map(({ profile }) => JSON.parse(profile) as Profile);
  }

  /** Keeps a profile, in place of an earlier one for the executor, and tells the listeners. */
  async put(version: Pick<ModelVersion, 'group' | 'version'>, profile: Profile): Promise<void> {
    const values = { profile: JSON.stringify(profile), measured_at: profile.measuredAtMs };
    await this.#options.db
      .insertInto('profiles')
      .values({ group_key: keyOf(version.group), version: version.version, executor: profile.executor, ...values })
      .onConflict((conflict) => conflict.columns(['group_key', 'version', 'executor']).doUpdateSet(values))
      .execute();
    for (const listener of this.#listeners) listener({ group: version.group, version: version.version, profile });
  }

  /** Has it measured where it is missing. Nobody waits: what goes wrong is logged. */
  measureInBackground(version: ModelVersion, executor: string): void {
    if (version.runtime.kind !== 'onnx') return;
    void this.get(version.group, version.version, executor)
      .then((known) => known ?? this.measure(version, executor))
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#options.log.warn({ version: version.name, executor, error: messageOf(error) }, 'a profile could not be measured');
      });
  }

  /**
   * Measures now, in turn, also what is known already, and keeps the result. The same once more while it is waiting is
   * one measurement. Throws `invalid_request` (executor), `model_failed`, `unsupported`, `unavailable` while closing.
   */
  measure(version: ModelVersion, executor: string): Promise<Profile> {
    if (version.runtime.kind !== 'onnx') return Promise.reject(notMeasurable(version));
    const key = `${version.name} ${executor}`;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const measured = this.#last.then(() => this.#measureAndPut(version, executor));
    this.#pending.set(key, measured);
    this.#last = measured.catch(() => undefined).finally(() => this.#pending.delete(key));
    return measured;
  }

  /** The answer ends it. */
  onMeasured(listener: (measured: MeasuredProfile) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives up what is waiting and, at its next run, what is being measured. */
  async close(): Promise<void> {
    this.#closing.abort(new PlatformError('unavailable', 'the platform is stopping'));
    await this.#last;
  }

  async #measureAndPut(version: ModelVersion, executor: string): Promise<Profile> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const { clock, random, registry, borrow, events, log } = this.#options;
    const size = this.#sizeOf(executor);
    const { threads, memoryMiB, vcpuMax } = size;
    const path = registry.artifactPath(version);
    const measureWith = async (link: WorkerLink): Promise<Profile> => {
      // Who is held to a part of a processor waits for it by intent.
      const timing = vcpuMax === null || vcpuMax >= threads ? await timerOf(link, clock) : { clock };
      const sinceLoad = timer(timing);
      const { signature, loadMs: tookMs } = await link.load({ path, threads, name: version.name });
      const loadMs = Math.min(tookMs, sinceLoad().ownMs);
      const rssOf = async () => (await link.status()).rssBytes / 1024 ** 2;
      const given = { ...timing, signature, loadMs, sinceLoad, batchable: version.batchable, executor, memoryMiB, rssOf, random, signal };
      const run: Parameters<typeof measure>[0] = (inputs) =>
        link.run(inputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, parts: [data] })));
      return measure(run, { ...given, budgetMs: profileBudgetMs, batchSizes: batchSizesMeasured });
    };
    // Who is held to less than a processor is put into a group of its own.
    const options = { timeoutMs: measureTimeoutMs, ...(vcpuMax === null ? {} : { memoryMiB, vcpuMax }) };
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
      return { threads: threadsOf(type, cores), memoryMiB: type.memoryMiB, vcpuMax: heldVcpu(type, isCpuHeld()) };
    }
    const sizes = functionSizes(prices.functions);
    const memoryMiB = sizes.find((size) => functionExecutor(size) === executor);
    if (memoryMiB === undefined) {
      const expected = `instance:TYPE, such as instance:local.1, or function:MIB of ${sizes.join(', ')}`;
      throw new PlatformError('invalid_request', `executor '${executor.slice(0, 60)}' is not known: expected ${expected}`);
    }
    const shape = functionShape(memoryMiB, cores, isCpuHeld());
    return { ...shape, memoryMiB: measureMemoryMiB(memoryMiB, sizes, cores) };
  }
}

function notMeasurable({ name }: ModelVersion): PlatformError {
  const why = 'nobody knows what it takes, so there is nothing to measure it with; its service times are learnt as it is called';
  return new PlatformError('unsupported', `${name} is a process: ${why}`);
}

function emptyProfile(executor: string, measuredAtMs: number, note: string): Profile {
  return { executor, service: [], measuredAtMs, loadMs: 0, batchMax: 1, notes: [note] };
}
