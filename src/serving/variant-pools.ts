/**
 * The pools of all variants, one per model version, and the assignment of workers to pools. A pool is created by routing or with
 * the version's first worker. It is removed once it is retired and empty.
 */
import { executorUsd, type FunctionPrices, pingUsdPerHour, provisionedUsdPerHour } from '../costs/index.ts';
import { defined } from '../defined.ts';
import { type LadderConfig, type LadderRung, type LoadedShadow, ladderKey, type ServedWorker, shadowPlan } from '../deployment/index.ts';
import type { PlatformError } from '../errors.ts';
import { ServiceTable } from '../profiling/index.ts';
import type { Random } from '../random.ts';
import type { LostRequests } from '../records/index.ts';
import { baseNameOf, type ModelVersion, payloadKind } from '../registry/index.ts';
import type { AttachedWorker } from './executor.ts';
import type { PoolSettings } from './executor-pool.ts';
import { slotIdsOf, workerOf } from './instances/executor-slots.ts';
import type { Accounting, Invocations } from './invocations.ts';
import { linkRunner } from './runners/link-runner.ts';
import { processRunner } from './runners/process-runner.ts';
import type { RunRequests } from './runners/run-requests.ts';
import type { ShadowAnswer } from './shadows/idle-shadows.ts';
import type { VariantStatistics } from './traffic/statistics.ts';
import { VariantPool } from './variant-pool.ts';

const replyBytesMaxDefault = 64 * 1024 ** 2;

export interface VariantPoolsOptions extends Pick<Accounting, 'clock' | 'ledger' | 'log'> {
  readonly queueRowsMax: number;
  /** Draws which requests of a selection are compared in idle time. */
  readonly random: Random;
  /** Called with what another plan of a selection answers to a request. */
  readonly onShadowAnswered?: (of: { readonly endpoint: string; readonly variant: string }, answer: ShadowAnswer) => void;
  /** Size limit of process replies that are read completely. Default: 64 MiB. */
  readonly replyBytesMax?: number;
  /** Returns the known service times of a model version on an executor, for example `instance:local.1` or `function:2048`. */
  readonly serviceTable: (version: ModelVersion, executor: string) => ServiceTable;
  /** The same of a plan. Absent: no variant has plans. */
  readonly planTable?: (plan: LadderRung, executor: string) => ServiceTable;
  /** Kills and restarts a worker whose run exceeded the timeout. */
  readonly restart: (workerId: string, reason: string) => void;
  readonly functions: FunctionSource;
  /** Called when a worker crashed while running requests, with the number of rerun and failed requests. */
  readonly onWorkerLost?: (workerId: string, requests: LostRequests) => void;
  /** Called with the reason when functions alongside a variant's instances stop taking requests, and with null when they resume. */
  readonly onOverflowShut?: (of: { readonly endpoint: string; readonly variant: string }, reason: string | null) => void;
}

/** Starts and stops the workers of functions, and has their prices. */
export interface FunctionSource {
  readonly prices: FunctionPrices;
  /** Memory size until a decision chooses one. */
  readonly memoryMiBSafe: (version: ModelVersion) => number;
  /** Starts a worker and returns its id at once. The worker is attached later, or reported as failed. */
  readonly start: (request: {
    readonly endpoint: string;
    readonly variant: string;
    readonly version: ModelVersion;
    readonly memoryMiB: number;
    readonly ladder?: LadderConfig;
  }) => string;
  /** Returns the number of cores not used by instances of these types. Absent if starts do not compete for cores. */
  readonly remainingCores?: (instanceTypes: readonly string[]) => number;
  /** Ends a worker in the background; ignores unknown ids. */
  readonly stop: (workerId: string) => void;
}

/** All pools of a server, by endpoint, variant and version. */
export class VariantPools {
  readonly #options: VariantPoolsOptions;
  readonly #invocations: Invocations;
  readonly #successorOf: (retired: VariantPool) => VariantPool;
  readonly #pools = new Map<string, VariantPool>();
  readonly #poolOfWorker = new Map<string, VariantPool>();
  /** By worker id: the pool of the shadow that runs in its idle time. */
  readonly #shadowOfWorker = new Map<string, VariantPool>();
  /** By worker id of an instance: the ids of its executors. */
  readonly #slots = new Map<string, readonly string[]>();

  /** `successorOf` returns the pool that replaces a retired one, and throws if there is none. */
  constructor(options: VariantPoolsOptions, invocations: Invocations, successorOf: (retired: VariantPool) => VariantPool) {
    this.#options = options;
    this.#invocations = invocations;
    this.#successorOf = successorOf;
  }

  [Symbol.iterator](): Iterator<VariantPool> {
    return this.#pools.values();
  }

  /** Returns the existing pool, or creates one with these settings, and with `statistics` instead of its own. */
  poolFor(endpoint: string, variant: string, model: ModelVersion, settings: PoolSettings, statistics?: VariantStatistics): VariantPool {
    const key = keyOf({ endpoint, variant, model, settings });
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#newPool({ endpoint, variant, model, statistics }, settings);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** Retires a pool that receives no more traffic. */
  retire(pool: VariantPool): void {
    pool.retire();
    this.#discard(pool);
  }

  /** Attaches a ready worker. `settings` are those of its endpoint; null if the endpoint is not routed yet. */
  attach(worker: ServedWorker, settings: PoolSettings | null): void {
    if (worker.functionMemoryMiB !== null) return this.#attachFunction(worker);
    const { ladder: _routed, ...others } = settings ?? this.#settingsUnrouted();
    const own = worker.ladder === undefined ? others : { ...others, ladder: worker.ladder };
    const pool = this.poolFor(worker.endpoint, worker.variant, worker.version, own);
    this.#poolOfWorker.set(worker.id, pool);
    this.#options.ledger.started(worker.id, worker.endpoint, worker.variant, worker.usdPerHour);
    const lanes = slotIdsOf(worker.id, worker.version);
    this.#slots.set(worker.id, lanes);
    const charge = (serviceMs: number): number => executorUsd(worker.usdPerHour / lanes.length, serviceMs);
    for (const id of lanes) pool.attach({ ...worker, id, charge, run: this.#runnerOf(worker), ...missingOf(worker) });
    if (worker.shadow !== undefined) this.#attachShared(worker, worker.shadow, { pool, lanes, settings: others });
  }

  /** The shadow of the variant runs in the idle time of the worker. */
  #attachShared(
    worker: ServedWorker,
    { variant, version }: LoadedShadow,
    { pool, lanes, settings }: { readonly pool: VariantPool; readonly lanes: readonly string[]; readonly settings: PoolSettings },
  ): void {
    const shadow = this.poolFor(worker.endpoint, variant, version, { ...settings, isShadow: true, sharesWorkers: true });
    this.#shadowOfWorker.set(worker.id, shadow);
    const missingReason = (): string | null => worker.link.missing.found.find(({ model }) => model === shadowPlan)?.reason ?? null;
    const run = this.#runnerOf(worker);
    for (const id of lanes) shadow.attachShared({ ...worker, id, charge: () => 0, run, idle: pool.idleTime, missingReason });
  }

  /** Removes a worker and stops charging for it. Ignores unknown ids. */
  detach(workerId: string): void {
    const pool = this.#poolOfWorker.get(workerId);
    if (pool === undefined) return;
    this.#poolOfWorker.delete(workerId);
    this.#options.ledger.ended(workerId);
    const shadow = this.#shadowOfWorker.get(workerId);
    this.#shadowOfWorker.delete(workerId);
    for (const lane of this.#slots.get(workerId) ?? [workerId]) {
      pool.detach(lane);
      shadow?.detach(lane);
    }
    this.#slots.delete(workerId);
    if (pool.isRetired) this.#discard(pool);
    if (shadow?.isRetired === true) this.#discard(shadow);
  }

  functionFailed(workerId: string, reason: string): void {
    const pool = this.#poolOfWorker.get(workerId);
    this.#poolOfWorker.delete(workerId);
    pool?.failed(workerId, reason);
  }

  /** Drains and detaches a worker. Resolves once it is idle and detached. */
  async drain(workerId: string): Promise<void> {
    const pool = this.#poolOfWorker.get(workerId);
    if (pool !== undefined) await Promise.all((this.#slots.get(workerId) ?? [workerId]).map((lane) => pool.drain(lane)));
    this.#options.ledger.terminated(workerId);
    this.detach(workerId);
  }

  /** Attaches the worker to the pool that requested it. If that pool no longer exists, stops the worker. */
  #attachFunction(worker: ServedWorker): void {
    const pool = this.#poolOfWorker.get(worker.id);
    if (pool === undefined) return this.#options.functions.stop(worker.id);
    // The function pool computes the cost of runs itself. A function has loaded one plan.
    const run = this.#runnerOf(worker);
    pool.attach({ ...worker, charge: () => 0, run: (requests, done) => run(requests, done, 0) });
  }

  #runnerOf({ link, version }: ServedWorker): RunRequests {
    if (payloadKind(version.runtime) === 'tensors') return linkRunner(link, version.signature, version.runtime.kind === 'python');
    return processRunner(link, version.name, this.#options.replyBytesMax ?? replyBytesMaxDefault, this.#options.clock);
  }

  #settingsUnrouted(): PoolSettings {
    return { objective: null, late: 'serve', timeoutMs: 60_000, queueRowsMax: this.#options.queueRowsMax, functions: null };
  }

  #newPool(
    names: { endpoint: string; variant: string; model: ModelVersion; statistics: VariantStatistics | undefined },
    settings: PoolSettings,
  ): VariantPool {
    const { clock, random, log, onShadowAnswered, serviceTable, planTable, restart, ledger, functions, onWorkerLost, onOverflowShut } =
      this.#options;
    const { endpoint, variant, model } = names;
    const { ladder } = settings;
    const isTarget = baseNameOf(model.name) !== null;
    // One model of many is neither profiled nor billed: the instances of its variant are.
    const unknownTable = new ServiceTable(null);
    const pool: VariantPool = new VariantPool(names, settings, {
      clock,
      random,
      onShadowAnswered: (answer) => onShadowAnswered?.({ endpoint, variant }, answer),
      restart: (lane, reason) => restart(workerOf(lane), reason),
      // Functions run the floor plan.
      serviceTable: (executor, rung = ladder?.floorRung ?? 0) => {
        const plan = ladder?.rungs[rung];
        if (plan !== undefined) return planTable?.(plan, executor) ?? unknownTable;
        return isTarget ? unknownTable : serviceTable(model, executor);
      },
      onDispatch: (reason, rows) => this.#invocations.dispatched(pool, reason, rows),
      onRunFailed: (usd) => this.#invocations.runFailed(pool, usd),
      onWorkerLost: (lane, requests) => onWorkerLost?.(workerOf(lane), requests),
      onBatchAnswered: () => this.#invocations.batchAnswered(),
      functions: {
        prices: isTarget ? { ...functions.prices, usdPerGbSecond: 0, usdPerInvocation: 0 } : functions.prices,
        memoryMiBSafe: () => functions.memoryMiBSafe(model),
        start: (memoryMiB) => {
          const id = functions.start({ endpoint, variant, version: model, memoryMiB, ...defined({ ladder }) });
          this.#poolOfWorker.set(id, pool);
          return id;
        },
        // Whether the start of a process model is limited by processors is unknown, so its starts are not limited.
        remainingCores: model.runtime.kind === 'onnx' ? functions.remainingCores : undefined,
        stop: (id) => {
          this.#poolOfWorker.delete(id);
          functions.stop(id);
        },
        onHung: (id, reason) => {
          log.warn({ endpoint, variant, worker: id, reason }, 'ended a function during a run');
          restart(id, reason); // ends it with its stack; `stop` follows, so no other is started
        },
        onInvoked: (invocation) => this.#invocations.invoked(pool, invocation),
        onRetained: ({ id, idle, memoryMiB }) => {
          if (idle === null) return ledger.ended(id);
          const usdPerHour = idle === 'pinged' ? pingUsdPerHour : provisionedUsdPerHour;
          ledger.startedWarm(id, endpoint, variant, usdPerHour(functions.prices, memoryMiB));
        },
        onNoCapacity: () => {
          if (pool.isRetired) this.#discard(pool);
        },
      },
      onShut: (reason) => onOverflowShut?.({ endpoint, variant }, reason),
    });
    return pool;
  }

  /** Removes a retired pool that has no executor left. Its waiting requests go to the successor. */
  #discard(pool: VariantPool): void {
    if (!pool.hasNoCapacity) return;
    for (const request of pool.removeAllWaiting()) {
      try {
        this.#successorOf(pool).resubmit(request);
      } catch (error) {
        request.fail(error as PlatformError);
      }
    }
    const key = keyOf(pool);
    if (this.#pools.get(key) === pool) this.#pools.delete(key);
    if (pool.isEmpty) pool.close();
  }
}

/** What a worker of a ladder could not load, as of now: it tries again. */
function missingOf({ ladder, link }: ServedWorker): Pick<AttachedWorker, 'missingModels'> {
  if (ladder === undefined) return {};
  return { missingModels: () => link.missing.found.map(({ model, reason }) => ({ model: ladder.models[model] ?? '', reason })) };
}

/** Key of a pool. A variant that gets other plans, or that switches from instances to functions alone, or back, gets a new pool, as for a new version. */
function keyOf({ endpoint, variant, model, settings }: Pick<VariantPool, 'endpoint' | 'variant' | 'model' | 'settings'>): string {
  const plans = settings.ladder === undefined ? '' : ` ${ladderKey(settings.ladder)}`;
  const functions = settings.functions === null || settings.isHybrid === true ? '' : ' functions';
  const shared = settings.sharesWorkers === true ? ' shared' : '';
  return `${endpoint}/${variant}/${model.name}${plans}${functions}${shared}`.toLowerCase();
}
