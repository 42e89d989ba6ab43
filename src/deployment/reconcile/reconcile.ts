/**
 * Brings one endpoint from its actual to its desired state: observes, plans, runs the planned steps and observes again. It runs
 * at every change and once a second, so a missed change is corrected within a second.
 */
import { messageOf } from '../../errors.ts';
import { RepeatedWarning } from '../../logs/index.ts';
import { nameKey } from '../../names.ts';
import type { WorkerView } from '../../providers/index.ts';
import { productionVariants, type VariantConfig } from '../config/endpoint-config.ts';
import { desiredInstances } from '../config/scaling-config.ts';
import type { ScaledCounts } from '../counts/scaled-rows.ts';
import { type RolloutObservation, statusDuring } from '../rollouts/rollout.ts';
import type { VersionHistory } from '../rollouts/version-history.ts';
import { type DesiredEndpoint, desiredOf, type Scaled, servedOf } from './desired.ts';
import { EndpointWorkers, type EndpointWorkersDeps } from './endpoint-workers.ts';
import type { FunctionRequest } from './function-workers.ts';
import type { InstanceView } from './instance-view.ts';
import { type DesiredState, isSameKind, type PlannedWorkerKind, type PlanStep, plan, readyOf, type ServedState } from './plan.ts';
import { endpointStatusOf, type StatusAndReason } from './status.ts';

export interface ReconcilerDeps extends EndpointWorkersDeps {
  /** Removes the endpoint from the database; called when none of its workers run. */
  readonly erase: () => Promise<void>;
  /** The endpoint now serves this generation. */
  readonly onServed: (endpoint: DesiredEndpoint) => void;
  readonly onStatus: (status: StatusAndReason, before: StatusAndReason | null) => void;
}

/** One per endpoint. Its passes never overlap; a change during a pass leads to one more pass. */
export class EndpointReconciler {
  readonly #deps: ReconcilerDeps;
  #endpoint: DesiredEndpoint;
  #desired: DesiredState;
  /** By variant: the decided instance count, and the instances to remove first. */
  readonly #scaled = new Map<string, Scaled>();
  #served: ServedState = { kind: 'unknown' };
  /** See `EndpointObservation`. */
  #settledGeneration = 0;
  #status: StatusAndReason | null = null;
  /** The error of the last step that failed. */
  #trouble: string | null = null;
  readonly #warning: RepeatedWarning;
  readonly #workers: EndpointWorkers;
  /** Ends the current step's wait for pending requests. */
  #stopWaiting: () => void = () => {};
  #pass: Promise<void> | null = null;
  #isRunning = false;
  /** A change arrived during a pass, so its remaining steps may be outdated. */
  #rerunRequested = false;
  #isClosed = false;

  constructor(endpoint: DesiredEndpoint, deps: ReconcilerDeps, counts: ScaledCounts = new Map()) {
    this.#deps = deps;
    this.#endpoint = endpoint;
    this.#warning = new RepeatedWarning(deps, 'a deployment step failed: tried again each second');
    for (const [variant, count] of counts) this.#scaled.set(variant, { count, leaving: [] });
    this.#desired = desiredOf(endpoint, this.#scaled);
    this.#workers = new EndpointWorkers(deps, {
      endpoint: () => this.#endpoint,
      isInUse: (kind) => this.#isInUse(kind),
      onDeleted: () => this.trigger(),
      onFunctionFailed: () => this.#publishStatus(),
    });
    this.#updateVersions();
  }

  get endpoint(): DesiredEndpoint {
    return this.#endpoint;
  }

  get status(): StatusAndReason {
    return this.#status ?? this.#statusNow();
  }

  /** The generation that requests are routed by; null while none are routed. */
  get servedGeneration(): number | null {
    return this.#served.kind === 'served' ? this.#served.generation : null;
  }

  /** Replaces the history only. Ignored if the generation has changed since. */
  setHistory(generation: number, history: VersionHistory): void {
    if (this.#endpoint.generation === generation) this.#endpoint = { ...this.#endpoint, history };
  }

  get workers(): readonly WorkerView[] {
    return this.#workers.views;
  }

  /** Sets the desired state. A generation older than the last one is ignored. */
  setDesired(endpoint: DesiredEndpoint): void {
    if (endpoint.generation < this.#endpoint.generation) return;
    this.#endpoint = endpoint;
    for (const { name, scaling } of endpoint.config.variants) if (scaling === undefined) this.#scaled.delete(nameKey(name));
    this.#desired = desiredOf(endpoint, this.#scaled);
    this.#updateVersions();
    this.#trouble = null;
    this.#workers.clearFailures();
    this.trigger();
  }

  /** Sets the instance count of a scaled variant; if there are more, `leaving` are removed first. */
  scale(variant: string, count: number, leaving: readonly string[]): void {
    this.#scaled.set(nameKey(variant), { count, leaving });
    this.#desired = desiredOf(this.#endpoint, this.#scaled);
    this.trigger();
  }

  /** The desired instance count of a variant. */
  wantedInstances(variant: VariantConfig): number {
    return desiredInstances(variant, this.#scaled.get(nameKey(variant.name))?.count);
  }

  /** The workers of the desired version and type. */
  instancesOf(variant: string): readonly InstanceView[] {
    const kind = this.#desired.variants.find((wanted) => wanted.variant === nameKey(variant) && !wanted.isElastic);
    return kind === undefined ? [] : this.#workers.instancesOf(kind);
  }

  /** Why the last attempt to start instances failed; null if it did not. */
  get startTrouble(): string | null {
    const prefix = 'start: ';
    return this.#trouble?.startsWith(prefix) === true ? this.#trouble.slice(prefix.length) : null;
  }

  /** The progress of the current rollout step. */
  get rolloutObservation(): Pick<RolloutObservation, 'isStepServed' | 'failure'> {
    const { generation, variants, share } = this.#desired;
    const workers = this.#workers.observe();
    const isServed = this.#served.kind === 'served' && this.#served.generation === generation && this.#served.share === share;
    const isComplete = productionVariants(variants).every((variant) => readyOf(variant, workers) >= variant.count);
    const { status, reason } = this.#plainStatus();
    const isFailed = status === 'Failed' || (status === 'InService' && this.servedGeneration !== generation);
    return { isStepServed: isServed && isComplete, failure: isFailed ? (reason ?? 'its workers failed') : null };
  }

  /** Replaces the running workers one by one, starting each new one before it stops the old one. */
  reload(): void {
    this.#workers.markStale();
    this.#workers.clearFailures();
    this.trigger();
  }

  /** Starts a function and returns its id at once. It is attached when ready; a failure is reported to serving. */
  startFunction(request: FunctionRequest): string {
    return this.#workers.startFunction(request);
  }

  /** Stops a function that serving no longer uses: no batch may be running on it. Ignores unknown ids. */
  stopFunction(id: string): void {
    this.#workers.stopFunction(id);
  }

  /** Reconciles now; if that is already running, once more afterwards. */
  trigger(): void {
    this.#workers.syncAttachments();
    this.#rerunRequested = true;
    if (!this.#isRunning) this.#pass = this.#run();
    // Last: steps that can be done immediately are done by now, so they are never published as pending.
    this.#publishStatus();
  }

  /** Runs no further step; the workers keep running until their provider stops them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWaiting();
    this.#workers.close();
    await this.#pass;
  }

  #updateVersions(): void {
    const { versions, versionsBefore, ladderVersions = [] } = this.#endpoint;
    this.#workers.learn([...versions, ...versionsBefore, ...ladderVersions]);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#rerunRequested && !this.#isClosed) {
      this.#rerunRequested = false;
      const steps = plan(this.#desired, { workers: this.#workers.observe(), served: this.#served });
      const isDone = await this.#runAllSteps(steps);
      if (!isDone) break;
      if (steps.length > 0) this.#rerunRequested = true;
      this.#workers.syncAttachments();
      this.#publishStatus();
    }
    this.#isRunning = false;
  }

  /** Whether to reconcile again immediately. */
  async #runAllSteps(steps: readonly PlanStep[]): Promise<boolean> {
    for (const step of steps) {
      try {
        await this.#runStep(step);
      } catch (error) {
        // Retried within a second; until then the status shows the error.
        this.#trouble = `${step.kind}: ${messageOf(error)}`;
        this.#warning.warn({ endpoint: this.#endpoint.config.name, step: step.kind, error: messageOf(error) });
        this.#publishStatus();
        return false;
      }
      if (this.#rerunRequested) return true;
    }
    this.#trouble = null;
    this.#warning.over();
    return true;
  }

  async #runStep(step: PlanStep): Promise<void> {
    const { serving } = this.#deps;
    const { name } = this.#endpoint.config;
    switch (step.kind) {
      case 'start':
        return this.#workers.start(step.variant);
      case 'serve':
        return this.#serve();
      case 'drain':
        return this.#workers.drain(step.workerId);
      case 'suspend':
        await this.#untilDoneOrClosed(serving.suspend(name));
        this.#served = { kind: 'suspended' };
        return;
      case 'forget':
        await this.#untilDoneOrClosed(serving.discard(name));
        this.#served = { kind: 'unknown' };
        return;
      case 'erase':
        await this.#deps.erase();
        this.#isClosed = true;
        this.#workers.close();
        return;
    }
  }

  /** Each wait has its own promise: a single one for the endpoint's lifetime would retain every `Promise.race` that used it. */
  async #untilDoneOrClosed(work: Promise<unknown>): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#stopWaiting = closed.resolve;
    if (this.#isClosed) closed.resolve();
    await Promise.race([work, closed.promise]);
  }

  #serve(): void {
    const { variants, retained = [], share = 1, generation } = this.#desired;
    this.#deps.serving.serve(servedOf(this.#endpoint));
    if (this.#served.kind !== 'served') this.#settledGeneration = generation;
    this.#served = { kind: 'served', generation, variants: share < 1 ? [...variants, ...retained] : variants, share };
    this.#deps.onServed(this.#endpoint);
  }

  /** Whether requests may reach such a worker, also while a stopping endpoint answers its last requests. */
  #isInUse(kind: PlannedWorkerKind): boolean {
    const wanted = this.#desired.state === 'InService' ? [...this.#desired.variants, ...(this.#desired.retained ?? [])] : [];
    const served = this.#served.kind === 'served' ? this.#served.variants : [];
    return !this.#isClosed && [...wanted, ...served].some((variant) => isSameKind(variant, kind));
  }

  #statusNow(): StatusAndReason {
    const { rollout, state } = this.#endpoint;
    const plain = this.#plainStatus();
    return rollout === null || state !== 'InService' ? plain : statusDuring(rollout, plain);
  }

  /** The status without the rollout. */
  #plainStatus(): StatusAndReason {
    const failed = this.#desired.state === 'InService' ? this.#workers.failedFunctions : [];
    const workers = [...this.#workers.observe(), ...failed];
    const isComplete = productionVariants(this.#desired.variants).every((variant) => readyOf(variant, workers) >= variant.count);
    if (isComplete && this.servedGeneration === this.#desired.generation) this.#settledGeneration = this.#desired.generation;
    const status = endpointStatusOf({ desired: this.#desired, served: this.#served, workers, settledGeneration: this.#settledGeneration });
    const isReloading = workers.some(({ isStale, isDraining }) => isStale === true && !isDraining);
    if (status.status === 'InService' && status.reason === null && isReloading) return { status: 'Updating', reason: this.#trouble };
    return status.reason === null && this.#trouble !== null ? { ...status, reason: this.#trouble } : status;
  }

  #publishStatus(): void {
    const before = this.#status;
    const now = this.#statusNow();
    if (before?.status === now.status && before.reason === now.reason) return;
    this.#status = now;
    this.#deps.onStatus(now, before);
  }
}
