/**
 * Brings one endpoint from what runs to what is wanted: looks, asks the plan, takes its steps, looks again. It starts
 * over at every change and once a second, so nothing depends on having seen each change.
 */
import { messageOf } from '../errors.ts';
import type { WorkerView } from '../providers/index.ts';
import { keyOf } from '../registry/index.ts';
import { type DesiredEndpoint, desiredOf, type Scaled, servedOf } from './desired.ts';
import type { VariantConfig } from './endpoint-config.ts';
import { EndpointWorkers, type EndpointWorkersNeeds } from './endpoint-workers.ts';
import type { FunctionWish } from './function-workers.ts';
import type { InstanceView } from './instance-view.ts';
import { type Desired, isSameKind, plan, readyOf, type Served, type Step, type WorkerKind } from './plan.ts';
import { type RolloutSight, statusDuring } from './rollout.ts';
import type { ScaledCounts } from './scaled-rows.ts';
import { wantedInstances } from './scaling-config.ts';
import { type StatusAndReason, statusOf } from './status.ts';
import type { VersionHistory } from './version-history.ts';

export interface ReconcilerNeeds extends EndpointWorkersNeeds {
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
  readonly #workers: EndpointWorkers;
  /** Resolves at the end, for whoever waits for requests under way. */
  readonly #stopWaiting = Promise.withResolvers<void>();
  #pass: Promise<void> | null = null;
  #isRunning = false;
  #lookAgain = false;
  #isClosed = false;

  constructor(endpoint: DesiredEndpoint, needs: ReconcilerNeeds, counts: ScaledCounts = new Map()) {
    this.#needs = needs;
    this.#endpoint = endpoint;
    for (const [variant, count] of counts) this.#scaled.set(variant, { count, leaving: [] });
    this.#desired = desiredOf(endpoint, this.#scaled);
    this.#workers = new EndpointWorkers(needs, {
      endpoint: () => this.#endpoint,
      isInUse: (kind) => this.#isInUse(kind),
      onGone: () => this.kick(),
      onFunctionFailed: () => this.#tellStatus(),
    });
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
    return this.#workers.views;
  }

  /** From now on this is wanted. An older wish than the last one is passed over. */
  wish(endpoint: DesiredEndpoint): void {
    if (endpoint.generation < this.#endpoint.generation) return;
    this.#endpoint = endpoint;
    for (const { name, scaling } of endpoint.config.variants) if (scaling === undefined) this.#scaled.delete(keyOf(name));
    this.#desired = desiredOf(endpoint, this.#scaled);
    this.#learnVersions();
    this.#trouble = null;
    this.#workers.forgetFailures();
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
    return kind === undefined ? [] : this.#workers.instancesOf(kind);
  }

  /** Why instances could not be started when that was last tried; null where nothing is in the way. */
  get startTrouble(): string | null {
    const prefix = 'start: ';
    return this.#trouble?.startsWith(prefix) === true ? this.#trouble.slice(prefix.length) : null;
  }

  /** How far the step of a rollout is that is wanted now. */
  get rolloutSight(): Pick<RolloutSight, 'isStepServed' | 'failure'> {
    const { generation, variants, share } = this.#desired;
    const workers = this.#workers.observe();
    const isServed = this.#served.kind === 'served' && this.#served.generation === generation && this.#served.share === share;
    const isComplete = variants.every((variant) => readyOf(variant, workers) >= variant.count);
    const { status, reason } = this.#plainStatus();
    const isFailed = status === 'Failed' || (status === 'InService' && this.servedGeneration !== generation);
    return { isStepServed: isServed && isComplete, failure: isFailed ? (reason ?? 'its workers failed') : null };
  }

  /** Replaces the workers that run one by one, a new one before each old one. */
  reload(): void {
    this.#workers.markStale();
    this.#workers.forgetFailures();
    this.kick();
  }

  /** The name of a function that is on its way: attached when it is ready, told to serving as failed where it will not come. */
  startFunction(wish: FunctionWish): string {
    return this.#workers.startFunction(wish);
  }

  /** Serving gives it no batch any more and waits for nothing of it. Unknown ids are fine. */
  stopFunction(id: string): void {
    this.#workers.stopFunction(id);
  }

  /** Looks now; if it is looking already, once more afterwards. */
  kick(): void {
    this.#workers.syncAttachments();
    this.#lookAgain = true;
    if (!this.#isRunning) this.#pass = this.#run();
    // Last, for what can be done at once is done by now: then nobody sees it as on the way.
    this.#tellStatus();
  }

  /** Takes no further step; the workers go on, for their provider to end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWaiting.resolve();
    this.#workers.close();
    await this.#pass;
  }

  #learnVersions(): void {
    this.#workers.learn([...this.#endpoint.versions, ...this.#endpoint.versionsBefore]);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#lookAgain && !this.#isClosed) {
      this.#lookAgain = false;
      const steps = plan(this.#desired, { workers: this.#workers.observe(), served: this.#served });
      const isDone = await this.#takeAll(steps);
      if (!isDone) break;
      if (steps.length > 0) this.#lookAgain = true;
      this.#workers.syncAttachments();
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
        return this.#workers.start(step.variant);
      case 'serve':
        return this.#serve();
      case 'drain':
        return this.#workers.drain(step.workerId);
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
        this.#workers.close();
        return;
    }
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

  #statusNow(): StatusAndReason {
    const { rollout, state } = this.#endpoint;
    const plain = this.#plainStatus();
    return rollout === null || state !== 'InService' ? plain : statusDuring(rollout, plain);
  }

  /** As if there were no rollout. */
  #plainStatus(): StatusAndReason {
    const failed = this.#desired.state === 'InService' ? this.#workers.failedFunctions : [];
    const workers = [...this.#workers.observe(), ...failed];
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
