/**
 * What a call makes of an endpoint's row: decided by what is there, and written, within the caller's transaction. The caller adds
 * audit entry and events, and has it brought about.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { instanceType, type PriceTable } from '../costs/index.ts';
import { PlatformError } from '../errors.ts';
import { keyOf, type Registry } from '../registry/index.ts';
import type { Transaction } from '../storage/index.ts';
import { withModels, withVersions } from './config-versions.ts';
import type { DesiredEndpoint } from './desired.ts';
import { changedBy, checkConfig, type EndpointChange, type EndpointConfig, scaledBy, type VariantConfig } from './endpoint-config.ts';
import { insertRow, type StoredEndpoint, updateRow } from './endpoint-rows.ts';
import type { KeptBeside } from './kept-beside.ts';
import type { Desired } from './plan.ts';
import { versionsBefore } from './roll-back.ts';
import { checkGuard, type Guard } from './rollout.ts';
import { newRollout, type Rollouts } from './rollouts.ts';
import { keepCounts, readCounts, writeCount } from './scaled-rows.ts';
import { type ScalingConfig, wantedInstances } from './scaling-config.ts';
import { nothingServed } from './version-history.ts';

export interface EndpointChangesNeeds {
  readonly clock: Clock;
  readonly registry: Registry;
  readonly prices: PriceTable;
  /** Throws `invalid_request` for a place that captured calls cannot go to. */
  readonly checkCapturePlace?: (to: string) => Promise<void>;
  /** Throws `invalid_request` for a scaling policy that nobody knows. */
  readonly checkPolicy?: (policy: string, limits: ScalingConfig) => void;
  readonly alarmState: Rollouts['alarmState'];
}

interface Beside {
  readonly keepBeside?: KeptBeside | undefined;
}

export class EndpointChanges {
  readonly #needs: EndpointChangesNeeds;

  constructor(needs: EndpointChangesNeeds) {
    this.#needs = needs;
  }

  /** The same config. Throws `invalid_request`. */
  check(config: EndpointConfig): EndpointConfig {
    checkConfig(config, this.#needs.prices.functions.memoryMiB);
    for (const { instanceType: type, scaling } of config.variants) {
      instanceType(this.#needs.prices, type);
      if (scaling !== undefined) this.#needs.checkPolicy?.(scaling.policy, scaling);
    }
    return config;
  }

  /** Throws `invalid_request`. */
  async checkCapture(capture: EndpointConfig['capture']): Promise<void> {
    if (capture !== null && capture !== undefined && capture.percent > 0) await this.#needs.checkCapturePlace?.(capture.to);
  }

  /** Of a config that is checked. Throws `not_found` (a version), `wrong_state` (not Approved). */
  async created(tx: Transaction, given: EndpointConfig, keepBeside?: KeptBeside): Promise<DesiredEndpoint> {
    const { config, versions } = await withVersions(this.#needs.registry, tx, given, []);
    const atMs = this.#needs.clock.wallMs();
    const endpoint = {
      config,
      versions,
      generation: 1,
      state: 'InService',
      createdAtMs: atMs,
      updatedAtMs: atMs,
      rollout: null,
      versionsBefore: [],
      history: nothingServed,
    } as const;
    await insertRow(tx, endpoint);
    await keepBeside?.(tx, endpoint);
    return endpoint;
  }

  /** With another config, and what goes with one; null where it is the same. Throws as `created`, `invalid_request` too. */
  async changed(
    tx: Transaction,
    stored: StoredEndpoint,
    change: EndpointChange,
    { guard, keepBeside }: { readonly guard: Guard | null } & Beside,
  ): Promise<DesiredEndpoint | null> {
    const { registry, clock, alarmState } = this.#needs;
    const given = this.check(changedBy(change, stored.config));
    if (guard !== null) checkGuard(guard, given, alarmState);
    const { config, versions } = await withVersions(registry, tx, given, stored.config.variants);
    const generation = isDeepStrictEqual(config, stored.config) ? stored.generation : stored.generation + 1;
    await keepBeside?.(tx, { config, generation }, stored.config);
    if (generation === stored.generation) return null;
    await keepCounts(tx, config.name, scaledNames(config));
    const rollout = newRollout(stored, guard, clock.wallMs());
    return this.#store(tx, await withModels(registry, { ...stored, config, generation, rollout }, tx, versions));
  }

  /** With the versions that were in full service before those of now. Throws `wrong_state` where none is left. */
  async rolledBack(tx: Transaction, stored: StoredEndpoint): Promise<DesiredEndpoint | null> {
    const { registry, clock } = this.#needs;
    const { variants, history } = await versionsBefore(stored, registry, tx, clock.wallMs());
    return this.changed(tx, { ...stored, history }, { variants }, { guard: null });
  }

  /**
   * With another way to scale a variant, or none, and how many instances it has by it; null where it is the same. It is no new
   * generation. Throws as `changed`, `not_found` for the variant too.
   */
  async rescaled(
    tx: Transaction,
    stored: StoredEndpoint,
    { variant, scaling, keepBeside }: { readonly variant: string; readonly scaling: ScalingConfig | null } & Beside,
  ): Promise<{ readonly endpoint: DesiredEndpoint; readonly count: number | null } | null> {
    const { registry, clock } = this.#needs;
    const { name } = stored.config;
    const old = variantOf(stored.config, variant);
    const wanted = wantedInstances(old, (await readCounts(tx)).get(keyOf(name))?.get(keyOf(variant)));
    const next = scaledBy(old, scaling, wanted);
    const variants = stored.config.variants.map((each) => (each === old ? next : each));
    const given = this.check({ ...stored.config, variants });
    const { config, versions } = await withVersions(registry, tx, given, stored.config.variants);
    await keepBeside?.(tx, { config, generation: stored.generation });
    if (isDeepStrictEqual(config, stored.config)) return null;
    await keepCounts(tx, name, scaledNames(config));
    // The number stays as it is, also where the limits have become wider again.
    const count = scaling === null ? null : wantedInstances(next, wanted);
    if (count !== null) await writeCount(tx, { endpoint: name, variant, instances: count, atMs: clock.wallMs() });
    return { endpoint: await this.#store(tx, await withModels(registry, { ...stored, config }, tx, versions)), count };
  }

  /**
   * The same config, with so many instances wanted of a variant that scales, within its limits; null where that many are already. Throws
   * `not_found` for the variant, `wrong_state` where it does not scale.
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
    const count = wantedInstances(config, instances);
    if (count === wantedInstances(config, (await readCounts(tx)).get(keyOf(name))?.get(keyOf(variant)))) return null;
    await writeCount(tx, { endpoint: name, variant, instances: count, atMs: this.#needs.clock.wallMs() });
    return { endpoint: await this.#store(tx, await withModels(this.#needs.registry, stored, tx)), count };
  }

  /** To be served, unloaded or deleted; no update of it is under way any more. */
  async inState(tx: Transaction, stored: StoredEndpoint, state: Desired['state']): Promise<DesiredEndpoint> {
    return this.#store(tx, await withModels(this.#needs.registry, { ...stored, state, rollout: null }, tx));
  }

  async #store(tx: Transaction, endpoint: DesiredEndpoint): Promise<DesiredEndpoint> {
    const updated = { ...endpoint, updatedAtMs: this.#needs.clock.wallMs() };
    await updateRow(tx, updated);
    return updated;
  }
}

/** Throws `not_found`. */
function variantOf({ name, variants }: EndpointConfig, variant: string): VariantConfig {
  const found = variants.find((each) => keyOf(each.name) === keyOf(variant));
  if (found === undefined) throw new PlatformError('not_found', `endpoint ${name} has no variant '${variant}'`);
  return found;
}

/** Of those whose number of instances is not in the config. */
function scaledNames({ variants }: EndpointConfig): string[] {
  return variants.filter(({ scaling }) => scaling !== undefined).map(({ name }) => name);
}
