/** The endpoints as seen by clients: routing, and the entry point of every protocol. */

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { defined } from '../defined.ts';
import {
  type CountedVersion,
  type ServedEndpoint,
  type ServedWorker,
  type ServingPort,
  shadowShare,
  sharesWorkers,
} from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { nameKey, sameName } from '../names.ts';
import { baseNameOf, type ModelVersion } from '../registry/index.ts';
import { invokeWhole } from './exchange/invoke-whole.ts';
import type { FunctionVariant } from './functions/function-variant.ts';
import type { Home } from './home.ts';
import { type Accounting, Invocations } from './invocations.ts';
import type { OverflowPlan } from './overflow/hybrid-pool.ts';
import type { InferenceCall, InferenceOutcome, MultiModelRoute, RejectedCall, ServedRoute, Shadow } from './request.ts';
import { targetSettings } from './target-settings.ts';
import { type PlainEndpoint, plainEndpointsOf } from './traffic/plain-endpoints.ts';
import { type ServedView, servedViewOf } from './traffic/served-view.ts';
import {
  type Routing,
  requireAcceptingPool,
  requireOneModel,
  routedVariants,
  variantByName,
  variantByVersion,
  variantByWeight,
} from './traffic/traffic.ts';
import type { ArrivedCounts, TrafficCounts } from './traffic/traffic-meter.ts';
import { VariantPool } from './variant-pool.ts';
import { VariantPools, type VariantPoolsOptions } from './variant-pools.ts';

export interface ServingOptions extends Accounting, VariantPoolsOptions {}

/** All endpoints that this process serves. Deployments pass it every change; it reads no database. */
export class Serving implements ServingPort, Home {
  readonly #options: ServingOptions;
  readonly #invocations: Invocations;
  /** By lower-case name. */
  readonly #routings = new Map<string, Routing>();
  /** The same routings by endpoint name as configured, so most requests need no lower-casing. */
  readonly #byRequestedName = new Map<string, Routing>();
  readonly #pools: VariantPools;
  #shadowListener: VariantPoolsOptions['onShadowAnswered'];
  /** Endpoints (lower-case names) with an open live view of their calls. */
  readonly #watched = new Set<string>();
  #onRoutesChanged = (): void => undefined;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#invocations = new Invocations(options);
    const pools: VariantPoolsOptions = { ...options, onShadowAnswered: (...answer) => this.#shadowListener?.(...answer) };
    this.#pools = new VariantPools(pools, this.#invocations, (retired) => this.#successor(retired));
  }

  /**
   * Selects the variant for a request: by weight, or by version if one is requested. Throws `not_found` for an unknown endpoint or
   * version, and `unavailable` if the endpoint is unloaded.
   */
  route(endpoint: string, version?: string): ServedRoute {
    const routing = this.#routingOf(endpoint);
    const pool = version === undefined ? variantByWeight(routing, this.#options.random) : variantByVersion(routing, version);
    return requireOneModel(requireAcceptingPool(routing, pool));
  }

  /** Selects the variant of that name, regardless of its weight. Throws like `route`. */
  routeToVariant(endpoint: string, variant: string): ServedRoute {
    return requireOneModel(this.#anyRoute(endpoint, variant));
  }

  /** Like `route`, and `routeToVariant` if a variant is named, but also returns a variant of many models. */
  anyRoute(endpoint: string, variant?: string): { readonly route: ServedRoute; readonly multiModel: MultiModelRoute | null } {
    const route = this.#anyRoute(endpoint, variant);
    return { route, multiModel: route.folder === null ? null : { route, version: route.model, folder: route.folder } };
  }

  /** The route of one model of a multi-model variant. Its requests count as requests of the variant. */
  openTarget({ route: base }: MultiModelRoute, version: ModelVersion, memoryMiB: number): ServedRoute {
    assert(base instanceof VariantPool, 'a route comes from anyRoute()');
    const settings = targetSettings(base.settings, memoryMiB);
    const pool = this.#pools.poolFor(base.endpoint, base.variant, version, settings, base.statistics);
    if (!isDeepStrictEqual(pool.settings, settings)) pool.configure(settings);
    pool.isWatched = base.isWatched;
    return requireAcceptingPool(this.#routingOf(base.endpoint), pool);
  }

  /** Answers the pending requests of a model, and ends its worker. */
  async closeTarget({ route: { endpoint, variant } }: MultiModelRoute, version: ModelVersion): Promise<void> {
    const pool = [...this.#pools].find(
      (each) => each.model.name === version.name && each.endpoint === endpoint && each.variant === variant,
    );
    if (pool === undefined) return;
    await pool.finish();
    this.#pools.retire(pool);
  }

  /**
   * Serves a request. Calls `settle` exactly once, with the result or an error. Encode and send the response synchronously in
   * `settle`: its duration is recorded as encode time. The returned function cancels the request; `settle` is not called after
   * that.
   */
  invoke(route: ServedRoute, call: InferenceCall, settle: (outcome: InferenceOutcome) => void): () => void {
    assert(route instanceof VariantPool, 'a route comes from route()');
    return this.#invocations.start(route.isRetired ? this.#successor(route) : route, call, settle);
  }

  enter(route: ServedRoute, call: InferenceCall, settle: (outcome: InferenceOutcome) => void): () => void {
    return invokeWhole(this, route, call, settle);
  }

  /**
   * Counts and logs a request that a protocol adapter rejected, for example because of a wrong shape. `error`: null if its client
   * disconnected before it was queued.
   */
  reject(route: ServedRoute, call: RejectedCall, error: PlatformError | null): void {
    assert(route instanceof VariantPool, 'a route comes from route()');
    this.#invocations.reject(route, call, error);
  }

  /** Calls the listener with what another plan of a selection answers to a request, which was run in idle time. */
  onShadowAnswered(listener: NonNullable<VariantPoolsOptions['onShadowAnswered']>): void {
    this.#shadowListener = listener;
  }

  /** The shadow that receives copies of requests of this route; null if it has none. */
  shadowOf(route: Pick<ServedRoute, 'endpoint' | 'variant'>): Shadow | null {
    return route instanceof VariantPool ? route.shadow : null;
  }

  /** Counts a copy that a shadow could not take. */
  copyDropped(shadow: ServedRoute): void {
    assert(shadow instanceof VariantPool, 'a shadow comes from shadowOf()');
    shadow.statistics.copiesDropped++;
  }

  /**
   * Applies a config at once: new requests are routed by it when this returns. Pools that no variant uses any more are retired; their warm
   * functions pass to the pool of the next version.
   */
  serve(endpoint: ServedEndpoint): void {
    const { config } = endpoint;
    const { queueRowsMax } = this.#options;
    const { objective, late, timeoutMs, capture = null } = config;
    const settings = { objective, late, timeoutMs, capture, queueRowsMax, functions: null };
    const configs = endpoint.variants.map((each) => each.config);
    const all = endpoint.variants.map(({ config: variant, version }) => {
      const { functions = null, instanceCount, isShadow = false, ladder } = variant;
      const isHybrid = functions !== null && instanceCount > 0;
      const shared = isShadow && sharesWorkers(variant, configs) ? { sharesWorkers: true } : {};
      const own = { ...settings, functions, isShadow, isHybrid, ...shared, ...defined({ ladder }) };
      const pool = this.#pools.poolFor(config.name, variant.name, version, own);
      return { pool, weight: isShadow ? shadowShare(variant, configs) : variant.weight, settings: own };
    });
    const before = this.#routings.get(nameKey(config.name));
    const variants = all.filter((each) => !each.settings.isShadow);
    const shadow = all.find((each) => each.settings.isShadow) ?? null;
    const routing = { name: config.name, objective: config.objective, settings, variants, shadow, isSuspended: false };
    this.#routings.set(nameKey(config.name), routing);
    this.#byRequestedName.set(config.name, routing);
    for (const { pool, settings: own } of all) pool.configure(own);
    this.#describeCalls(routing);
    for (const { pool } of before === undefined ? [] : routedVariants(before)) {
      if (all.some((now) => now.pool === pool)) continue;
      const successor = all.find(({ pool: { variant, model } }) => variant === pool.variant && model.group === pool.model.group);
      if (pool.functions !== null) successor?.pool.functions?.succeed(pool.functions);
      this.#pools.retire(pool);
    }
  }

  launched({ id, endpoint, variant, usdPerHour }: Parameters<ServingPort['launched']>[0]): void {
    this.#options.ledger.started(id, endpoint, variant, usdPerHour);
  }

  attach(worker: ServedWorker): void {
    this.#pools.attach(worker, this.#routings.get(nameKey(worker.endpoint))?.settings ?? null);
    this.#onRoutesChanged();
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
    const routing = this.#routings.get(nameKey(endpoint));
    if (routing === undefined) return;
    routing.isSuspended = true;
    this.#onRoutesChanged();
    await this.#finish(routing);
  }

  /** Takes the endpoint out of routing at once; resolves when its requests have been answered. */
  async discard(endpoint: string): Promise<void> {
    const routing = this.#routings.get(nameKey(endpoint));
    if (routing === undefined) return;
    this.#routings.delete(nameKey(endpoint));
    this.#onRoutesChanged();
    this.#byRequestedName.delete(routing.name);
    await this.#finish(routing);
    for (const { pool } of routedVariants(routing)) this.#pools.retire(pool);
    this.#invocations.discard(routing.name);
    this.#options.metrics.remove(routing.name);
  }

  counted(endpoint: string): readonly CountedVersion[] {
    const isOwn = ({ endpoint: name, settings }: VariantPool): boolean => sameName(name, endpoint) && settings.isShadow !== true;
    const own = [...this.#pools].filter(isOwn).filter(({ model }) => baseNameOf(model.name) === null);
    return own.map(({ model, statistics: { success, fail, late, refused, overloaded } }) => ({
      model: model.name,
      counts: { answered: success.count, late, failed: fail.count - refused, refused, overloaded },
    }));
  }

  /** Called when service times of a version were measured: its executors can run larger batches from now on. */
  profileMeasured(group: string, version: number): void {
    for (const pool of this.#pools) {
      const models = pool.ladder?.config.models ?? [pool.model.name];
      if (models.some((model) => sameName(model, `${group}/${version}`))) pool.profileMeasured();
    }
    this.#onRoutesChanged();
  }

  /** The variants with functions that receive traffic. */
  functionVariants(): readonly FunctionVariant[] {
    return [...this.#routings.values()].flatMap((routing) =>
      routing.isSuspended ? [] : routedVariants(routing).flatMap(({ pool }) => (pool.functions === null ? [] : [pool.functions])),
    );
  }

  /** Sets the plan for functions alongside a variant's instances. Ignored for variants without such functions. */
  followPlan(endpoint: string, variant: string, plan: OverflowPlan): void {
    const routing = this.#routings.get(nameKey(endpoint));
    const routed = routing === undefined ? undefined : routedVariants(routing).find(({ pool }) => pool.variant === variant);
    routed?.pool.overflow?.follow(plan);
  }

  /** Sets whether a live view of the endpoint's calls is open. */
  watchCalls(endpoint: string, isWatched: boolean): void {
    const key = nameKey(endpoint);
    if (isWatched) this.#watched.add(key);
    else this.#watched.delete(key);
    const routing = this.#routings.get(key);
    if (routing !== undefined) this.#describeCalls(routing);
  }

  /** Traffic of a variant since the server started, over all versions. */
  traffic(endpoint: string, variant: string): TrafficCounts {
    return this.#invocations.traffic(endpoint, variant);
  }

  /** Arrivals of each variant with traffic since the server started. */
  arrived(): readonly ArrivedCounts[] {
    return this.#invocations.arrived();
  }

  /** Ends functions and clears timers. Waiting requests are not answered. */
  close(): void {
    for (const pool of this.#pools) pool.close();
  }

  /** The endpoints whose requests need nothing but their variant: no capture, no copies, no choice between models. */
  plainEndpoints(): readonly PlainEndpoint[] {
    return plainEndpointsOf(this.#routings.values());
  }

  /** `run` is called after each change of what `plainEndpoints` returns, and after some others. */
  onRoutesChanged(run: () => void): void {
    this.#onRoutesChanged = run;
  }

  endpoints(): readonly ServedView[] {
    return [...this.#routings.values()].map((routing) => servedViewOf(routing));
  }

  endpoint(name: string): ServedView | undefined {
    const routing = this.#routings.get(name.toLowerCase());
    return routing === undefined ? undefined : servedViewOf(routing);
  }

  #anyRoute(endpoint: string, variant?: string): VariantPool {
    const routing = this.#routingOf(endpoint);
    const { random } = this.#options;
    return requireAcceptingPool(
      routing,
      variant === undefined ? variantByWeight(routing, random) : variantByName(routing, variant, random),
    );
  }

  #describeCalls({ name, settings, variants, shadow }: Routing): void {
    const isObserved = (settings.capture?.percent ?? 0) > 0 || this.#watched.has(name.toLowerCase());
    for (const { pool } of variants) {
      pool.isWatched = isObserved || shadow !== null;
      pool.shadow = shadow === null ? null : { route: shadow.pool, share: shadow.weight, isObserved };
    }
    // Its answers are compared with those of clients.
    if (shadow !== null) Object.assign(shadow.pool, { isWatched: true, shadow: null });
    this.#onRoutesChanged();
  }

  #routingOf(endpoint: string): Routing {
    const routing = this.#byRequestedName.get(endpoint) ?? this.#routings.get(nameKey(endpoint));
    if (routing !== undefined) return routing;
    throw new PlatformError('not_found', `endpoint '${endpoint}' is not known. List endpoints with \`penstock endpoints\``);
  }

  /**
   * The pool that replaces a retired one: a current pool of the endpoint with the same signature. Throws `unavailable` if the
   * signature differs.
   */
  #successor(retired: VariantPool): VariantPool {
    const now = this.route(retired.endpoint) as VariantPool;
    if (JSON.stringify(now.signature) === JSON.stringify(retired.signature)) return now;
    throw new PlatformError(
      'unavailable',
      `endpoint ${retired.endpoint} was updated to another signature while this request was queued. Send it again`,
    );
  }

  async #finish(routing: Routing): Promise<void> {
    await Promise.all(routedVariants(routing).map(({ pool }) => pool.finish()));
  }
}
