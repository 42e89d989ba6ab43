/**
 * The pools of all variants, one for each version that a variant has, and which of them each worker runs for. A pool comes with its
 * version's first worker or with the routing, and goes when it is retired and nobody is left in it.
 */
import { executorUsd, type FunctionPrices, pingUsdPerHour, provisionedUsdPerHour } from '../costs/index.ts';
import type { ServedWorker } from '../deployment/index.ts';
import type { PlatformError } from '../errors.ts';
import type { LostRequests } from '../monitoring/index.ts';
import type { ServiceTable } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { Books, Invocations } from './invoke.ts';
import { lanesOf, workerOf } from './lanes.ts';
import { linkRunner } from './link-runner.ts';
import { processRunner } from './process-runner.ts';
import type { RunRequests } from './run-requests.ts';
import type { PoolSettings } from './side.ts';
import { VariantPool } from './variant-pool.ts';

const replyBytesMaxDefault = 64 * 1024 ** 2;

export interface VariantPoolsOptions extends Pick<Books, 'clock' | 'ledger' | 'log'> {
  readonly queueRowsMax: number;
  /** A reply of a process that is taken whole; 64 MiB unless given. */
  readonly replyBytesMax?: number;
  /** What is known of a model version's service times on an executor: `instance:local.1`, `function:2048`. */
  readonly serviceTable: (version: ModelVersion, executor: string) => ServiceTable;
  /** Ends a worker whose run does not end, and starts it anew. */
  readonly restart: (workerId: string, reason: string) => void;
  readonly functions: FunctionSource;
  /** A worker died under requests, and what becomes of these. */
  readonly onLost?: (workerId: string, requests: LostRequests) => void;
  /** Functions take nothing more beside a variant's instances, and why; with null they do again. */
  readonly onOverflowShut?: (of: { readonly endpoint: string; readonly variant: string }, reason: string | null) => void;
}

/** Where the workers of functions come from, and what they cost. */
export interface FunctionSource {
  readonly prices: FunctionPrices;
  /** The size of an environment until one is chosen. */
  readonly memoryMiBSafe: (version: ModelVersion) => number;
  /** The worker's id, at once; it is attached later, or said to have failed. */
  readonly start: (wish: {
    readonly endpoint: string;
    readonly variant: string;
    readonly version: ModelVersion;
    readonly memoryMiB: number;
  }) => string;
  /** Of the machine that functions start on, beside instances of these types; without, starts are in nobody's way. */
  readonly coresLeft?: (instanceTypes: readonly string[]) => number;
  /** Ends it in the background; unknown ids are fine. */
  readonly stop: (workerId: string) => void;
}

export class VariantPools {
  readonly #options: VariantPoolsOptions;
  readonly #invocations: Invocations;
  readonly #successorOf: (retired: VariantPool) => VariantPool;
  readonly #pools = new Map<string, VariantPool>();
  readonly #poolOfWorker = new Map<string, VariantPool>();
  /** By worker of an instance: the executors that it is. */
  readonly #lanes = new Map<string, readonly string[]>();

  /** `successorOf` says who serves what a retired pool was chosen for, and throws where nobody does. */
  constructor(options: VariantPoolsOptions, invocations: Invocations, successorOf: (retired: VariantPool) => VariantPool) {
    this.#options = options;
    this.#invocations = invocations;
    this.#successorOf = successorOf;
  }

  [Symbol.iterator](): Iterator<VariantPool> {
    return this.#pools.values();
  }

  /** The one there is, or a new one by these settings. */
  poolFor(endpoint: string, variant: string, model: ModelVersion, settings: PoolSettings): VariantPool {
    const key = keyOf({ endpoint, variant, model, settings });
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#newPool({ endpoint, variant, model }, settings);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** No traffic comes here any more. */
  retire(pool: VariantPool): void {
    pool.retire();
    this.#bury(pool);
  }

  /** A worker that is ready, for an endpoint with these settings; null where it is not routed yet. */
  attach(worker: ServedWorker, settings: PoolSettings | null): void {
    if (worker.functionMemoryMiB !== null) return this.#attachFunction(worker);
    const pool = this.poolFor(worker.endpoint, worker.variant, worker.version, settings ?? this.#settingsUnrouted());
    this.#poolOfWorker.set(worker.id, pool);
    this.#options.ledger.started(worker.id, worker.endpoint, worker.variant, worker.usdPerHour);
    const lanes = lanesOf(worker.id, worker.version);
    this.#lanes.set(worker.id, lanes);
    const charge = (serviceMs: number): number => executorUsd(worker.usdPerHour / lanes.length, serviceMs);
    for (const id of lanes) pool.attach({ ...worker, id, charge, run: this.#runnerOf(worker) });
  }

  /** Unknown ids are fine. */
  detach(workerId: string): void {
    const pool = this.#poolOfWorker.get(workerId);
    if (pool === undefined) return;
    this.#poolOfWorker.delete(workerId);
    this.#options.ledger.ended(workerId);
    for (const lane of this.#lanes.get(workerId) ?? [workerId]) pool.detach(lane);
    this.#lanes.delete(workerId);
    if (pool.isRetired) this.#bury(pool);
  }

  functionFailed(workerId: string, reason: string): void {
    const pool = this.#poolOfWorker.get(workerId);
    this.#poolOfWorker.delete(workerId);
    pool?.failed(workerId, reason);
  }

  /** Resolves once it runs nothing more; by then it is detached. */
  async drain(workerId: string): Promise<void> {
    const pool = this.#poolOfWorker.get(workerId);
    if (pool !== undefined) await Promise.all((this.#lanes.get(workerId) ?? [workerId]).map((lane) => pool.drain(lane)));
    this.#options.ledger.sentAway(workerId);
    this.detach(workerId);
  }

  /** Its pool asked for it; where that is over, nobody needs it. */
  #attachFunction(worker: ServedWorker): void {
    const pool = this.#poolOfWorker.get(worker.id);
    if (pool === undefined) return this.#options.functions.stop(worker.id);
    // What a run costs is for its pool to say.
    pool.attach({ ...worker, charge: () => 0, run: this.#runnerOf(worker) });
  }

  #runnerOf({ link, version }: ServedWorker): RunRequests {
    if (version.runtime.kind === 'onnx') return linkRunner(link, version.signature);
    return processRunner(link, version.name, this.#options.replyBytesMax ?? replyBytesMaxDefault);
  }

  #settingsUnrouted(): PoolSettings {
    return { objective: null, late: 'serve', timeoutMs: 60_000, queueRowsMax: this.#options.queueRowsMax, functions: null };
  }

  #newPool(names: { endpoint: string; variant: string; model: ModelVersion }, settings: PoolSettings): VariantPool {
    const { clock, log, serviceTable, restart, ledger, functions, onLost, onOverflowShut } = this.#options;
    const { endpoint, variant, model } = names;
    const pool: VariantPool = new VariantPool(names, settings, {
      clock,
      restart: (lane, reason) => restart(workerOf(lane), reason),
      serviceTable: (executor) => serviceTable(model, executor),
      onDispatch: (reason, rows) => this.#invocations.dispatched(pool, reason, rows),
      onRunFailed: (usd) => this.#invocations.runFailed(pool, usd),
      onLost: (lane, requests) => onLost?.(workerOf(lane), requests),
      onBatchAnswered: () => this.#invocations.batchAnswered(),
      functions: {
        prices: functions.prices,
        memoryMiBSafe: () => functions.memoryMiBSafe(model),
        start: (memoryMiB) => {
          const id = functions.start({ endpoint, variant, version: model, memoryMiB });
          this.#poolOfWorker.set(id, pool);
          return id;
        },
        // Of a process nobody knows what its start waits for.
        coresLeft: model.runtime.kind === 'onnx' ? functions.coresLeft : undefined,
        stop: (id) => {
          this.#poolOfWorker.delete(id);
          functions.stop(id);
        },
        onHung: (id, reason) => log.warn({ endpoint, variant, worker: id, reason }, 'a function was ended in the middle of a run'),
        onInvoked: (invocation) => this.#invocations.invoked(pool, invocation),
        onKept: ({ id, kept, memoryMiB }) => {
          if (kept === null) return ledger.ended(id);
          const usdPerHour = kept === 'pinged' ? pingUsdPerHour : provisionedUsdPerHour;
          ledger.keptWarm(id, endpoint, variant, usdPerHour(functions.prices, memoryMiB));
        },
        onDeserted: () => {
          if (pool.isRetired) this.#bury(pool);
        },
      },
      onShut: (reason) => onOverflowShut?.(names, reason),
    });
    return pool;
  }

  /** Once nobody is left to serve, what still waits goes to the variant's successor. */
  #bury(pool: VariantPool): void {
    if (!pool.isDeserted) return;
    for (const request of pool.surrender()) {
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

/** A variant that goes over from instances to functions alone, or back, gets a new pool, as for a new version. */
function keyOf({ endpoint, variant, model, settings }: Pick<VariantPool, 'endpoint' | 'variant' | 'model' | 'settings'>): string {
  return `${endpoint}/${variant}/${model.name}${settings.functions === null || settings.isHybrid === true ? '' : ' functions'}`.toLowerCase();
}
