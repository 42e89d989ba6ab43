/**
 * Computes and writes the new row of an endpoint within the caller's transaction. The caller adds audit records and events,
 * and triggers the reconciler.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { instanceType, type PriceTable } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import { type Registry } from '../registry/index.ts';
import type { Transaction } from '../storage/index.ts';
import { withModels, withVersions } from './config/config-versions.ts';
import { checkConfig, type EndpointConfig, type VariantConfig, withCounts } from './config/endpoint-config.ts';
import { desiredInstances, type ScalingConfig } from './config/scaling-config.ts';
import { changedBy, type EndpointChange } from './config/variant-change.ts';
import { deleteOtherCounts, readCounts, writeCount } from './counts/scaled-rows.ts';
import { insertEndpointRow, type StoredEndpoint, updateEndpointRow } from './endpoint-rows.ts';
import type { DesiredEndpoint } from './reconcile/desired.ts';
import type { DesiredState } from './reconcile/plan.ts';
import { versionsBefore } from './rollouts/roll-back.ts';
import { checkGuard, type RolloutGuard } from './rollouts/rollout.ts';
import { newRollout, type Rollouts } from './rollouts/rollouts.ts';
import { emptyHistory } from './rollouts/version-history.ts';
import type { TransactionHook } from './transaction-hook.ts';

/** What a change is checked against. Checks throw before anything is written. */
export interface EndpointChangesDeps {
  readonly clock: Clock;
  readonly registry: Registry;
  readonly prices: PriceTable;
  /** Throws `invalid_request` for an invalid capture destination. */
  readonly checkCaptureDestination?: (to: string) => Promise<void>;
  /** Throws `invalid_request` for an unknown scaling policy. */
  readonly checkPolicy?: (policy: string, limits: ScalingConfig) => void;
  readonly alarmState: Rollouts['alarmState'];
}

interface ChangeHooks {
  readonly inTransaction?: TransactionHook | undefined;
}

/** Holds no state of endpoints: everything is read from and written to the transaction of the caller. */
export class EndpointChanges {
  readonly #deps: EndpointChangesDeps;

  constructor(deps: EndpointChangesDeps) {
    this.#deps = deps;
  }

  /** Returns the config. Throws `invalid_request`. */
  check(config: EndpointConfig): EndpointConfig {
    checkConfig(config, this.#deps.prices.functions.memoryMiB);
    for (const { instanceType: type, scaling } of config.variants) {
      instanceType(this.#deps.prices, type);
      if (scaling !== undefined) this.#deps.checkPolicy?.(scaling.policy, scaling);
    }
    return config;
  }

  /** Throws `invalid_request`. */
  async checkCapture(capture: EndpointConfig['capture']): Promise<void> {
    if (capture !== null && capture !== undefined && capture.percent > 0) await this.#deps.checkCaptureDestination?.(capture.to);
  }

  /** Creates an endpoint from a checked config. Throws `not_found` (a version), `wrong_state` (not Approved). */
  async created(tx: Transaction, provided: EndpointConfig, hook?: TransactionHook): Promise<DesiredEndpoint> {
    const { config, versions } = await withVersions(this.#deps, tx, provided, []);
    const atMs = this.#deps.clock.wallMs();
    const endpoint = {
      config,
      versions,
      generation: 1,
      state: 'InService',
      createdAtMs: atMs,
      updatedAtMs: atMs,
      rollout: null,
      versionsBefore: [],
      history: emptyHistory,
    } as const;
    await insertEndpointRow(tx, endpoint);
    await hook?.(tx, endpoint);
    return withModels(this.#deps.registry, endpoint, tx, versions);
  }

  /** Applies a change of the config; null if it has no effect. Throws like `created`, and `invalid_request`. */
  async changed(
    tx: Transaction,
    stored: StoredEndpoint,
    change: EndpointChange,
    { guard, inTransaction }: { readonly guard: RolloutGuard | null } & ChangeHooks,
  ): Promise<DesiredEndpoint | null> {
    const { registry, clock, alarmState } = this.#deps;
    const provided = this.check(changedBy(change, stored.config));
    if (guard !== null) checkGuard(guard, provided, alarmState);
    const { config, versions } = await withVersions(this.#deps, tx, provided, stored.config.variants);
    const generation = isDeepStrictEqual(config, stored.config) ? stored.generation : stored.generation + 1;
    await inTransaction?.(tx, { config, generation }, stored.config);
    if (generation === stored.generation) return null;
    await deleteOtherCounts(tx, config.name, scaledNames(config));
    const rollout = newRollout(stored, guard, clock.wallMs());
    return this.#store(tx, await withModels(registry, { ...stored, config, generation, rollout }, tx, versions));
  }

  /** Returns to the previous versions in full service. Throws `wrong_state` if no earlier version is left. */
  async rolledBack(tx: Transaction, stored: StoredEndpoint): Promise<DesiredEndpoint | null> {
    const { registry, clock } = this.#deps;
    const { variants, history } = await versionsBefore(stored, registry, tx, clock.wallMs());
    return this.changed(tx, { ...stored, history }, { variants }, { guard: null });
  }

  /**
   * Sets or removes the scaling of a variant and returns its number of instances; null if nothing changes. Creates no new
   * generation. Throws like `changed`, and `not_found` for the variant.
   */
  async rescaled(
    tx: Transaction,
    stored: StoredEndpoint,
    { variant, scaling, inTransaction }: { readonly variant: string; readonly scaling: ScalingConfig | null } & ChangeHooks,
  ): Promise<{ readonly endpoint: DesiredEndpoint; readonly count: number | null } | null> {
    const { registry, clock } = this.#deps;
    const { name } = stored.config;
    const old = variantOf(stored.config, variant);
    const wanted = desiredInstances(old, (await readCounts(tx)).get(nameKey(name))?.get(nameKey(variant)));
    const next = withCounts(old, scaling, wanted);
    const variants = stored.config.variants.map((each) => (each === old ? next : each));
    const provided = this.check({ ...stored.config, variants });
    const { config, versions } = await withVersions(this.#deps, tx, provided, stored.config.variants);
    await inTransaction?.(tx, { config, generation: stored.generation });
    if (isDeepStrictEqual(config, stored.config)) return null;
    await deleteOtherCounts(tx, name, scaledNames(config));
    // The current number stays, even if the limits were widened.
    const count = scaling === null ? null : desiredInstances(next, wanted);
    if (count !== null) await writeCount(tx, { endpoint: name, variant, instances: count, atMs: clock.wallMs() });
    return { endpoint: await this.#store(tx, await withModels(registry, { ...stored, config }, tx, versions)), count };
  }

  /**
   * Sets the number of instances of a scaling variant, within its limits; null if it is unchanged. Throws `not_found` for the
   * variant, `wrong_state` if it does not scale.
   */
  async counted(
    tx: Transaction,
    stored: StoredEndpoint,
    { variant, instances }: { readonly variant: string; readonly instances: number },
  ): Promise<{ readonly endpoint: DesiredEndpoint; readonly count: number } | null> {
    const { name } = stored.config;
    const config = variantOf(stored.config, variant);
    if (config.scaling === undefined) {
      throw new PlatformError('wrong_state', `${config.name} of endpoint ${name} does not scale: update its number of instances`);
    }
    const count = desiredInstances(config, instances);
    if (count === desiredInstances(config, (await readCounts(tx)).get(nameKey(name))?.get(nameKey(variant)))) return null;
    await writeCount(tx, { endpoint: name, variant, instances: count, atMs: this.#deps.clock.wallMs() });
    return { endpoint: await this.#store(tx, await withModels(this.#deps.registry, stored, tx)), count };
  }

  /** Sets the desired state and ends any update in progress. */
  async inState(tx: Transaction, stored: StoredEndpoint, state: DesiredState['state']): Promise<DesiredEndpoint> {
    return this.#store(tx, await withModels(this.#deps.registry, { ...stored, state, rollout: null }, tx));
  }

  async #store(tx: Transaction, endpoint: DesiredEndpoint): Promise<DesiredEndpoint> {
    const updated = { ...endpoint, updatedAtMs: this.#deps.clock.wallMs() };
    await updateEndpointRow(tx, updated);
    return updated;
  }
}

/** Throws `not_found`. */
function variantOf({ name, variants }: EndpointConfig, variant: string): VariantConfig {
  const found = variants.find((each) => nameKey(each.name) === nameKey(variant));
  if (found === undefined) throw new PlatformError('not_found', `endpoint ${name} has no variant '${variant}'`);
  return found;
}

/** Names of scaling variants, whose number of instances is stored separately. */
function scaledNames({ variants }: EndpointConfig): string[] {
  return variants.filter(({ scaling }) => scaling !== undefined).map(({ name }) => name);
}
