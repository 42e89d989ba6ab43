/** The endpoints as clients see them: who serves what, and the way in for every protocol. */
import assert from 'node:assert/strict';
import type { CountedVersion, ServedEndpoint, ServedWorker, ServingDoor } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import type { Random } from '../random.ts';
import type { FunctionVariant } from './function-variant.ts';
import { type Books, Invocations } from './invoke.ts';
import type { OverflowPlan } from './overflow.ts';
import type { InferenceCall, Outcome, RefusedCall, Route } from './request.ts';
import { type ServedView, viewOf } from './served-view.ts';
import { type Routing, takesRequests, variantByName, variantByVersion, variantByWeight } from './traffic.ts';
import type { Arrived, TrafficCounts } from './traffic-meter.ts';
import { VariantPool } from './variant-pool.ts';
import { VariantPools, type VariantPoolsOptions } from './variant-pools.ts';

export interface ServingOptions extends Books, VariantPoolsOptions {
  readonly random: Random;
}

export class Serving implements ServingDoor {
  readonly #options: ServingOptions;
  readonly #invocations: Invocations;
  /** By lower-case name. */
  readonly #routings = new Map<string, Routing>();
  /** The same routings by the name as it comes in a URL, so that a request costs one look-up. */
  readonly #byGivenName = new Map<string, Routing>();
  readonly #pools: VariantPools;
  /** Endpoints, in lower case, whose calls somebody wants to see, whether they are captured or not. */
  readonly #watched = new Set<string>();

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#invocations = new Invocations(options);
    this.#pools = new VariantPools(options, this.#invocations, (retired) => this.#successor(retired));
  }

  /**
   * The variant that takes the next request of an endpoint: by weight, or the one of the version asked for.
   * Throws `not_found` for an unknown endpoint or version, `unavailable` where the endpoint is unloaded.
   */
  route(endpoint: string, version?: string): Route {
    const routing = this.#routingOf(endpoint);
    const pool = version === undefined ? variantByWeight(routing, this.#options.random) : variantByVersion(routing, version);
    return takesRequests(routing, pool);
  }

  /** The variant of that name, whatever its weight. Throws as `route` does. */
  routeToVariant(endpoint: string, variant: string): Route {
    const routing = this.#routingOf(endpoint);
    return takesRequests(routing, variantByName(routing, variant, this.#options.random));
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
  reject(route: Route, call: RefusedCall, error: PlatformError): void {
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
      const pool = this.#pools.poolFor(config.name, variant.name, version, own);
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
      this.#pools.retire(pool);
    }
  }

  launched({ id, endpoint, variant, usdPerHour }: Parameters<ServingDoor['launched']>[0]): void {
    this.#options.ledger.started(id, endpoint, variant, usdPerHour);
  }

  attach(worker: ServedWorker): void {
    this.#pools.attach(worker, this.#routings.get(worker.endpoint.toLowerCase())?.settings ?? null);
  }

  detach(workerId: string): void {
    this.#pools.detach(workerId);
  }

  functionFailed(workerId: string, reason: string): void {
    this.#pools.functionFailed(workerId, reason);
  }

  drain(workerId: string): Promise<void> {
    return this.#pools.drain(workerId);
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
    for (const { pool } of routing.variants) this.#pools.retire(pool);
    this.#invocations.forget(routing.name);
    this.#options.metrics.remove(routing.name);
  }

  counted(endpoint: string): readonly CountedVersion[] {
    const own = [...this.#pools].filter((pool) => pool.endpoint.toLowerCase() === endpoint.toLowerCase());
    return own.map(({ model, statistics: { success, fail, late, refused, overloaded } }) => ({
      model: model.name,
      counts: { answered: success.count, late, failed: fail.count - refused, refused, overloaded },
    }));
  }

  /** Service times of a version were measured: its executors take larger batches from now on. */
  profileMeasured(group: string, version: number): void {
    for (const pool of this.#pools) {
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
    for (const pool of this.#pools) pool.close();
  }

  endpoints(): readonly ServedView[] {
    return [...this.#routings.values()].map((routing) => viewOf(routing));
  }

  endpoint(name: string): ServedView | undefined {
    const routing = this.#routings.get(name.toLowerCase());
    return routing === undefined ? undefined : viewOf(routing);
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
