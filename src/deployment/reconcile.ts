/**
 * Brings one endpoint from what runs to what is wanted: looks, asks the plan, takes its steps, looks again. It starts
 * over at every change and once a second, so nothing depends on having seen each change.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import { heldVcpu, instanceType, type PriceTable, threadsOf } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../monitoring/index.ts';
import type { Provider, WorkerView } from '../providers/index.ts';
import { keyOf, type ModelVersion } from '../registry/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import { configOf, type DesiredEndpoint, desiredOf, type Scaled, servedOf } from './desired.ts';
import type { VariantConfig } from './endpoint-config.ts';
import { type FunctionWish, FunctionWorkers } from './function-workers.ts';
import type { InstanceView } from './instance-view.ts';
import {
  type Desired,
  functionType,
  isSameKind,
  plan,
  readyOf,
  type Served,
  type Step,
  type WantedVariant,
  type WorkerKind,
} from './plan.ts';
import { type RolloutSight, statusDuring } from './rollout.ts';
import type { ScaledCounts } from './scaled-rows.ts';
import { wantedInstances } from './scaling-config.ts';
import type { ServedWorker, ServingDoor } from './serving-door.ts';
import { type StatusAndReason, statusOf, type WorkerHealth } from './status.ts';
import type { VersionHistory } from './version-history.ts';
import { commandOf } from './worker-command.ts';

export interface ReconcilerNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: Provider;
  readonly serving: ServingDoor;
  readonly prices: PriceTable;
  readonly cores: number;
  readonly artifactPath: (version: ModelVersion) => string;
  /** Nothing runs any more: take the endpoint out of the database. */
  readonly erase: () => Promise<void>;
  /** It serves the generation from now on. */
  readonly onServed: (endpoint: DesiredEndpoint) => void;
  readonly onStatus: (status: StatusAndReason, before: StatusAndReason | null) => void;
}

export class EndpointReconciler {
  readonly #needs: ReconcilerNeeds;
  #endpoint: DesiredEndpoint;
  #desired: Desired;
  /** By variant: how many instances were decided on, and who goes first. */
  readonly #scaled = new Map<string, Scaled>();
  #served: Served = { kind: 'unknown' };
  #settledGeneration = 0;
  #status: StatusAndReason | null = null;
  /** What went wrong when a step was last taken. */
  #trouble: string | null = null;
  /** By worker: the link that serving has. */
  readonly #attached = new Map<string, WorkerLink>();
  /** By worker on its way out: ends the wait for its last answers. */
  readonly #draining = new Map<string, () => void>();
  readonly #functions: FunctionWorkers;
  /** By variant and model: the last function that could not be started, while none has been since. */
  readonly #failedFunctions = new Map<string, WorkerHealth>();
  /** Workers of before the last reload: each is replaced by a new one. */
  #stale = new Set<string>();
  /** Resolves at the end, for whoever waits for requests under way. */
  readonly #stopWaiting = Promise.withResolvers<void>();
  /** By `digits/3`: each version a worker of this endpoint may have. */
  readonly #versions = new Map<string, ModelVersion>();
  #pass: Promise<void> | null = null;
  #isRunning = false;
  #lookAgain = false;
  #isClosed = false;

  constructor(endpoint: DesiredEndpoint, needs: ReconcilerNeeds, counts: ScaledCounts = new Map()) {
    this.#needs = needs;
    this.#endpoint = endpoint;
    for (const [variant, count] of counts) this.#scaled.set(variant, { count, leaving: [] });
    this.#desired = desiredOf(endpoint, this.#scaled);
    this.#functions = new FunctionWorkers(needs);
    this.#learnVersions();
  }

  get endpoint(): DesiredEndpoint {
    return this.#endpoint;
  }

  get status(): StatusAndReason {
    return this.#status ?? this.#statusNow();
  }

  /** The generation that requests are routed by; null while they are not. */
  get servedGeneration(): number | null {
    return this.#served.kind === 'served' ? this.#served.generation : null;
  }

  /** What serves, and what is to, stays as it is. */
  remember(generation: number, history: VersionHistory): void {
    if (this.#endpoint.generation === generation) this.#endpoint = { ...this.#endpoint, history };
  }

  get workers(): readonly WorkerView[] {
    const key = keyOf(this.#endpoint.config.name);
    return this.#needs.provider.list().filter(({ spec }) => keyOf(spec.endpoint) === key);
  }

  /** From now on this is wanted. An older wish than the last one is passed over. */
  wish(endpoint: DesiredEndpoint): void {
    if (endpoint.generation < this.#endpoint.generation) return;
    this.#endpoint = endpoint;
    for (const { name, scaling } of endpoint.config.variants) if (scaling === undefined) this.#scaled.delete(keyOf(name));
    this.#desired = desiredOf(endpoint, this.#scaled);
    this.#learnVersions();
    this.#trouble = null;
    this.#failedFunctions.clear();
    this.kick();
  }

  /** So many instances are wanted of a variant that scales; where there are more, `leaving` go first. */
  scale(variant: string, count: number, leaving: readonly string[]): void {
    this.#scaled.set(keyOf(variant), { count, leaving });
    this.#desired = desiredOf(this.#endpoint, this.#scaled);
    this.kick();
  }

  /** How many instances of a variant are wanted now. */
  wantedInstances(variant: VariantConfig): number {
    return wantedInstances(variant, this.#scaled.get(keyOf(variant.name))?.count);
  }

  /** Those of the version and type that are wanted. */
  instancesOf(variant: string): readonly InstanceView[] {
    const kind = this.#desired.variants.find((wanted) => wanted.variant === keyOf(variant) && !wanted.isElastic);
    if (kind === undefined) return [];
    return this.#observe().flatMap((worker) => {
      const view = isSameKind(worker, kind) ? this.workers.find(({ spec }) => spec.id === worker.id) : undefined;
      if (view === undefined) return [];
      const state = worker.isDraining ? 'draining' : worker.hasFailed ? 'failed' : worker.isReady ? 'active' : 'launching';
      const { startedAtMs, readyAtMs, restarts, reason } = view;
      return [{ id: worker.id, state, startedAtMs, readyAtMs, restarts, reason } as const];
    });
  }

  /** Why instances could not be started when that was last tried; null where nothing is in the way. */
  get startTrouble(): string | null {
    const prefix = 'start: ';
    return this.#trouble?.startsWith(prefix) === true ? this.#trouble.slice(prefix.length) : null;
  }

  /** How far the step of a rollout is that is wanted now. */
  get rolloutSight(): Pick<RolloutSight, 'isStepServed' | 'failure'> {
    const { generation, variants, share } = this.#desired;
    const workers = this.#observe();
    const isServed = this.#served.kind === 'served' && this.#served.generation === generation && this.#served.share === share;
    const isComplete = variants.every((variant) => readyOf(variant, workers) >= variant.count);
    const { status, reason } = this.#plainStatus();
    const isFailed = status === 'Failed' || (status === 'InService' && this.servedGeneration !== generation);
    return { isStepServed: isServed && isComplete, failure: isFailed ? (reason ?? 'its workers failed') : null };
  }

  /** Replaces the workers that run one by one, a new one before each old one. */
  reload(): void {
    this.#stale = new Set(this.workers.map(({ spec }) => spec.id));
    this.#failedFunctions.clear();
    this.kick();
  }

  /** The name of a function that is on its way: attached when it is ready, told to serving as failed where it will not come. */
  startFunction(wish: FunctionWish): string {
    this.#versions.set(wish.version.name, wish.version);
    const refusal = this.#isInUse(kindOf(wish)) ? null : `${wish.version.name} is not served by functions of variant ${wish.variant} now`;
    const variant = this.#endpoint.config.variants.find(({ name }) => keyOf(name) === keyOf(wish.variant));
    const process = commandOf(wish.version, variant);
    return this.#functions.start({ ...wish, ...process }, this.#endpoint.generation, refusal, (id, error) =>
      this.#functionFailed(id, messageOf(error)),
    );
  }

  /** Serving gives it no batch any more and waits for nothing of it. Unknown ids are fine. */
  stopFunction(id: string): void {
    if (this.#functions.wishOf(id) !== undefined) this.#end(id);
  }

  /** Looks now; if it is looking already, once more afterwards. */
  kick(): void {
    this.#syncAttachments();
    this.#lookAgain = true;
    if (!this.#isRunning) this.#pass = this.#run();
    // Last, for what can be done at once is done by now: then nobody sees it as on the way.
    this.#tellStatus();
  }

  /** Takes no further step; the workers go on, for their provider to end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWaiting.resolve();
    for (const stopWaiting of this.#draining.values()) stopWaiting();
    await this.#pass;
  }

  #learnVersions(): void {
    for (const version of [...this.#endpoint.versions, ...this.#endpoint.versionsBefore]) this.#versions.set(version.name, version);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#lookAgain && !this.#isClosed) {
      this.#lookAgain = false;
      const steps = plan(this.#desired, { workers: this.#observe(), served: this.#served });
      const isDone = await this.#takeAll(steps);
      if (!isDone) break;
      if (steps.length > 0) this.#lookAgain = true;
      this.#syncAttachments();
      this.#tellStatus();
    }
    this.#isRunning = false;
  }

  /** Whether it makes sense to look again at once. */
  async #takeAll(steps: readonly Step[]): Promise<boolean> {
    for (const step of steps) {
      try {
        await this.#take(step);
      } catch (error) {
        // The next second tries again; until then the status says why.
        this.#trouble = `${step.kind}: ${messageOf(error)}`;
        this.#needs.log.warn(
          { endpoint: this.#endpoint.config.name, step: step.kind, error: messageOf(error) },
          'a deployment step failed',
        );
        this.#tellStatus();
        return false;
      }
      // Something changed meanwhile, maybe what is wanted: the other steps may be wrong by now.
      if (this.#lookAgain) return true;
    }
    this.#trouble = null;
    return true;
  }

  async #take(step: Step): Promise<void> {
    const { serving } = this.#needs;
    const { name } = this.#endpoint.config;
    switch (step.kind) {
      case 'start':
        return this.#start(step.variant);
      case 'serve':
        return this.#serve();
      case 'drain':
        return this.#drain(step.workerId);
      case 'suspend':
        await Promise.race([serving.suspend(name), this.#stopWaiting.promise]);
        this.#served = { kind: 'suspended' };
        return;
      case 'forget':
        await Promise.race([serving.forget(name), this.#stopWaiting.promise]);
        this.#served = { kind: 'unknown' };
        return;
      case 'erase':
        await this.#needs.erase();
        this.#isClosed = true;
        return;
    }
  }

  async #start(wanted: WantedVariant): Promise<void> {
    const { prices, cores, provider, serving, artifactPath } = this.#needs;
    const { config, generation } = this.#endpoint;
    const type = instanceType(prices, wanted.instanceType);
    const version = this.#versions.get(wanted.model);
    const variant = configOf(this.#endpoint, wanted);
    assert(version !== undefined && variant !== undefined, 'steps are taken only while what is wanted is what was planned for');
    const prefix = `${keyOf(config.name)}.${wanted.variant}.${generation}`;
    const taken = new Set(this.workers.map(({ spec }) => spec.id));
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

  #serve(): void {
    const { variants, kept = [], share = 1, generation } = this.#desired;
    this.#needs.serving.serve(servedOf(this.#endpoint));
    if (this.#served.kind !== 'served') this.#settledGeneration = generation;
    this.#served = { kind: 'served', generation, variants: share < 1 ? [...variants, ...kept] : variants, share };
    this.#needs.onServed(this.#endpoint);
  }

  /** Whether requests may reach such a worker: also while the last ones of an endpoint that stops are answered. */
  #isInUse(kind: WorkerKind): boolean {
    const wanted = this.#desired.state === 'InService' ? [...this.#desired.variants, ...(this.#desired.kept ?? [])] : [];
    const served = this.#served.kind === 'served' ? this.#served.variants : [];
    return !this.#isClosed && [...wanted, ...served].some((variant) => isSameKind(variant, kind));
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
    this.#tellStatus();
  }

  /** As `#drain`, for a function that has nothing to answer any more. */
  #end(functionId: string): void {
    if (!this.#draining.has(functionId)) this.#drain(functionId, true);
  }

  /** Goes on beside the other steps: a long run of one worker holds up nothing. */
  #drain(workerId: string, isIdle = false): void {
    const stopWaiting = new Promise<void>((resolve) => {
      this.#draining.set(workerId, resolve);
    });
    void this.#drainAndStop(workerId, stopWaiting, isIdle)
      .catch((error: unknown) => this.#needs.log.warn({ worker: workerId, error: messageOf(error) }, 'a worker could not be stopped'))
      .finally(() => {
        this.#draining.delete(workerId);
        this.kick();
      });
  }

  async #drainAndStop(workerId: string, stopWaiting: Promise<void>, isIdle: boolean): Promise<void> {
    const { serving, provider, clock } = this.#needs;
    // By then each of its requests is answered or given up.
    const cancelTimer = clock.after(this.#endpoint.config.timeoutMs, () => this.#draining.get(workerId)?.());
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

  /** Serving has exactly the workers that are ready, each by its present link. At once: a dead worker must get no batch. */
  #syncAttachments(): void {
    const { provider, serving } = this.#needs;
    const views = this.workers;
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

  #observe(): readonly WorkerHealth[] {
    const asked = this.#functions.untaken.map(([id, wish]) => {
      const isDraining = this.#draining.has(id);
      return { id, ...kindOf(wish), isReady: false, isDraining, hasFailed: false, reason: null };
    });
    const running = this.workers.map(({ spec, state, reason }) => ({
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

  #statusNow(): StatusAndReason {
    const { rollout, state } = this.#endpoint;
    const plain = this.#plainStatus();
    return rollout === null || state !== 'InService' ? plain : statusDuring(rollout, plain);
  }

  /** As if there were no rollout. */
  #plainStatus(): StatusAndReason {
    const failed = this.#desired.state === 'InService' ? this.#failedFunctions.values() : [];
    const workers = [...this.#observe(), ...failed];
    const isComplete = this.#desired.variants.every((variant) => readyOf(variant, workers) >= variant.count);
    if (isComplete && this.servedGeneration === this.#desired.generation) this.#settledGeneration = this.#desired.generation;
    const status = statusOf({ desired: this.#desired, served: this.#served, workers, settledGeneration: this.#settledGeneration });
    const isReloading = workers.some(({ isStale, isDraining }) => isStale === true && !isDraining);
    if (status.status === 'InService' && status.reason === null && isReloading) return { status: 'Updating', reason: this.#trouble };
    return status.reason === null && this.#trouble !== null ? { ...status, reason: this.#trouble } : status;
  }

  #tellStatus(): void {
    const before = this.#status;
    const now = this.#statusNow();
    if (before?.status === now.status && before.reason === now.reason) return;
    this.#status = now;
    this.#needs.onStatus(now, before);
  }
}

function kindOf({ variant, version }: FunctionWish): WorkerKind {
  return { variant: keyOf(variant), model: version.name, instanceType: functionType };
}

function nameOf({ variant, model }: Omit<WorkerKind, 'instanceType'>): string {
  return `${variant} ${model}`;
}
