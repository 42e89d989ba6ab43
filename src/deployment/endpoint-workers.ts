/**
 * The workers of one endpoint, between their provider and serving: which of them run, which serving has, who is on the way out. They
 * are started and ended as they are told; why, and when, is for the reconciler and for serving to say.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import { heldVcpu, instanceType, type PriceTable, threadsOf } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import type { Provider, WorkerView } from '../providers/index.ts';
import { keyOf, type ModelVersion } from '../registry/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import { configOf, type DesiredEndpoint } from './desired.ts';
import { type FunctionWish, FunctionWorkers } from './function-workers.ts';
import type { InstanceView } from './instance-view.ts';
import { functionType, isSameKind, type WantedVariant, type WorkerKind } from './plan.ts';
import type { ServedWorker, ServingDoor } from './serving-door.ts';
import type { WorkerHealth } from './status.ts';
import { commandOf } from './worker-command.ts';

export interface EndpointWorkersNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: Provider;
  readonly serving: ServingDoor;
  readonly prices: PriceTable;
  readonly cores: number;
  readonly artifactPath: (version: ModelVersion) => string;
}

/** Whose workers they are. */
export interface WorkersOwner {
  /** As it is wanted now. */
  readonly endpoint: () => DesiredEndpoint;
  /** Whether requests may reach such a worker. */
  readonly isInUse: (kind: WorkerKind) => boolean;
  /** One that was drained is gone. */
  readonly onGone: () => void;
  /** A function could not be started; serving knows. */
  readonly onFunctionFailed: () => void;
}

export class EndpointWorkers {
  readonly #needs: EndpointWorkersNeeds;
  readonly #owner: WorkersOwner;
  /** By worker: the link that serving has. */
  readonly #attached = new Map<string, WorkerLink>();
  /** By worker on its way out: ends the wait for its last answers. */
  readonly #draining = new Map<string, () => void>();
  readonly #functions: FunctionWorkers;
  /** By variant and model: the last function that could not be started, while none has been since. */
  readonly #failedFunctions = new Map<string, WorkerHealth>();
  /** Workers of before the last reload: each is replaced by a new one. */
  #stale = new Set<string>();
  /** By `digits/3`: each version a worker of this endpoint may have. */
  readonly #versions = new Map<string, ModelVersion>();
  #isClosed = false;

  constructor(needs: EndpointWorkersNeeds, owner: WorkersOwner) {
    this.#needs = needs;
    this.#owner = owner;
    this.#functions = new FunctionWorkers(needs);
  }

  /** Those that its provider lists. */
  get views(): readonly WorkerView[] {
    const key = keyOf(this.#owner.endpoint().config.name);
    return this.#needs.provider.list().filter(({ spec }) => keyOf(spec.endpoint) === key);
  }

  /** Of each variant whose functions could not be started, the last one, while none has been since. */
  get failedFunctions(): readonly WorkerHealth[] {
    return [...this.#failedFunctions.values()];
  }

  /** What could not be started may be tried again, by another wish. */
  forgetFailures(): void {
    this.#failedFunctions.clear();
  }

  /** Workers may have these versions, too, from now on. */
  learn(versions: readonly ModelVersion[]): void {
    for (const version of versions) this.#versions.set(version.name, version);
  }

  /** A reload begins: each of those that are there is to be replaced. */
  markStale(): void {
    this.#stale = new Set(this.views.map(({ spec }) => spec.id));
  }

  /** As the plan counts them: those that run, that were asked for, and that are still ending. */
  observe(): readonly WorkerHealth[] {
    const asked = this.#functions.untaken.map(([id, wish]) => {
      const isDraining = this.#draining.has(id);
      return { id, ...kindOf(wish), isReady: false, isDraining, hasFailed: false, reason: null };
    });
    const running = this.views.map(({ spec, state, reason }) => ({
      id: spec.id,
      variant: keyOf(spec.variant),
      model: spec.modelName,
      instanceType: spec.kind === 'function' ? functionType : spec.instanceType,
      isReady: this.#attached.has(spec.id),
      isDraining: this.#draining.has(spec.id),
      isStale: this.#stale.has(spec.id),
      hasFailed: state === 'failed',
      reason,
    }));
    const listed = [...running, ...asked.filter(({ id }) => running.every((worker) => worker.id !== id))];
    // Its provider may forget a worker when it is told to end it; it is there until its process has ended.
    const ending = [...this.#draining.keys()].filter((id) => listed.every((worker) => worker.id !== id));
    const nothing = { variant: '', model: '', instanceType: '', isReady: false, isDraining: true, hasFailed: false, reason: null };
    return [...listed, ...ending.map((id) => ({ id, ...nothing }))];
  }

  /** The instances of this version and type. */
  instancesOf(kind: WorkerKind): readonly InstanceView[] {
    return this.observe().flatMap((worker) => {
      const view = isSameKind(worker, kind) ? this.views.find(({ spec }) => spec.id === worker.id) : undefined;
      if (view === undefined) return [];
      const state = worker.isDraining ? 'draining' : worker.hasFailed ? 'failed' : worker.isReady ? 'active' : 'launching';
      const { startedAtMs, readyAtMs, restarts, reason } = view;
      return [{ id: worker.id, state, startedAtMs, readyAtMs, restarts, reason } as const];
    });
  }

  /** One more instance of the variant. */
  async start(wanted: WantedVariant): Promise<void> {
    const { prices, cores, provider, serving, artifactPath } = this.#needs;
    const endpoint = this.#owner.endpoint();
    const { config, generation } = endpoint;
    const type = instanceType(prices, wanted.instanceType);
    const version = this.#versions.get(wanted.model);
    const variant = configOf(endpoint, wanted);
    assert(version !== undefined && variant !== undefined, 'steps are taken only while what is wanted is what was planned for');
    const prefix = `${keyOf(config.name)}.${wanted.variant}.${generation}`;
    const taken = new Set(this.views.map(({ spec }) => spec.id));
    let index = 0;
    while (taken.has(`${prefix}.${index}`)) index++;
    const id = `${prefix}.${index}`;
    this.#stale.delete(id); // the name of one that is gone is given again, and this one is new
    await provider.start({
      id,
      endpoint: config.name,
      variant: variant.name,
      generation,
      modelPath: artifactPath(version),
      modelName: version.name,
      threads: threadsOf(type, cores),
      memoryMiB: type.memoryMiB,
      vcpuMax: heldVcpu(type, provider.limits.cpu),
      ...commandOf(version, variant),
      kind: 'instance',
      instanceType: wanted.instanceType,
    });
    serving.launched({ id, endpoint: config.name, variant: variant.name, usdPerHour: type.usdPerHour });
  }

  /** The name of a function that is on its way: attached when it is ready, told to serving as failed where it will not come. */
  startFunction(wish: FunctionWish): string {
    const endpoint = this.#owner.endpoint();
    this.#versions.set(wish.version.name, wish.version);
    const refusal = this.#owner.isInUse(kindOf(wish))
      ? null
      : `${wish.version.name} is not served by functions of variant ${wish.variant} now`;
    const variant = endpoint.config.variants.find(({ name }) => keyOf(name) === keyOf(wish.variant));
    const process = commandOf(wish.version, variant);
    return this.#functions.start({ ...wish, ...process }, endpoint.generation, refusal, (id, error) =>
      this.#functionFailed(id, messageOf(error)),
    );
  }

  /** Serving gives it no batch any more and waits for nothing of it. Unknown ids are fine. */
  stopFunction(id: string): void {
    if (this.#functions.wishOf(id) !== undefined) this.#end(id);
  }

  /**
   * Serving gives it nothing more; it is ended once it has answered what it has, at once where it `isIdle`, and after the endpoint's
   * timeout at the latest. Goes on beside the other steps: a long run of one worker holds up nothing.
   */
  drain(workerId: string, isIdle = false): void {
    const stopWaiting = new Promise<void>((resolve) => {
      this.#draining.set(workerId, resolve);
    });
    void this.#drainAndStop(workerId, stopWaiting, isIdle)
      .catch((error: unknown) => this.#needs.log.warn({ worker: workerId, error: messageOf(error) }, 'a worker could not be stopped'))
      .finally(() => {
        this.#draining.delete(workerId);
        this.#owner.onGone();
      });
  }

  /** Serving has exactly the workers that are ready, each by its present link. At once: a dead worker must get no batch. */
  syncAttachments(): void {
    const { provider, serving } = this.#needs;
    const views = this.views;
    const present = new Set(views.map(({ spec }) => spec.id));
    for (const id of this.#attached.keys()) {
      if (!present.has(id)) this.#detach(id);
    }
    for (const view of views) {
      const { id } = view.spec;
      const link = view.state === 'ready' ? provider.link(id) : null;
      const attached = this.#attached.get(id) ?? null;
      if (this.#functions.wishOf(id) !== undefined) {
        // A function that ended is not started again by itself: serving wishes for another if it needs one.
        if (attached !== null && link !== attached) this.#end(id);
        if (view.state === 'failed') this.#functionFailed(id, view.reason ?? 'no reason is known');
      }
      if (link === null) this.#detach(id);
      if (link === attached || link === null || this.#draining.has(id)) continue;
      const worker = this.#servedWorker(view, link);
      if (worker === null) continue;
      this.#attached.set(id, link);
      this.#failedFunctions.delete(nameOf({ variant: keyOf(worker.variant), model: worker.version.name }));
      serving.attach(worker);
    }
  }

  /** They go on, for their provider to end; nobody's last answers are waited for. */
  close(): void {
    this.#isClosed = true;
    for (const stopWaiting of this.#draining.values()) stopWaiting();
  }

  /** Also for a function that could not even be asked for. Whether another is tried is for serving to say. */
  #functionFailed(id: string, reason: string): void {
    const wish = this.#functions.wishOf(id);
    if (wish === undefined || this.#draining.has(id)) return;
    const { log, serving } = this.#needs;
    const kind = kindOf(wish);
    const failed = { id, ...kind, isReady: false, isDraining: false, hasFailed: true, reason };
    this.#failedFunctions.set(nameOf(kind), failed);
    log.warn({ endpoint: wish.endpoint, worker: id, memoryMiB: wish.memoryMiB, reason }, 'a function could not be started');
    this.#end(id);
    serving.functionFailed(id, reason);
    this.#owner.onFunctionFailed();
  }

  /** As `drain`, for a function that has nothing to answer any more. */
  #end(functionId: string): void {
    if (!this.#draining.has(functionId)) this.drain(functionId, true);
  }

  async #drainAndStop(workerId: string, stopWaiting: Promise<void>, isIdle: boolean): Promise<void> {
    const { serving, provider, clock } = this.#needs;
    // By then each of its requests is answered or given up.
    const cancelTimer = clock.after(this.#owner.endpoint().config.timeoutMs, () => this.#draining.get(workerId)?.());
    const isFunction = this.#functions.wishOf(workerId) !== undefined;
    // An instance that never was ready runs nothing, but its bill is to be closed.
    const isDrained = !isIdle && (this.#attached.has(workerId) || !isFunction);
    await Promise.race([isDrained ? serving.drain(workerId) : null, stopWaiting]);
    cancelTimer();
    if (this.#isClosed) return;
    // Serving waits for a function from its wish on, so it is told also of one that was never ready.
    if (this.#attached.delete(workerId) || isFunction) serving.detach(workerId);
    await (isFunction ? this.#functions.stop(workerId) : provider.stop(workerId));
  }

  #detach(workerId: string): void {
    if (this.#attached.delete(workerId)) this.#needs.serving.detach(workerId);
    this.#draining.get(workerId)?.();
  }

  #servedWorker({ spec }: WorkerView, link: WorkerLink): ServedWorker | null {
    const { prices } = this.#needs;
    const version = this.#versions.get(spec.modelName);
    if (version === undefined) return null;
    const { id, endpoint, variant, generation, threads } = spec;
    const worker = { id, endpoint, variant, generation, version, instanceType: spec.instanceType, threads, link };
    if (spec.kind === 'function') {
      return { ...worker, usdPerHour: 0, functionMemoryMiB: spec.memoryMiB, coldStartMs: this.#functions.ageMs(id) };
    }
    const { usdPerHour } = instanceType(prices, spec.instanceType);
    return { ...worker, usdPerHour, functionMemoryMiB: null, coldStartMs: 0 };
  }
}

function kindOf({ variant, version }: FunctionWish): WorkerKind {
  return { variant: keyOf(variant), model: version.name, instanceType: functionType };
}

function nameOf({ variant, model }: Omit<WorkerKind, 'instanceType'>): string {
  return `${variant} ${model}`;
}
