/**
 * Manages endpoints. A call stores the desired state with its audit record and event in one transaction and returns. A
 * reconciler per endpoint then moves the actual state towards it. After a restart or crash, the same rows are read and
 * reconciled again.
 */
import assert from 'node:assert/strict';
import { every } from '../clock.ts';
import { defined } from '../defined.ts';
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import type { ModelVersion } from '../registry/index.ts';
import { inTransaction, isUniqueViolation, type Transaction } from '../storage/index.ts';
import { withModels } from './config/config-versions.ts';
import type { EndpointConfig, VariantConfig } from './config/endpoint-config.ts';
import type { ScalingConfig } from './config/scaling-config.ts';
import { ServedObjectives } from './config/served-objectives.ts';
import { changedBy, type EndpointChange } from './config/variant-change.ts';
import type { CountCause } from './counts/count-decision.ts';
import { InstanceCounts, withCurrentCounts } from './counts/instance-counts.ts';
import { readCounts, type ScaledCounts } from './counts/scaled-rows.ts';
import { alreadyExists, endpointNotFound, requireEndpoint } from './deployment-errors.ts';
import type { DeploymentsOptions } from './deployments-options.ts';
import { EndpointChanges } from './endpoint-changes.ts';
import {
  deleteEndpointRow,
  lockEndpointRow,
  readAnnouncedStatuses,
  readEndpointRows,
  readServedObjectives,
  type StoredEndpoint,
} from './endpoint-rows.ts';
import { type EndpointView, endpointViewOf } from './endpoint-view.ts';
import { settled } from './reconcile/await-settled.ts';
import type { DesiredEndpoint } from './reconcile/desired.ts';
import type { FunctionRequest } from './reconcile/function-workers.ts';
import type { DesiredState } from './reconcile/plan.ts';
import { EndpointReconciler } from './reconcile/reconcile.ts';
import type { StatusAndReason } from './reconcile/status.ts';
import { StatusEvents } from './reconcile/status-events.ts';
import { isUnderWay, type RolloutGuard } from './rollouts/rollout.ts';
import { Rollouts } from './rollouts/rollouts.ts';
import { ServedVersions } from './rollouts/served-versions.ts';
import { type ActionKind, causeOf, changeDetail, changeEvents, requestedManually } from './rollouts/update-events.ts';
import type { TransactionHook } from './transaction-hook.ts';

/** Poll interval: a missed change is noticed within this time. */
const pollEveryMs = 1000;

/** All endpoints of a server. Every API changes endpoints through it. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  /** Monitored updates. */
  readonly rollouts: Rollouts;
  /** Changes of instance counts by scaling. */
  readonly counts: InstanceCounts;
  readonly #changes: EndpointChanges;
  readonly #servedVersions: ServedVersions;
  readonly #statusEvents: StatusEvents;
  readonly #objectives: ServedObjectives;
  /** By lower-case name. */
  readonly #reconcilers = new Map<string, EndpointReconciler>();
  readonly #listeners = new Set<(view: EndpointView) => void>();
  readonly #deletedListeners = new Set<(name: string) => void>();
  readonly #servedListeners = new Set<() => void>();
  /** Serializes the recording of status events. */
  #recording: Promise<unknown> = Promise.resolve();
  #cancelPoll: () => void = () => undefined;
  #stopListening: () => void = () => undefined;

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    this.#statusEvents = new StatusEvents(options);
    this.#objectives = new ServedObjectives(options);
    this.#servedVersions = new ServedVersions({
      ...options,
      onHistoryChange: ({ config, generation, history }) => this.#reconcilers.get(nameKey(config.name))?.setHistory(generation, history),
    });
    this.counts = new InstanceCounts({
      ...options,
      scale: (endpoint, variant, count, leaving) => this.#reconcilers.get(nameKey(endpoint))?.scale(variant, count, leaving),
    });
    this.rollouts = new Rollouts({
      ...options,
      counts: this.counts,
      setDesired: async (stored) => this.#setDesired(await withModels(this.#options.registry, stored)),
    });
    this.#changes = new EndpointChanges({ ...options, alarmState: (alarm) => this.rollouts.alarmState(alarm) });
  }

  /** Resumes all endpoints. */
  async open(): Promise<void> {
    const { provider, db } = this.#options;
    const [counts, reported, objectives] = [await readCounts(db), await readAnnouncedStatuses(db), await readServedObjectives(db)];
    for (const stored of await readEndpointRows(db)) {
      const key = nameKey(stored.config.name);
      this.#statusEvents.resume(stored, reported.get(key) ?? null);
      this.#objectives.resume(stored, objectives.get(key) ?? null);
      this.#newReconciler(await withModels(this.#options.registry, stored), counts.get(key));
    }
    this.#stopListening = provider.onChange(({ spec }) => this.#reconcilers.get(nameKey(spec.endpoint))?.trigger());
    for (const reconciler of this.#reconcilers.values()) reconciler.trigger();
    this.#cancelPoll = every(this.#options.clock, pollEveryMs, () => this.#poll());
  }

  /** Reads the desired state again: a change may have been stored although the connection failed before the response. */
  async refresh(): Promise<void> {
    const { db, registry } = this.#options;
    for (const stored of await readEndpointRows(db)) {
      const known = this.#reconcilers.get(nameKey(stored.config.name))?.endpoint;
      if (known === undefined || stored.updatedAtMs > known.updatedAtMs) this.#setDesired(await withModels(registry, stored));
    }
  }

  /** Stops reconciling; workers and serving continue until they are closed separately. */
  async close(): Promise<void> {
    this.#cancelPoll();
    this.#stopListening();
    await this.rollouts.close();
    await Promise.all([...this.#reconcilers.values()].map((reconciler) => reconciler.close()));
    await this.#recording;
  }

  /** Throws `invalid_request`, `already_exists`, `not_found` (a version), `wrong_state` (not Approved). */
  async create(provided: EndpointConfig, who: string, hook?: TransactionHook): Promise<EndpointView> {
    this.#changes.check(provided);
    await this.#changes.checkCapture(provided.capture);
    return this.#change(provided.name, { who, action: 'CreateEndpoint', event: 'endpoint.created' }, async (tx, before) => {
      if (before !== undefined) throw alreadyExists(before);
      return this.#changes.created(tx, provided, hook);
    });
  }

  /**
   * Updates the given fields. The previous config is served until the new one is ready. A change without effect is allowed.
   * With a guard, the update is monitored and rolled back if it performs badly. Throws like `create`, and `wrong_state`
   * while the endpoint is being deleted or if an alarm of the guard is firing.
   */
  async update(
    name: string,
    change: EndpointChange,
    who: string,
    inTransaction?: TransactionHook,
    guard: RolloutGuard | null = null,
  ): Promise<EndpointView> {
    if (change.capture !== undefined || change.captureChange !== undefined) {
      const { capture, captureChange } = change;
      await this.#changes.checkCapture(changedBy(defined({ capture, captureChange }), this.get(name).config).capture);
    }
    return this.#change(name, { who, action: 'UpdateEndpoint', event: 'endpoint.changed' }, (tx, before) =>
      this.#changes.changed(tx, requireEndpoint(name, before), change, { guard, inTransaction }),
    );
  }

  /**
   * Rolls back the update in progress. Without one, returns to the versions that were in full service before the current
   * ones; each further call goes one step back. Other settings stay. Throws `not_found`, and `wrong_state` if no earlier version is left.
   */
  async rollBack(name: string, who: string): Promise<EndpointView> {
    const view = this.get(name);
    if (isUnderWay(view.rollout)) {
      await this.rollouts.rollBack(view, who);
      return this.get(name);
    }
    const record: ActionKind = { who, action: 'RollBackEndpoint', event: 'endpoint.changed', rollbackReason: requestedManually };
    return this.#change(name, record, (tx, before) => this.#changes.rolledBack(tx, requireEndpoint(name, before)));
  }

  /** Continues a paused update with too few answers to judge it. Throws `not_found`, and `wrong_state` if no update is paused. */
  async continueUpdate(name: string, who: string): Promise<EndpointView> {
    await this.rollouts.continueUpdate(this.get(name), who);
    return this.get(name);
  }

  /**
   * Sets the scaling of a variant; null fixes the current number of instances. This creates no new generation, and the
   * endpoint stays in service. `cause`: of an automatic change. Throws like `update`, and `not_found` for the variant.
   */
  async setScaling(
    name: string,
    variant: string,
    scaling: ScalingConfig | null,
    who: string,
    inTransaction?: TransactionHook,
    cause: CountCause = { trigger: 'update', why: `${who} changed the scaling` },
  ): Promise<EndpointView> {
    const record: ActionKind = { who, action: 'UpdateScaling', event: 'endpoint.changed', cause };
    return this.#recount(name, variant, record, (tx, before) => this.#changes.rescaled(tx, before, { variant, scaling, inTransaction }));
  }

  /**
   * Sets the current number of instances of a scaling variant on behalf of a user; scaling may change it later. Throws like
   * `update`, `not_found` for the variant, `wrong_state` if it does not scale.
   */
  async setCount(name: string, variant: string, instances: number, who: string): Promise<EndpointView> {
    const requested = { variant, instances };
    const cause: CountCause = { trigger: 'update', why: `${who} set the number of instances to ${instances}` };
    const record: ActionKind = { who, action: 'UpdateEndpoint', event: 'endpoint.changed', requested, cause };
    return this.#recount(name, variant, record, (tx, before) => this.#changes.counted(tx, before, requested));
  }

  /** Deletes an endpoint in any state; idempotent. Requests in progress are answered first. Throws `not_found`. */
  async remove(name: string, who: string): Promise<void> {
    await this.#setState(name, 'Deleted', { who, action: 'DeleteEndpoint', event: 'endpoint.delete-requested' });
  }

  /**
   * Loads an unloaded endpoint. A loaded one is reloaded: its workers are replaced one by one while it serves.
   * Throws `not_found`, `wrong_state` while it is being deleted.
   */
  async load(name: string, who: string): Promise<EndpointView> {
    const reconciler = this.#reconcilers.get(nameKey(name));
    const record: ActionKind = { who, action: 'LoadEndpoint', event: 'endpoint.load-requested' };
    return reconciler?.endpoint.state === 'InService' ? this.#reload(reconciler, record) : this.#setState(name, 'InService', record);
  }

  /** Stops the workers and retains the config. Throws `not_found`, `wrong_state` while the endpoint is being deleted. */
  async unload(name: string, who: string): Promise<EndpointView> {
    return this.#setState(name, 'Unloaded', { who, action: 'UnloadEndpoint', event: 'endpoint.unload-requested' });
  }

  /** Throws `not_found`. */
  get(name: string): EndpointView {
    const reconciler = this.#reconcilers.get(nameKey(name));
    if (reconciler === undefined) throw endpointNotFound(name);
    return this.#viewOf(reconciler);
  }

  /** Sorted by name. */
  list(): readonly EndpointView[] {
    const keys = [...this.#reconcilers.keys()].sort();
    return keys.map((key) => this.#viewOf(this.#reconcilers.get(key) as EndpointReconciler));
  }

  /**
   * Resolves when the endpoint is InService, Failed or Unloaded. Throws `not_found` if it does not exist or is deleted while
   * waiting, `deadline_exceeded` after `timeoutMs`.
   */
  waitFor(name: string, timeoutMs: number): Promise<EndpointView> {
    return settled(this, name, this.#options.clock, timeoutMs);
  }

  /** Subscribes to changes of an endpoint's status or reason. Returns the unsubscribe function. */
  onChange(listener: (view: EndpointView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Subscribes to changes of the served config, even if the status stays the same. Returns the unsubscribe function. */
  onServed(listener: () => void): () => void {
    this.#servedListeners.add(listener);
    return () => this.#servedListeners.delete(listener);
  }

  /** Subscribes to completed deletions. Returns the unsubscribe function. */
  onDeleted(listener: (name: string) => void): () => void {
    this.#deletedListeners.add(listener);
    return () => this.#deletedListeners.delete(listener);
  }

  /**
   * The endpoints that use a version, as desired or still running. The registry calls this in its transaction before it
   * deletes a version.
   */
  async usersOf(group: string, version: number, tx: Transaction): Promise<readonly string[]> {
    const users = new Set<string>();
    const isUsed = (variant: VariantConfig) =>
      (nameKey(variant.group) === nameKey(group) && variant.version === version) ||
      variant.ladder?.models.some((name) => nameKey(name) === `${nameKey(group)}/${version}`) === true;
    for (const { config, rollout } of await readEndpointRows(tx)) {
      if ([...config.variants, ...(rollout?.before.variants ?? [])].some(isUsed)) users.add(config.name);
    }
    const model = `${nameKey(group)}/${version}`;
    for (const reconciler of this.#reconcilers.values()) {
      if (reconciler.workers.some(({ spec }) => nameKey(spec.modelName) === model)) users.add(reconciler.endpoint.config.name);
    }
    return [...users];
  }

  /** Called by the registry in the transaction that deletes a group. The returned function must be called after the commit. */
  removeGroup(group: string, tx: Transaction): Promise<() => void> {
    return this.#servedVersions.removeGroup(group, tx);
  }

  /**
   * Starts a function and returns its id at once. Later it is attached when ready, or serving is notified of its failure.
   * It runs until `stopFunction`, or is drained when its endpoint no longer needs it.
   */
  startFunction(request: FunctionRequest): string {
    const reconciler = this.#reconcilers.get(nameKey(request.endpoint));
    assert(reconciler !== undefined, 'functions are only requested for existing endpoints');
    return reconciler.startFunction(request);
  }

  /** Stops an idle function in the background. Ignores unknown ids. */
  stopFunction(id: string): void {
    this.#reconcilers.get(id.slice(0, id.indexOf('.')))?.stopFunction(id);
  }

  async #reload(reconciler: EndpointReconciler, { who, action, event }: ActionKind): Promise<EndpointView> {
    const { db, audit, events } = this.#options;
    const { generation, config } = reconciler.endpoint;
    this.#checkForeignCode(reconciler.endpoint, who);
    const recorded = await inTransaction(db, async (tx) => {
      await audit.record(tx, { who, action, target: config.name, outcome: 'ok', detail: { generation, config } });
      return events.record(tx, { kind: event, subject: config.name, detail: { generation, config } });
    });
    events.publish(recorded);
    reconciler.reload();
    return this.get(config.name);
  }

  #checkForeignCode({ versions, ladderVersions = [] }: Pick<DesiredEndpoint, 'versions' | 'ladderVersions'>, who: string): void {
    for (const version of [...versions, ...ladderVersions]) this.#options.checkForeignCode?.(version, who);
  }

  async #setState(name: string, state: DesiredState['state'], record: ActionKind): Promise<EndpointView> {
    return this.#change(name, record, async (tx, before) => {
      if (before?.state === state) return null;
      return this.#changes.inState(tx, requireEndpoint(name, before), state);
    });
  }

  /** A change that may set the number of instances of a variant; a null count means that it does not scale. */
  async #recount(
    name: string,
    variant: string,
    record: ActionKind,
    decide: (
      tx: Transaction,
      before: StoredEndpoint,
    ) => Promise<{ readonly endpoint: DesiredEndpoint; readonly count: number | null } | null>,
  ): Promise<EndpointView> {
    let count: number | null = null;
    const view = await this.#change(name, record, async (tx, before) => {
      const changed = await decide(tx, requireEndpoint(name, before));
      count = changed?.count ?? null;
      return changed?.endpoint ?? null;
    });
    if (count === null) return view;
    this.#reconcilers.get(nameKey(name))?.scale(variant, count, []);
    return this.get(name);
  }

  /**
   * Changes the desired state: row, audit record and events in one transaction, then notifies the reconciler. `decide`
   * returns null if nothing changes.
   */
  async #change(
    name: string,
    record: ActionKind,
    decide: (tx: Transaction, before: StoredEndpoint | undefined) => Promise<DesiredEndpoint | null>,
  ): Promise<EndpointView> {
    const { db, audit, events } = this.#options;
    await this.#recording; // preserves the order of events
    const changed = await inTransaction(db, async (tx) => {
      const before = await lockEndpointRow(tx, name);
      // Compare current instance counts: the count in the config of a scaling variant is only its initial count.
      const old = before && { ...before, config: await withCurrentCounts(tx, before.config) };
      const wanted = await decide(tx, before);
      if (wanted === null) return null;
      if (wanted.state === 'InService') this.#checkForeignCode(wanted, record.who);
      const subject = wanted.config.name;
      const detail = { ...changeDetail(before, wanted, record.rollbackReason), ...record.requested };
      await audit.record(tx, { who: record.who, action: record.action, target: subject, outcome: 'ok', detail });
      const recordedEvents = [await events.record(tx, { kind: record.event, subject, detail })];
      const reconciler = this.#reconcilers.get(nameKey(name));
      const versions = reconciler === undefined ? [] : this.rollouts.versionsOf(reconciler);
      const now = { ...wanted, config: await withCurrentCounts(tx, wanted.config) };
      for (const event of changeEvents(old, now, versions, record)) recordedEvents.push(await events.record(tx, event));
      if (old !== undefined) recordedEvents.push(...(await this.counts.recordChanges(tx, old.config, now.config, causeOf(record))));
      return { wanted, recordedEvents, isNew: wanted.generation !== before?.generation };
    }).catch((error: unknown) => {
      throw isUniqueViolation(error) ? new PlatformError('already_exists', `endpoint '${name}' already exists`) : error;
    });
    if (changed !== null) {
      for (const event of changed.recordedEvents) events.publish(event);
      if (changed.isNew) this.#servedVersions.requested(changed.wanted, record.who);
      this.#setDesired(changed.wanted);
    }
    return this.get(name);
  }

  #viewOf(reconciler: EndpointReconciler): EndpointView {
    return endpointViewOf(reconciler, this.#options, {
      rolloutVersions: this.rollouts.versionsOf(reconciler),
      rolloutEvidence: this.rollouts.evidenceOf(reconciler),
      objectiveSinceMs: this.#objectives.sinceMs(reconciler.endpoint),
      statusSinceMs: this.#statusEvents.sinceMs(reconciler.endpoint.config.name),
    });
  }

  #setDesired(endpoint: DesiredEndpoint): void {
    const reconciler = this.#reconcilers.get(nameKey(endpoint.config.name));
    if (reconciler === undefined) this.#newReconciler(endpoint).trigger();
    else reconciler.setDesired(endpoint);
  }

  #newReconciler(endpoint: DesiredEndpoint, counts?: ScaledCounts): EndpointReconciler {
    const { name } = endpoint.config;
    const deps = {
      ...this.#options,
      erase: () => this.#erase(name),
      onServed: (served: DesiredEndpoint) => this.#onServed(served),
      onStatus: (status: StatusAndReason, before: StatusAndReason | null) => this.#notifyListeners(reconciler, status, before),
    };
    const reconciler: EndpointReconciler = new EndpointReconciler(endpoint, deps, counts);
    this.#reconcilers.set(nameKey(name), reconciler);
    return reconciler;
  }

  async #erase(name: string): Promise<void> {
    const { db, events } = this.#options;
    await this.#recording;
    const event = await inTransaction(db, async (tx) => {
      await deleteEndpointRow(tx, name);
      return events.record(tx, { kind: 'endpoint.deleted', subject: name, detail: {} });
    });
    this.#reconcilers.delete(nameKey(name));
    this.rollouts.discard(name);
    this.#servedVersions.discard(name);
    this.#statusEvents.discard(name);
    this.#objectives.discard(name);
    events.publish(event);
    for (const listener of this.#deletedListeners) listener(name);
  }

  /** Profiles are measured only after the endpoint serves, so that they do not slow down its start. */
  #onServed(endpoint: DesiredEndpoint): void {
    const { profiles, functionProfiles, clock } = this.#options;
    const atMs = clock.wallMs();
    const { config, versions, rollout } = endpoint;
    if (!isUnderWay(rollout)) this.#recording = this.#recording.then(() => this.#servedVersions.store(endpoint));
    this.#recording = this.#recording.then(() => this.#statusEvents.served(endpoint)).then(() => this.#objectives.served(endpoint, atMs));
    for (const [index, { functions, instanceCount, instanceType: type }] of config.variants.entries()) {
      const version = versions[index] as ModelVersion;
      if (instanceCount > 0) profiles.measureInBackground(version, `instance:${type}`);
      if (functions !== undefined) functionProfiles.measureInBackground(version);
    }
    for (const listener of this.#servedListeners) listener();
  }

  #notifyListeners(reconciler: EndpointReconciler, now: StatusAndReason, before: StatusAndReason | null): void {
    const { endpoint, servedGeneration } = reconciler;
    const view = this.#viewOf(reconciler);
    if (before?.status !== now.status) {
      const { config, generation } = endpoint;
      this.#options.log.info({ endpoint: config.name, ...now, generation }, 'the status of an endpoint changed');
      this.#recording = this.#recording.then(() => this.#statusEvents.update(endpoint, now, servedGeneration !== null));
    }
    for (const listener of this.#listeners) listener(view);
  }

  #poll(): void {
    for (const reconciler of this.#reconcilers.values()) {
      reconciler.trigger();
      this.rollouts.judge(reconciler);
    }
    if (this.#statusEvents.hasUnrecorded) this.#recording = this.#recording.then(() => this.#statusEvents.recordAgain());
  }
}
