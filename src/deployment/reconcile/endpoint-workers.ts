/**
 * The workers of one endpoint, between provider and serving: which run, which are attached to serving, which are draining.
 * The reconciler and serving decide when workers start and stop.
 */

import assert from 'node:assert/strict';
import type { Clock } from '../../clock.ts';
import { heldVcpu, instanceType, type PriceTable, threadsOf } from '../../costs/index.ts';
import { defined } from '../../defined.ts';
import { messageOf } from '../../errors.ts';
import { type Log, RepeatedWarning } from '../../logs/index.ts';
import { nameKey } from '../../names.ts';
import type { Provider, WorkerSpec, WorkerView } from '../../providers/index.ts';
import { baseNameOf, type ModelVersion, modelArtifactOf } from '../../registry/index.ts';
import type { ServingLink } from '../../runtime/index.ts';
import type { VariantConfig } from '../config/endpoint-config.ts';
import { floorOnly, type LadderConfig, ladderKey, shadowKey } from '../config/ladder-config.ts';
import { isUnderWay } from '../rollouts/rollout.ts';
import type { LoadedShadow, ServedWorker, ServingPort } from '../serving-port.ts';
import { configOf, type DesiredEndpoint } from './desired.ts';
import { type FunctionRequest, FunctionWorkers } from './function-workers.ts';
import type { InstanceView } from './instance-view.ts';
import { ladderFiles, shadowPlansOf, workerPlansOf } from './ladder-workers.ts';
import { type DesiredVariant, functionType, isSameKind, type PlannedWorkerKind } from './plan.ts';
import type { WorkerHealth } from './status.ts';
import { commandOf } from './worker-command.ts';

/** Collaborators of the workers of an endpoint. `cores` are those of the machine: a function's share of them follows from its memory. */
export interface EndpointWorkersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: Provider;
  readonly serving: ServingPort;
  readonly prices: PriceTable;
  readonly cores: number;
}

type LoadedMember = 'artifact' | 'plans' | 'python' | 'process';

/** The owner of the workers. */
export interface WorkersOwner {
  /** The current desired state. */
  readonly endpoint: () => DesiredEndpoint;
  /** Whether requests can reach such a worker. */
  readonly isInUse: (kind: PlannedWorkerKind) => boolean;
  /** A drained worker has stopped. */
  readonly onDeleted: () => void;
  /** A function failed to start; serving was notified. */
  readonly onFunctionFailed: () => void;
}

/** Adds to the provider's list what only this server knows: links, drains, and which workers a reload replaces. */
export class EndpointWorkers {
  readonly #deps: EndpointWorkersDeps;
  readonly #owner: WorkersOwner;
  /** Links attached to serving, by worker. */
  readonly #attached = new Map<string, ServingLink>();
  /** By draining worker: a function that ends the wait for its last responses. */
  readonly #draining = new Map<string, () => void>();
  readonly #functions: FunctionWorkers;
  readonly #functionWarning: RepeatedWarning;
  /** By variant and model: the last function that failed to start, until another one succeeds. */
  readonly #failedFunctions = new Map<string, WorkerHealth>();
  /** Workers from before the last reload, to be replaced. */
  #stale = new Set<string>();
  /** Versions that workers of this endpoint may have, by name such as `digits/3`. */
  readonly #versions = new Map<string, ModelVersion>();
  /** Plans that workers of this endpoint may have, by their keys. */
  readonly #ladders = new Map<string, LadderConfig>();
  /** Shadows that workers of this endpoint may have loaded, by the keys of their plans. */
  readonly #shadows = new Map<string, LoadedShadow>();
  #isClosed = false;

  constructor(deps: EndpointWorkersDeps, owner: WorkersOwner) {
    this.#deps = deps;
    this.#owner = owner;
    this.#functions = new FunctionWorkers(deps);
    this.#functionWarning = new RepeatedWarning(deps, 'a function failed to start');
  }

  /** Workers listed by the provider. */
  get views(): readonly WorkerView[] {
    const key = nameKey(this.#owner.endpoint().config.name);
    return this.#deps.provider.list().filter(({ spec }) => nameKey(spec.endpoint) === key);
  }

  /** The last failed function of each variant, until another one succeeds. */
  get failedFunctions(): readonly WorkerHealth[] {
    return [...this.#failedFunctions.values()];
  }

  /** Clears failures after a change of the desired state. */
  clearFailures(): void {
    this.#failedFunctions.clear();
  }

  /** Registers further versions that workers may have. */
  learn(versions: readonly ModelVersion[]): void {
    for (const version of versions) this.#versions.set(version.name, version);
  }

  /** Starts a reload: marks all current workers for replacement. */
  markStale(): void {
    this.#stale = new Set(this.views.map(({ spec }) => spec.id));
  }

  /** Input of the plan: running, requested and stopping workers. */
  observe(): readonly WorkerHealth[] {
    const requested = this.#functions.unclaimed.map(([id, request]) => {
      const isDraining = this.#draining.has(id);
      return { id, ...kindOf(request), isReady: false, isDraining, hasFailed: false, reason: null };
    });
    const running = this.views.map(({ spec, state, reason }) => ({
      id: spec.id,
      variant: nameKey(spec.variant),
      model: baseNameOf(spec.modelName) ?? spec.modelName,
      instanceType: spec.kind === 'function' ? functionType : spec.instanceType,
      ...defined({ ladder: spec.plans?.key }),
      isReady: this.#attached.has(spec.id),
      isDraining: this.#draining.has(spec.id),
      isStale: this.#stale.has(spec.id),
      hasFailed: state === 'failed',
      reason,
    }));
    const listed = [...running, ...requested.filter(({ id }) => running.every((worker) => worker.id !== id))];
    // The provider may delist a worker as soon as it must stop, but its process still runs for a while.
    const ending = [...this.#draining.keys()].filter((id) => listed.every((worker) => worker.id !== id));
    const nothing = { variant: '', model: '', instanceType: '', isReady: false, isDraining: true, hasFailed: false, reason: null };
    return [...listed, ...ending.map((id) => ({ id, ...nothing }))];
  }

  /** Instances of this version and type. */
  instancesOf(kind: PlannedWorkerKind): readonly InstanceView[] {
    return this.observe().flatMap((worker) => {
      const view = isSameKind(worker, kind) ? this.views.find(({ spec }) => spec.id === worker.id) : undefined;
      if (view === undefined) return [];
      const state = worker.isDraining ? 'draining' : worker.hasFailed ? 'failed' : worker.isReady ? 'active' : 'launching';
      const { startedAtMs, readyAtMs, restarts, reason } = view;
      return [{ id: worker.id, state, startedAtMs, readyAtMs, restarts, reason } as const];
    });
  }

  /** Starts one more instance of the variant. */
  async start(wanted: DesiredVariant): Promise<void> {
    const { prices, cores, provider, serving } = this.#deps;
    const endpoint = this.#owner.endpoint();
    const { config, generation } = endpoint;
    const type = instanceType(prices, wanted.instanceType);
    const version = this.#versions.get(wanted.model);
    const variant = configOf(endpoint, wanted);
    assert(version !== undefined && variant !== undefined, 'steps run only while the desired state is unchanged');
    const prefix = `${nameKey(config.name)}.${wanted.variant}.${generation}`;
    const used = new Set(this.views.map(({ spec }) => spec.id));
    let index = 0;
    while (used.has(`${prefix}.${index}`)) index++;
    const id = `${prefix}.${index}`;
    this.#stale.delete(id); // a reused id belongs to a new worker
    await provider.start({
      id,
      endpoint: config.name,
      variant: variant.name,
      generation,
      ...this.#loadedBy(version, variant),
      modelName: version.name,
      threads: threadsOf(type, cores),
      memoryMiB: type.memoryMiB,
      vcpuMax: heldVcpu(type, provider.limits.cpu),
      kind: 'instance',
      instanceType: wanted.instanceType,
    });
    serving.launched({ id, endpoint: config.name, variant: variant.name, usdPerHour: type.usdPerHour });
  }

  /** What a worker of the variant loads, and by which program: the model of the version, or the models of its plans. */
  #loadedBy(version: ModelVersion, variant: VariantConfig): Pick<WorkerSpec, LoadedMember> {
    const { ladder, shadowModel } = variant;
    if (ladder !== undefined) return this.#ladderFiles(version, ladder, ladder);
    const shadow = shadowModel === undefined ? undefined : this.#shadowOf(shadowModel);
    if (shadow !== undefined) {
      const key = shadowKey(shadow.version.name);
      this.#shadows.set(key, shadow);
      return ladderFiles(key, shadowPlansOf(version, shadow.version), [version, shadow.version]);
    }
    return { artifact: modelArtifactOf(version), ...commandOf(version, variant) };
  }

  /** The shadow of that version, in the desired config or in the config that a rollback would restore. */
  #shadowOf(model: string): LoadedShadow | undefined {
    const { config, rollout } = this.#owner.endpoint();
    const variants = [...config.variants, ...(isUnderWay(rollout) ? rollout.before.variants : [])];
    const shadow = variants.find(({ isShadow, group, version }) => isShadow === true && `${group}/${version}` === model);
    const version = this.#versions.get(model);
    return shadow === undefined || version === undefined ? undefined : { variant: shadow.name, version };
  }

  /** `loaded`: the plans of the ladder that the worker gets. */
  #ladderFiles(contract: ModelVersion, ladder: LadderConfig, loaded: LadderConfig): Pick<WorkerSpec, LoadedMember> {
    const key = ladderKey(ladder);
    this.#ladders.set(key, ladder);
    const models = loaded.models.map((name) => this.#versions.get(name) as ModelVersion);
    return ladderFiles(key, workerPlansOf(contract, loaded, models), models);
  }

  /** Starts a function and returns its id. It is attached when ready; if it fails, serving is notified. */
  startFunction(request: FunctionRequest): string {
    const endpoint = this.#owner.endpoint();
    this.#versions.set(request.version.name, request.version);
    const refusal = this.#owner.isInUse(kindOf(request))
      ? null
      : `functions of variant ${request.variant} do not serve ${request.version.name} now`;
    const variant = endpoint.config.variants.find(({ name }) => nameKey(name) === nameKey(request.variant));
    const { ladder } = request;
    // Functions run the floor plan alone.
    const models =
      ladder === undefined
        ? commandOf(request.version, variant)
        : { models: this.#ladderFiles(request.version, ladder, floorOnly(ladder)) };
    return this.#functions.start(
      { ...request, ...this.#instanceOf(request, variant), ...models },
      endpoint.generation,
      refusal,
      (id, error) => this.#functionFailed(id, messageOf(error)),
    );
  }

  /** One of many models shares the instances of its variant. */
  #instanceOf({ version }: FunctionRequest, variant: VariantConfig | undefined): Pick<FunctionRequest, 'on'> {
    if (variant === undefined || baseNameOf(version.name) === null) return {};
    const { prices, cores, provider } = this.#deps;
    const type = instanceType(prices, variant.instanceType);
    return { on: { threads: threadsOf(type, cores), vcpuMax: heldVcpu(type, provider.limits.cpu) } };
  }

  /** Stops a function that serving no longer uses. Ignores unknown ids. */
  stopFunction(id: string): void {
    if (this.#functions.requestOf(id) !== undefined) this.#end(id);
  }

  /**
   * Drains and stops a worker in the background, so that a long run does not block other steps. The worker stops after its last
   * response, or at once if `isIdle`, and no later than the endpoint's timeout.
   */
  drain(workerId: string, isIdle = false): void {
    const stopWaiting = new Promise<void>((resolve) => {
      this.#draining.set(workerId, resolve);
    });
    void this.#drainAndStop(workerId, stopWaiting, isIdle)
      .catch((error: unknown) => this.#deps.log.warn({ worker: workerId, error: messageOf(error) }, 'failed to stop a worker'))
      .finally(() => {
        this.#draining.delete(workerId);
        this.#owner.onDeleted();
      });
  }

  /** Attaches exactly the ready workers to serving, with their current links. Synchronous: a dead worker must get no batch. */
  syncAttachments(): void {
    const { provider, serving } = this.#deps;
    const views = this.views;
    const present = new Set(views.map(({ spec }) => spec.id));
    for (const id of this.#attached.keys()) {
      if (!present.has(id)) this.#detach(id);
    }
    for (const view of views) {
      const { id } = view.spec;
      const link = view.state === 'ready' ? provider.link(id) : null;
      const attached = this.#attached.get(id) ?? null;
      if (this.#functions.requestOf(id) !== undefined) {
        // A function that ended is not restarted: serving requests another one if needed.
        if (attached !== null && link !== attached) this.#end(id);
        if (view.state === 'failed') this.#functionFailed(id, view.reason ?? 'unknown reason');
      }
      if (link === null) this.#detach(id);
      if (link === attached || link === null || this.#draining.has(id)) continue;
      const worker = this.#servedWorker(view, link);
      if (worker === null) continue;
      this.#attached.set(id, link);
      this.#functionWarning.over();
      this.#failedFunctions.delete(nameOf({ variant: nameKey(worker.variant), model: worker.version.name }));
      serving.attach(worker);
    }
  }

  /** Stops waiting for draining workers; the provider stops them. */
  close(): void {
    this.#isClosed = true;
    for (const stopWaiting of this.#draining.values()) stopWaiting();
  }

  /** Also for functions that could not be requested from the provider. Serving decides about retries. */
  #functionFailed(id: string, reason: string): void {
    const request = this.#functions.requestOf(id);
    if (request === undefined || this.#draining.has(id)) return;
    const kind = kindOf(request);
    const failed = { id, ...kind, isReady: false, isDraining: false, hasFailed: true, reason };
    this.#failedFunctions.set(nameOf(kind), failed);
    this.#functionWarning.warn({ endpoint: request.endpoint, memoryMiB: request.memoryMiB, reason }, { worker: id });
    this.#end(id);
    this.#deps.serving.functionFailed(id, reason);
    this.#owner.onFunctionFailed();
  }

  /** Like `drain`, for an idle function. */
  #end(functionId: string): void {
    if (!this.#draining.has(functionId)) this.drain(functionId, true);
  }

  async #drainAndStop(workerId: string, stopWaiting: Promise<void>, isIdle: boolean): Promise<void> {
    const { serving, provider, clock } = this.#deps;
    // By then all its requests are answered or cancelled.
    const cancelTimer = clock.after(this.#owner.endpoint().config.timeoutMs, () => this.#draining.get(workerId)?.());
    const isFunction = this.#functions.requestOf(workerId) !== undefined;
    // Also drain an instance that was never ready, so that serving stops its billing.
    const isDrained = !isIdle && (this.#attached.has(workerId) || !isFunction);
    await Promise.race([isDrained ? serving.drain(workerId) : null, stopWaiting]);
    cancelTimer();
    if (this.#isClosed) return;
    // Serving waits for a function from its request on, so it must be detached even if it was never ready.
    if (this.#attached.delete(workerId) || isFunction) serving.detach(workerId);
    const version = this.#functions.requestOf(workerId)?.version;
    await (isFunction ? this.#functions.stop(workerId) : provider.stop(workerId));
    // Models of a multi-model variant come and go without a change of the endpoint.
    if (version !== undefined && baseNameOf(version.name) !== null) this.#versions.delete(version.name);
  }

  #detach(workerId: string): void {
    if (this.#attached.delete(workerId)) this.#deps.serving.detach(workerId);
    this.#draining.get(workerId)?.();
  }

  #servedWorker({ spec }: WorkerView, link: ServingLink): ServedWorker | null {
    const { prices } = this.#deps;
    const version = this.#versions.get(spec.modelName);
    if (version === undefined) return null;
    const { id, endpoint, variant, generation, threads } = spec;
    const { key = '' } = spec.plans ?? {};
    const loaded = defined({ ladder: this.#ladders.get(key), shadow: this.#shadows.get(key) });
    const worker = { id, endpoint, variant, generation, version, instanceType: spec.instanceType, threads, link, ...loaded };
    if (spec.kind === 'function') {
      return { ...worker, usdPerHour: 0, functionMemoryMiB: spec.memoryMiB, coldStartMs: this.#functions.ageMs(id) };
    }
    const { usdPerHour } = instanceType(prices, spec.instanceType);
    return { ...worker, usdPerHour, functionMemoryMiB: null, coldStartMs: 0 };
  }
}

function kindOf({ variant, version, ladder }: FunctionRequest): PlannedWorkerKind {
  const kind = { variant: nameKey(variant), model: baseNameOf(version.name) ?? version.name, instanceType: functionType };
  return ladder === undefined ? kind : { ...kind, ladder: ladderKey(ladder) };
}

function nameOf({ variant, model }: Omit<PlannedWorkerKind, 'instanceType'>): string {
  return `${variant} ${model}`;
}
