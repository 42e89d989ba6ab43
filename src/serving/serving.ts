/** The endpoints as clients see them: who serves what, and the way in for every protocol. */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import { executorUsd, type FunctionPrices, pingUsdPerHour, provisionedUsdPerHour } from '../costs/index.ts';
import type { CountedVersion, ServedEndpoint, ServedWorker, ServingDoor } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import type { ServiceTable } from '../profiling/index.ts';
import type { Random } from '../random.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { FunctionsView, FunctionVariant } from './function-variant.ts';
import { type Books, Invocations } from './invoke.ts';
import { byWorker, lanesOf, type ServedExecutor, workerOf } from './lanes.ts';
import { linkRunner } from './link-runner.ts';
import type { OverflowPlan } from './overflow.ts';
import { processRunner } from './process-runner.ts';
import type { InferenceCall, Outcome, Route } from './request.ts';
import type { RunRequests } from './run-requests.ts';
import type { PoolSettings } from './side.ts';
import type { VariantStatistics } from './statistics.ts';
import { pickByWeight } from './traffic.ts';
import type { Arrived, TrafficCounts } from './traffic-meter.ts';
import { VariantPool } from './variant-pool.ts';

const replyBytesMaxDefault = 64 * 1024 ** 2;

export interface ServingOptions extends Books {
  readonly clock: Clock;
  readonly random: Random;
  readonly queueRowsMax: number;
  /** A reply of a process that is taken whole; 64 MiB unless given. */
  readonly replyBytesMax?: number;
  /** What is known of a model version's service times on an executor: `instance:local.1`, `function:2048`. */
  readonly serviceTable: (version: ModelVersion, executor: string) => ServiceTable;
  /** Ends a worker whose run does not end, and starts it anew. */
  readonly restart: (workerId: string, reason: string) => void;
  readonly functions: FunctionSource;
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
  /** Ends it in the background; unknown ids are fine. */
  readonly stop: (workerId: string) => void;
}

export interface ServedVariant {
  readonly name: string;
  readonly version: ModelVersion;
  readonly weight: number;
  readonly executors: readonly ServedExecutor[];
  /** Largest b of the profile; 32 while unknown, 0 where the model is not batched. */
  readonly batchSizeMax: number;
  readonly rowsWaiting: number;
  readonly statistics: VariantStatistics;
  /** Where functions run it, or take what instances cannot finish in time; null where there are none. */
  readonly functions: FunctionsView | null;
  /** Functions beside instances; null where the variant has but one kind. */
  readonly overflow: OverflowView | null;
}

export interface OverflowView {
  /** Of the requests answered, the share that functions answered. */
  readonly share: number;
  /** Why they take nothing at present; null where they do. */
  readonly shutReason: string | null;
}

export interface ServedView {
  readonly name: string;
  readonly isReady: boolean;
  readonly reason: string | null;
  readonly objective: Objective | null;
  readonly variants: readonly ServedVariant[];
}

interface RoutedVariant {
  readonly pool: VariantPool;
  readonly weight: number;
}

interface Routing {
  readonly name: string;
  readonly objective: Objective | null;
  readonly settings: PoolSettings;
  readonly variants: readonly RoutedVariant[];
  /** Stopped on purpose: no new requests until it is served again. */
  isSuspended: boolean;
}

export class Serving implements ServingDoor {
  readonly #options: ServingOptions;
  readonly #invocations: Invocations;
  /** By lower-case name. */
  readonly #routings = new Map<string, Routing>();
  /** The same routings by the name as it comes in a URL, so that a request costs one look-up. */
  readonly #byGivenName = new Map<string, Routing>();
  readonly #pools = new Map<string, VariantPool>();
  readonly #poolOfWorker = new Map<string, VariantPool>();
  /** By worker of an instance: the executors that it is. */
  readonly #lanes = new Map<string, readonly string[]>();
  /** Endpoints, in lower case, whose calls somebody wants to see, whether they are captured or not. */
  readonly #watched = new Set<string>();

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#invocations = new Invocations(options);
  }

  /**
   * The variant that takes the next request of an endpoint: by weight, or the one of the version asked for.
   * Throws `not_found` for an unknown endpoint or version, `unavailable` where the endpoint is unloaded.
   */
  route(endpoint: string, version?: string): Route {
    const routing = this.#routingOf(endpoint);
    const pool = version === undefined ? this.#byTraffic(routing) : this.#byVersion(routing, version);
    return takesRequests(routing, pool);
  }

  /** The variant of that name, whatever its weight. Throws as `route` does. */
  routeToVariant(endpoint: string, variant: string): Route {
    const routing = this.#routingOf(endpoint);
    const ofName = routing.variants.filter(({ pool }) => pool.variant.toLowerCase() === variant.toLowerCase());
    // While an update takes over step by step there are two of a name.
    const chosen = pickByWeight(ofName, this.#options.random) ?? ofName[0];
    if (chosen !== undefined) return takesRequests(routing, chosen.pool);
    const known = routing.variants.map(({ pool }) => pool.variant).join(', ');
    throw new PlatformError('not_found', `endpoint ${routing.name} has no variant '${variant}'; it has: ${known}`);
  }

  /**
   * Serves a request. `settle` is called exactly once, with the result or the reason why there is none; encode and
   * send within it, synchronously: the time it takes is the request's encode stage. The answer cancels: the client
   * is gone, and `settle` will not be called any more.
   */
  invoke(route: Route, call: InferenceCall, settle: (outcome: Outcome) => void): () => void {
    assert(route instanceof VariantPool, 'a route comes from route()');
    return this.#invocations.start(route.isRetired ? this.#successor(route) : route, call, settle);
  }

  /** Counts and logs a request that an adapter refused: its shape was wrong, say. */
  reject(route: Route, call: Pick<InferenceCall, 'requestId' | 'rows' | 'arrivedAtMs'>, error: PlatformError): void {
    assert(route instanceof VariantPool, 'a route comes from route()');
    this.#invocations.reject(route, call, error);
  }

  serve(endpoint: ServedEndpoint): void {
    const { config } = endpoint;
    const { queueRowsMax } = this.#options;
    const { objective, late, timeoutMs, capture = null } = config;
    const settings = { objective, late, timeoutMs, capture, queueRowsMax, functions: null };
    const variants = endpoint.variants.map(({ config: variant, version }) => {
      const { functions = null, instanceCount } = variant;
      const own = { ...settings, functions, isHybrid: functions !== null && instanceCount > 0 };
      const pool = this.#poolFor(config.name, variant.name, version, own);
      return { pool, weight: variant.weight, settings: own };
    });
    const before = this.#routings.get(config.name.toLowerCase());
    const routing = { name: config.name, objective: config.objective, settings, variants, isSuspended: false };
    this.#routings.set(config.name.toLowerCase(), routing);
    this.#byGivenName.set(config.name, routing);
    for (const { pool, settings: own } of variants) pool.configure(own);
    this.#showCalls(routing);
    for (const { pool } of before?.variants ?? []) {
      if (variants.some((now) => now.pool === pool)) continue;
      const heir = variants.find(({ pool: { variant, model } }) => variant === pool.variant && model.group === pool.model.group);
      if (pool.functions !== null) heir?.pool.functions?.succeed(pool.functions);
      this.#retire(pool);
    }
  }

  launched({ id, endpoint, variant, usdPerHour }: Parameters<ServingDoor['launched']>[0]): void {
    this.#options.ledger.started(id, endpoint, variant, usdPerHour);
  }

  attach(worker: ServedWorker): void {
    if (worker.functionMemoryMiB !== null) return this.#attachFunction(worker);
    const routing = this.#routings.get(worker.endpoint.toLowerCase());
    const settings = routing?.settings ?? {
      objective: null,
      late: 'serve' as const,
      timeoutMs: 60_000,
      queueRowsMax: this.#options.queueRowsMax,
      functions: null,
    };
    const pool = this.#poolFor(worker.endpoint, worker.variant, worker.version, settings);
    this.#poolOfWorker.set(worker.id, pool);
    this.#options.ledger.started(worker.id, worker.endpoint, worker.variant, worker.usdPerHour);
    const lanes = lanesOf(worker.id, worker.version);
    this.#lanes.set(worker.id, lanes);
    const charge = (serviceMs: number): number => executorUsd(worker.usdPerHour / lanes.length, serviceMs);
    for (const id of lanes) pool.attach({ ...worker, id, charge, run: this.#runnerOf(worker) });
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

  async drain(workerId: string): Promise<void> {
    const pool = this.#poolOfWorker.get(workerId);
    if (pool !== undefined) await Promise.all((this.#lanes.get(workerId) ?? [workerId]).map((lane) => pool.drain(lane)));
    this.#options.ledger.sentAway(workerId);
    this.detach(workerId);
  }

  async suspend(endpoint: string): Promise<void> {
    const routing = this.#routings.get(endpoint.toLowerCase());
    if (routing === undefined) return;
    routing.isSuspended = true;
    await this.#finish(routing);
  }

  async forget(endpoint: string): Promise<void> {
    const routing = this.#routings.get(endpoint.toLowerCase());
    if (routing === undefined) return;
    this.#routings.delete(endpoint.toLowerCase());
    this.#byGivenName.delete(routing.name);
    await this.#finish(routing);
    for (const { pool } of routing.variants) this.#retire(pool);
    this.#invocations.forget(routing.name);
    this.#options.metrics.remove(routing.name);
  }

  counted(endpoint: string): readonly CountedVersion[] {
    const own = [...this.#pools.values()].filter((pool) => pool.endpoint.toLowerCase() === endpoint.toLowerCase());
    return own.map(({ model, statistics: { success, fail, late, refused } }) => ({
      model: model.name,
      counts: { answered: success.count, late, failed: fail.count - refused, refused },
    }));
  }

  /** Service times of a version were measured: its executors take larger batches from now on. */
  profileMeasured(group: string, version: number): void {
    for (const pool of this.#pools.values()) {
      if (pool.model.version === version && pool.model.group.toLowerCase() === group.toLowerCase()) pool.profileMeasured();
    }
  }

  /** The serverless variants that requests come to. */
  functionVariants(): readonly FunctionVariant[] {
    return [...this.#routings.values()].flatMap(({ isSuspended, variants }) =>
      isSuspended ? [] : variants.flatMap(({ pool }) => (pool.functions === null ? [] : [pool.functions])),
    );
  }

  /** What is planned for the functions beside a variant's instances; a variant without them has nothing to follow. */
  followPlan(endpoint: string, variant: string, plan: OverflowPlan): void {
    const routed = this.#routings.get(endpoint.toLowerCase())?.variants.find(({ pool }) => pool.variant === variant);
    routed?.pool.overflow?.follow(plan);
  }

  /** Whether somebody wants to be told of an endpoint's calls, even where they are not captured. */
  watchCalls(endpoint: string, isWatched: boolean): void {
    const key = endpoint.toLowerCase();
    if (isWatched) this.#watched.add(key);
    else this.#watched.delete(key);
    const routing = this.#routings.get(key);
    if (routing !== undefined) this.#showCalls(routing);
  }

  /** What has come to a variant since the server started, whichever version served it. */
  traffic(endpoint: string, variant: string): TrafficCounts {
    return this.#invocations.traffic(endpoint, variant);
  }

  /** Who has come to each variant that anybody came to, since the server started. */
  arrived(): readonly Arrived[] {
    return this.#invocations.arrived();
  }

  /** Ends what was started here: functions, and every timer. Who still waits is not answered any more. */
  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }

  endpoints(): readonly ServedView[] {
    return [...this.#routings.values()].map((routing) => view(routing));
  }

  endpoint(name: string): ServedView | undefined {
    const routing = this.#routings.get(name.toLowerCase());
    return routing === undefined ? undefined : view(routing);
  }

  #showCalls({ name, settings, variants }: Routing): void {
    const isWatched = (settings.capture?.percent ?? 0) > 0 || this.#watched.has(name.toLowerCase());
    for (const { pool } of variants) pool.isWatched = isWatched;
  }

  #routingOf(endpoint: string): Routing {
    const routing = this.#byGivenName.get(endpoint) ?? this.#routings.get(endpoint.toLowerCase());
    if (routing !== undefined) return routing;
    throw new PlatformError('not_found', `endpoint '${endpoint}' is not known; \`penstock endpoints\` lists those that are`);
  }

  #byTraffic(routing: Routing): VariantPool {
    const chosen = pickByWeight(routing.variants, this.#options.random);
    if (chosen === undefined) {
      throw new PlatformError(
        'unavailable',
        `endpoint ${routing.name} gives no variant any traffic: set a weight above 0, or name a version`,
      );
    }
    return chosen.pool;
  }

  #byVersion(routing: Routing, version: string): VariantPool {
    const chosen = routing.variants.find(({ pool }) => pool.version === version);
    if (chosen === undefined) {
      const known = routing.variants.map(({ pool }) => pool.version).join(', ');
      throw new PlatformError('not_found', `endpoint ${routing.name} does not serve version '${version}'; it serves: ${known}`);
    }
    return chosen.pool;
  }

  #poolFor(endpoint: string, variant: string, model: ModelVersion, settings: PoolSettings): VariantPool {
    const key = keyOf({ endpoint, variant, model, settings });
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#newPool({ endpoint, variant, model }, settings);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  #newPool(names: { endpoint: string; variant: string; model: ModelVersion }, settings: PoolSettings): VariantPool {
    const { clock, log, serviceTable, restart, ledger, functions, onOverflowShut } = this.#options;
    const { endpoint, variant, model } = names;
    const pool: VariantPool = new VariantPool(names, settings, {
      clock,
      restart: (lane, reason) => restart(workerOf(lane), reason),
      serviceTable: (executor) => serviceTable(model, executor),
      onDispatch: (reason, rows) => this.#invocations.dispatched(pool, reason, rows),
      onRunFailed: (usd) => this.#invocations.runFailed(pool, usd),
      onBatchAnswered: () => this.#invocations.batchAnswered(),
      functions: {
        prices: functions.prices,
        memoryMiBSafe: () => functions.memoryMiBSafe(model),
        start: (memoryMiB) => {
          const id = functions.start({ endpoint, variant, version: model, memoryMiB });
          this.#poolOfWorker.set(id, pool);
          return id;
        },
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

  /** No traffic comes here any more. */
  #retire(pool: VariantPool): void {
    pool.retire();
    this.#bury(pool);
  }

  /** Once nobody is left to serve, what still waits goes to the variant's successor. */
  #bury(pool: VariantPool): void {
    if (!pool.isDeserted) return;
    for (const request of pool.surrender()) {
      try {
        this.#successor(pool).resubmit(request);
      } catch (error) {
        request.fail(error as PlatformError);
      }
    }
    const key = keyOf(pool);
    if (this.#pools.get(key) === pool) this.#pools.delete(key);
    if (pool.isEmpty) pool.close();
  }

  /** Who serves what a retired variant was chosen for: the endpoint as it is now, if it takes the same tensors. */
  #successor(retired: VariantPool): VariantPool {
    const now = this.route(retired.endpoint) as VariantPool;
    if (JSON.stringify(now.signature) === JSON.stringify(retired.signature)) return now;
    throw new PlatformError(
      'unavailable',
      `endpoint ${retired.endpoint} was updated to another signature while this request came in: send it again`,
    );
  }

  async #finish(routing: Routing): Promise<void> {
    await Promise.all(routing.variants.map(({ pool }) => pool.finish()));
  }
}

/** Throws `unavailable` where the endpoint is unloaded. */
function takesRequests(routing: Routing, pool: VariantPool): VariantPool {
  if (!routing.isSuspended) return pool;
  const cure = `\`penstock load ${routing.name}\`, or POST /v2/repository/models/${routing.name}/load, serves it again`;
  throw new PlatformError('unavailable', `endpoint ${routing.name} is unloaded: ${cure}`, { retryAfterMs: 1000 });
}

/** A variant that goes over from instances to functions alone, or back, gets a new pool, as for a new version. */
function keyOf({ endpoint, variant, model, settings }: Pick<VariantPool, 'endpoint' | 'variant' | 'model' | 'settings'>): string {
  return `${endpoint}/${variant}/${model.name}${settings.functions === null || settings.isHybrid === true ? '' : ' functions'}`.toLowerCase();
}

function view(routing: Routing): ServedView {
  const variants = routing.variants.map(({ pool, weight }) => ({
    name: pool.variant,
    version: pool.model,
    weight,
    executors: byWorker(pool.executors),
    batchSizeMax: pool.batchSizeMax,
    rowsWaiting: pool.rowsWaiting,
    statistics: pool.statistics,
    functions: pool.functions?.view() ?? null,
    overflow: overflowView(pool),
  }));
  const isReady = !routing.isSuspended && variants.every(({ executors, functions }) => executors.length > 0 || functions !== null);
  const reason = routing.isSuspended ? 'unloaded' : isReady ? null : 'no worker is ready';
  return { name: routing.name, isReady, reason, objective: routing.objective, variants };
}

function overflowView({ overflow, statistics }: VariantPool): OverflowView | null {
  if (overflow === null) return null;
  const { overflowed, success } = statistics;
  return { share: success.count === 0 ? 0 : overflowed / success.count, shutReason: overflow.shutReason };
}
