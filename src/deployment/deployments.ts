/**
 * Endpoints as users manage them. A call writes what is wanted, with audit entry and event in one transaction, and
 * answers; a reconciler per endpoint then brings it about. After a restart, also after kill -9, the same rows are read
 * and brought about again.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import type { PriceTable } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';
import type { Audit, Events, Log } from '../monitoring/index.ts';
import type { FunctionProfiles, Profiles } from '../profiling/index.ts';
import type { Provider } from '../providers/index.ts';
import { keyOf, type ModelVersion, type Registry } from '../registry/index.ts';
import { type Database, inTransaction, isUniqueViolation, type Transaction } from '../storage/index.ts';
import { withModels } from './config-versions.ts';
import type { DesiredEndpoint } from './desired.ts';
import { EndpointChanges } from './endpoint-changes.ts';
import { type EndpointChange, type EndpointConfig, type VariantConfig, withWanted } from './endpoint-config.ts';
import { deleteRow, lockRow, readRows, readServedObjectives, readTold, type StoredEndpoint } from './endpoint-rows.ts';
import { type EndpointView, viewOf } from './endpoint-view.ts';
import type { FunctionWish } from './function-workers.ts';
import { KeptVersions } from './keep-served.ts';
import type { KeptBeside } from './kept-beside.ts';
import type { Desired } from './plan.ts';
import { EndpointReconciler } from './reconcile.ts';
import { alreadyExists, existing, noEndpoint } from './refusals.ts';
import { type Guard, isUnderWay } from './rollout.ts';
import { Rollouts } from './rollouts.ts';
import { readCounts, type ScaledCounts, writeCount } from './scaled-rows.ts';
import { type ScalingConfig, wantedInstances } from './scaling-config.ts';
import { ServedObjectives } from './served-objectives.ts';
import type { ServingDoor } from './serving-door.ts';
import { settled } from './settled.ts';
import type { StatusAndReason } from './status.ts';
import { ToldStatuses } from './told-statuses.ts';
import { askedByHand, changeDetail, changeEvents, type Doing } from './update-events.ts';

export interface DeploymentsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly provider: Provider;
  readonly profiles: Pick<Profiles, 'measureInBackground'>;
  readonly functionProfiles: Pick<FunctionProfiles, 'measureInBackground'>;
  readonly prices: PriceTable;
  /** Of this machine: how many threads it makes sense to give one worker. */
  readonly cores: number;
  readonly events: Events;
  readonly audit: Audit;
  readonly serving: ServingDoor;
  /** Throws `invalid_request` for a place that captured calls cannot go to. */
  readonly checkCapturePlace?: (to: string) => Promise<void>;
  /** Throws `invalid_request` for a scaling policy that nobody knows. */
  readonly checkPolicy?: (policy: string, limits: ScalingConfig) => void;
}

/** A look need not wait for a change: what was missed is made up for within this time. */
const lookEveryMs = 1000;

export class Deployments {
  readonly #options: DeploymentsOptions;
  /** Updates that are watched, and taken back where need be. */
  readonly rollouts: Rollouts;
  readonly #changes: EndpointChanges;
  readonly #kept: KeptVersions;
  readonly #told: ToldStatuses;
  readonly #objectives: ServedObjectives;
  /** By lower-case name. */
  readonly #reconcilers = new Map<string, EndpointReconciler>();
  readonly #listeners = new Set<(view: EndpointView) => void>();
  readonly #goneListeners = new Set<(name: string) => void>();
  readonly #servedListeners = new Set<() => void>();
  /** Events of status changes, one after the other. */
  #recording: Promise<unknown> = Promise.resolve();
  #stopLooking: () => void = () => undefined;
  #stopListening: () => void = () => undefined;

  constructor(options: DeploymentsOptions) {
    this.#options = options;
    this.#told = new ToldStatuses(options);
    this.#objectives = new ServedObjectives(options);
    this.#kept = new KeptVersions({
      ...options,
      remember: ({ config, generation, history }) => this.#reconcilers.get(keyOf(config.name))?.remember(generation, history),
    });
    this.rollouts = new Rollouts({ ...options, want: async (stored) => this.#want(await withModels(this.#options.registry, stored)) });
    this.#changes = new EndpointChanges({ ...options, alarmState: (alarm) => this.rollouts.alarmState(alarm) });
  }

  /** Takes up every endpoint where it was left. */
  async open(): Promise<void> {
    const { provider, db } = this.#options;
    const [counts, told, objectives] = [await readCounts(db), await readTold(db), await readServedObjectives(db)];
    for (const stored of await readRows(db)) {
      const key = keyOf(stored.config.name);
      this.#told.takeUp(stored, told.get(key) ?? null);
      this.#objectives.takeUp(stored, objectives.get(key) ?? null);
      this.#newReconciler(await withModels(this.#options.registry, stored), counts.get(key));
    }
    this.#stopListening = provider.onChange(({ spec }) => this.#reconcilers.get(keyOf(spec.endpoint))?.kick());
    for (const reconciler of this.#reconcilers.values()) reconciler.kick();
    this.#lookLater();
  }

  /** Stops acting; workers and serving go on until they are closed themselves. */
  async close(): Promise<void> {
    this.#stopLooking();
    this.#stopListening();
    await this.rollouts.close();
    await Promise.all([...this.#reconcilers.values()].map((reconciler) => reconciler.close()));
    await this.#recording;
  }

  /** Throws `invalid_request`, `already_exists`, `not_found` (a version), `wrong_state` (not Approved). */
  async create(given: EndpointConfig, who: string, keepBeside?: KeptBeside): Promise<EndpointView> {
    this.#changes.check(given);
    await this.#changes.checkCapture(given.capture);
    return this.#change(given.name, { who, action: 'CreateEndpoint', event: 'endpoint.created' }, async (tx, before) => {
      if (before !== undefined) throw alreadyExists(before);
      return this.#changes.created(tx, given, keepBeside);
    });
  }

  /**
   * Takes the given fields; the others stay. What is served goes on until the new is ready. A change that changes
   * nothing is fine. With a guard it is watched, and taken back where it does not do well. Throws as `create`, and
   * `wrong_state` while it is being deleted, or where an alarm of the guard rings.
   */
  async update(
    name: string,
    change: EndpointChange,
    who: string,
    keepBeside?: KeptBeside,
    guard: Guard | null = null,
  ): Promise<EndpointView> {
    await this.#changes.checkCapture(change.capture);
    return this.#change(name, { who, action: 'UpdateEndpoint', event: 'endpoint.changed' }, (tx, before) =>
      this.#changes.changed(tx, existing(name, before), change, { guard, keepBeside }),
    );
  }

  /**
   * Takes an update under way back; where none is, serves the versions again that were in full service before those of now, each time
   * further back. The other settings stay. Throws `not_found`, and `wrong_state` where none is left.
   */
  async rollBack(name: string, who: string): Promise<EndpointView> {
    const view = this.get(name);
    if (isUnderWay(view.rollout)) {
      await this.rollouts.takeBack(view, who);
      return this.get(name);
    }
    const deed: Doing = { who, action: 'RollBackEndpoint', event: 'endpoint.changed', rollbackReason: askedByHand };
    return this.#change(name, deed, (tx, before) => this.#changes.rolledBack(tx, existing(name, before)));
  }

  /**
   * How a variant scales from now on; with null it does so no more and keeps what instances it has. Nothing is rolled out for
   * it, so it is no new generation, and the endpoint stays in service. Throws as `update`, `not_found` for the variant too.
   */
  async setScaling(
    name: string,
    variant: string,
    scaling: ScalingConfig | null,
    who: string,
    keepBeside?: KeptBeside,
  ): Promise<EndpointView> {
    const deed: Doing = { who, action: 'UpdateScaling', event: 'endpoint.changed' };
    return this.#recount(name, variant, deed, (tx, before) => this.#changes.rescaled(tx, before, { variant, scaling, keepBeside }));
  }

  /**
   * Somebody wants so many instances of a variant that scales, from now on: `scale` says what becomes of them. Throws as `update`, `not_found`
   * for the variant too, `wrong_state` where it does not scale.
   */
  async setCount(name: string, variant: string, instances: number, who: string): Promise<EndpointView> {
    const asked = { variant, instances };
    const deed: Doing = { who, action: 'UpdateEndpoint', event: 'endpoint.changed', asked };
    return this.#recount(name, variant, deed, (tx, before) => this.#changes.counted(tx, before, asked));
  }

  /**
   * The load has it that so many instances are wanted of a variant that scales, from now on and after a restart; where there are more, `leaving` go
   * first. It is no change of the config. Answers how many the config allows of it; null where it does not scale (any more).
   */
  async scale(name: string, variant: string, count: number, leaving: readonly string[] = []): Promise<number | null> {
    const { db, clock } = this.#options;
    const allowed = await inTransaction(db, async (tx) => {
      const stored = await lockRow(tx, name);
      const config = stored?.config.variants.find((each) => keyOf(each.name) === keyOf(variant));
      if (config?.scaling === undefined) return null;
      const instances = wantedInstances(config, count);
      await writeCount(tx, { endpoint: name, variant, instances, atMs: clock.wallMs() });
      return instances;
    });
    if (allowed !== null) this.#reconcilers.get(keyOf(name))?.scale(variant, allowed, leaving);
    return allowed;
  }

  /** In any state; again is fine. Requests under way are answered first. Throws `not_found`. */
  async remove(name: string, who: string): Promise<void> {
    await this.#wish(name, 'Deleted', { who, action: 'DeleteEndpoint', event: 'endpoint.delete-requested' });
  }

  /**
   * Serves again what was unloaded; what is loaded is loaded anew, its workers replaced one by one while it serves.
   * Throws `not_found`, `wrong_state` while it is being deleted.
   */
  async load(name: string, who: string): Promise<EndpointView> {
    const reconciler = this.#reconcilers.get(keyOf(name));
    const deed: Doing = { who, action: 'LoadEndpoint', event: 'endpoint.load-requested' };
    return reconciler?.endpoint.state === 'InService' ? this.#reload(reconciler, deed) : this.#wish(name, 'InService', deed);
  }

  /** Stops its workers and keeps its config. Throws `not_found`, `wrong_state` while it is being deleted. */
  async unload(name: string, who: string): Promise<EndpointView> {
    return this.#wish(name, 'Unloaded', { who, action: 'UnloadEndpoint', event: 'endpoint.unload-requested' });
  }

  /** Throws `not_found`. */
  get(name: string): EndpointView {
    const reconciler = this.#reconcilers.get(keyOf(name));
    if (reconciler === undefined) throw noEndpoint(name);
    return this.#viewOf(reconciler);
  }

  /** By name. */
  list(): readonly EndpointView[] {
    const keys = [...this.#reconcilers.keys()].sort();
    return keys.map((key) => this.#viewOf(this.#reconcilers.get(key) as EndpointReconciler));
  }

  /**
   * Resolves when the endpoint is InService, Failed or Unloaded: at once if it is. Throws `not_found` if there is none
   * or it is deleted meanwhile, `deadline_exceeded` after `timeoutMs`.
   */
  waitFor(name: string, timeoutMs: number): Promise<EndpointView> {
    return settled(this, name, this.#options.clock, timeoutMs);
  }

  /** Told at every change of an endpoint's status or its reason. The answer ends it. */
  onChange(listener: (view: EndpointView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Told when an endpoint is served anew, also where its status stays. The answer ends it. */
  onServed(listener: () => void): () => void {
    this.#servedListeners.add(listener);
    return () => this.#servedListeners.delete(listener);
  }

  /** Told the name of each endpoint of which nothing is left. The answer ends it. */
  onGone(listener: (name: string) => void): () => void {
    this.#goneListeners.add(listener);
    return () => this.#goneListeners.delete(listener);
  }

  /**
   * The endpoints that a version is needed for: that are to serve it, or still do. For the registry, which asks before
   * it deletes one, within its transaction.
   */
  async usersOf(group: string, version: number, tx: Transaction): Promise<readonly string[]> {
    const users = new Set<string>();
    const isIt = (variant: VariantConfig) => keyOf(variant.group) === keyOf(group) && variant.version === version;
    for (const { config, rollout } of await readRows(tx)) {
      if ([...config.variants, ...(rollout?.before.variants ?? [])].some(isIt)) users.add(config.name);
    }
    const model = `${keyOf(group)}/${version}`;
    for (const reconciler of this.#reconcilers.values()) {
      if (reconciler.workers.some(({ spec }) => keyOf(spec.modelName) === model)) users.add(reconciler.endpoint.config.name);
    }
    return [...users];
  }

  /** A group is deleted: for the registry, within its transaction; it calls what this answers once that is committed. */
  forgetGroup(group: string, tx: Transaction): Promise<() => void> {
    return this.#kept.forgetGroup(group, tx);
  }

  /**
   * A function for a serverless variant: its name, at once. It is attached when it is ready, or serving is told that it
   * failed; neither before this returns. It is ended by `stopFunction`, or drained when its endpoint no longer wants it.
   */
  startFunction(wish: FunctionWish): string {
    const reconciler = this.#reconcilers.get(keyOf(wish.endpoint));
    assert(reconciler !== undefined, 'an endpoint has its functions for as long as it is there');
    return reconciler.startFunction(wish);
  }

  /** Ends it in the background; it must run nothing any more. Unknown ids are fine. */
  stopFunction(id: string): void {
    this.#reconcilers.get(id.slice(0, id.indexOf('.')))?.stopFunction(id);
  }

  async #reload(reconciler: EndpointReconciler, { who, action, event }: Doing): Promise<EndpointView> {
    const { db, audit, events } = this.#options;
    const { generation, config } = reconciler.endpoint;
    const recorded = await inTransaction(db, async (tx) => {
      await audit.record(tx, { who, action, target: config.name, outcome: 'ok', detail: { generation, config } });
      return events.record(tx, { kind: event, subject: config.name, detail: { generation, config } });
    });
    events.publish(recorded);
    reconciler.reload();
    return this.get(config.name);
  }

  async #wish(name: string, state: Desired['state'], record: Doing): Promise<EndpointView> {
    return this.#change(name, record, async (tx, before) => {
      if (before?.state === state) return null;
      return this.#changes.inState(tx, existing(name, before), state);
    });
  }

  /** A change after which another number of instances may be wanted of a variant; with the number null it scales no more. */
  async #recount(
    name: string,
    variant: string,
    deed: Doing,
    decide: (
      tx: Transaction,
      before: StoredEndpoint,
    ) => Promise<{ readonly endpoint: DesiredEndpoint; readonly count: number | null } | null>,
  ): Promise<EndpointView> {
    let count: number | null = null;
    const view = await this.#change(name, deed, async (tx, before) => {
      const changed = await decide(tx, existing(name, before));
      count = changed?.count ?? null;
      return changed?.endpoint ?? null;
    });
    if (count === null) return view;
    this.#reconcilers.get(keyOf(name))?.scale(variant, count, []);
    return this.get(name);
  }

  /**
   * One change of what is wanted: row, audit entry and event together, then the reconciler is told. `decide` returns
   * null where there is nothing to change.
   */
  async #change(
    name: string,
    deed: Doing,
    decide: (tx: Transaction, before: StoredEndpoint | undefined) => Promise<DesiredEndpoint | null>,
  ): Promise<EndpointView> {
    const { db, audit, events } = this.#options;
    await this.#recording; // so that events stand in the order in which things happened
    const changed = await inTransaction(db, async (tx) => {
      const before = await lockRow(tx, name);
      const counts = await readCounts(tx);
      const wanted = await decide(tx, before);
      if (wanted === null) return null;
      const subject = wanted.config.name;
      const detail = { ...changeDetail(before, wanted, deed.rollbackReason), ...deed.asked };
      await audit.record(tx, { who: deed.who, action: deed.action, target: subject, outcome: 'ok', detail });
      const told = [await events.record(tx, { kind: deed.event, subject, detail })];
      const reconciler = this.#reconcilers.get(keyOf(name));
      const versions = reconciler === undefined ? [] : this.rollouts.versionsOf(reconciler);
      // Of instances those that are wanted tell, not those of a config whose number follows the load.
      const old = before && asWanted(before, counts);
      for (const event of changeEvents(old, asWanted(wanted, await readCounts(tx)), versions, deed))
        told.push(await events.record(tx, event));
      return { wanted, told, isNew: wanted.generation !== before?.generation };
    }).catch((error: unknown) => {
      throw isUniqueViolation(error) ? new PlatformError('already_exists', `there is an endpoint '${name}' already`) : error;
    });
    if (changed !== null) {
      for (const event of changed.told) events.publish(event);
      if (changed.isNew) this.#kept.asked(changed.wanted, deed.who);
      this.#want(changed.wanted);
    }
    return this.get(name);
  }

  #viewOf(reconciler: EndpointReconciler): EndpointView {
    return viewOf(reconciler, this.#options, {
      rolloutVersions: this.rollouts.versionsOf(reconciler),
      objectiveSinceMs: this.#objectives.sinceMs(reconciler.endpoint),
    });
  }

  #want(endpoint: DesiredEndpoint): void {
    const reconciler = this.#reconcilers.get(keyOf(endpoint.config.name));
    if (reconciler === undefined) this.#newReconciler(endpoint).kick();
    else reconciler.wish(endpoint);
  }

  #newReconciler(endpoint: DesiredEndpoint, counts?: ScaledCounts): EndpointReconciler {
    const { name } = endpoint.config;
    const needs = {
      ...this.#options,
      artifactPath: (version: ModelVersion) => this.#options.registry.artifactPath(version),
      erase: () => this.#erase(name),
      onServed: (served: DesiredEndpoint) => this.#isServed(served),
      onStatus: (status: StatusAndReason, before: StatusAndReason | null) => this.#tell(reconciler, status, before),
    };
    const reconciler: EndpointReconciler = new EndpointReconciler(endpoint, needs, counts);
    this.#reconcilers.set(keyOf(name), reconciler);
    return reconciler;
  }

  async #erase(name: string): Promise<void> {
    const { db, events } = this.#options;
    await this.#recording;
    const event = await inTransaction(db, async (tx) => {
      await deleteRow(tx, name);
      return events.record(tx, { kind: 'endpoint.deleted', subject: name, detail: {} });
    });
    this.#reconcilers.delete(keyOf(name));
    this.rollouts.forget(name);
    this.#kept.forget(name);
    this.#told.forget(name);
    this.#objectives.forget(name);
    events.publish(event);
    for (const listener of this.#goneListeners) listener(name);
  }

  /** Measured only now that it serves: that takes time that a start should have. */
  #isServed(endpoint: DesiredEndpoint): void {
    const { profiles, functionProfiles, clock } = this.#options;
    const atMs = clock.wallMs();
    const { config, versions, rollout } = endpoint;
    if (!isUnderWay(rollout)) this.#recording = this.#recording.then(() => this.#kept.keep(endpoint));
    this.#recording = this.#recording.then(() => this.#told.served(endpoint)).then(() => this.#objectives.served(endpoint, atMs));
    for (const [index, { functions, instanceCount, instanceType: type }] of config.variants.entries()) {
      const version = versions[index] as ModelVersion;
      if (instanceCount > 0) profiles.measureInBackground(version, `instance:${type}`);
      if (functions !== undefined) functionProfiles.measureInBackground(version);
    }
    for (const listener of this.#servedListeners) listener();
  }

  #tell(reconciler: EndpointReconciler, now: StatusAndReason, before: StatusAndReason | null): void {
    const { endpoint, servedGeneration } = reconciler;
    const view = this.#viewOf(reconciler);
    if (before?.status !== now.status) {
      const { config, generation } = endpoint;
      this.#options.log.info({ endpoint: config.name, ...now, generation }, 'the status of an endpoint changed');
      this.#recording = this.#recording.then(() => this.#told.tell(endpoint, now, servedGeneration !== null));
    }
    for (const listener of this.#listeners) listener(view);
  }

  #lookLater(): void {
    this.#stopLooking = this.#options.clock.after(lookEveryMs, () => {
      for (const reconciler of this.#reconcilers.values()) {
        reconciler.kick();
        this.rollouts.look(reconciler);
      }
      this.#lookLater();
    });
  }
}

function asWanted<T extends { readonly config: EndpointConfig }>(endpoint: T, counts: ReadonlyMap<string, ScaledCounts>): T {
  return { ...endpoint, config: withWanted(endpoint.config, counts.get(keyOf(endpoint.config.name))) };
}
