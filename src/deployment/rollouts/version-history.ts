/**
 * The versions that an endpoint served, for rollbacks, and its rolled-back versions, to prevent unintended redeploys. Stored
 * and deleted with the endpoint. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { nameKey } from '../../names.ts';
import { type EndpointConfig, modelsOf, productionVariants, type VariantConfig } from '../config/endpoint-config.ts';

/** Which version was rolled back, when and why. */
export interface RolledBackRecord {
  /** Such as `digits/4`. */
  readonly model: string;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** With its settings; older servers stored only the variants. */
export type RetainedConfig = EndpointConfig | (Pick<EndpointConfig, 'variants'> & { readonly late?: never });

/** Bounded: the oldest entries are dropped. */
export interface VersionHistory {
  /** Each config that received all requests and was not rolled back, the latest last. The name is part of the stored format. */
  readonly kept: readonly RetainedConfig[];
  /** The latest last. */
  readonly rolledBack: readonly RolledBackRecord[];
}

/** Of an endpoint that has not served yet. */
export const emptyHistory: VersionHistory = { kept: [], rolledBack: [] };

const retainedMax = 50;
const rolledBackMax = 100;

/**
 * Adds a config that receives all requests and is no longer monitored. Its versions no longer count as rolled back, because
 * deploying them again was intentional.
 */
export function withRetained(history: VersionHistory, config: RetainedConfig): VersionHistory {
  const { kept, rolledBack } = history;
  const { variants } = config;
  const models = modelsOf({ variants });
  const others = rolledBack.filter(({ model }) => !models.includes(model));
  const before = isNewest(history, variants) ? kept.slice(0, -1) : kept;
  const next = { kept: [...before, config].slice(-retainedMax), rolledBack: others };
  return isDeepStrictEqual(next, history) ? history : next;
}

/** Whether these are the versions retained last, with any settings. */
export function isNewest({ kept }: VersionHistory, variants: readonly VariantConfig[]): boolean {
  const last = kept.at(-1);
  return last !== undefined && isSameVersions(last.variants, variants);
}

/** Marks versions as rolled back. Configs with any of these versions are no longer rollback targets. */
export function withRolledBack(
  { kept, rolledBack }: VersionHistory,
  models: readonly string[],
  why: Pick<RolledBackRecord, 'reason' | 'atMs'>,
): VersionHistory {
  const others = rolledBack.filter(({ model }) => !models.includes(model));
  return {
    kept: kept.filter((config) => !modelsOf(config).some((model) => models.includes(model))),
    rolledBack: [...others, ...models.map((model) => ({ model, ...why }))].slice(-rolledBackMax),
  };
}

/** Removes the versions of a deleted group, because a later group of its name has other versions. */
export function withoutGroup(history: VersionHistory, group: string): VersionHistory {
  const isOfGroup = (model: string) => nameKey(model).startsWith(`${nameKey(group)}/`);
  const retained = history.kept.filter((config) => !modelsOf(config).some(isOfGroup));
  const rolledBack = history.rolledBack.filter(({ model }) => !isOfGroup(model));
  const isSame = retained.length === history.kept.length && rolledBack.length === history.rolledBack.length;
  return isSame ? history : { kept: retained, rolledBack };
}

/** The configs in full service before `now`, the latest first. */
export function configsBefore({ kept }: VersionHistory, now: readonly VariantConfig[]): readonly RetainedConfig[] {
  return kept.filter(({ variants }) => !isSameVersions(variants, now)).toReversed();
}

interface RollbackDetail extends Pick<RolledBackRecord, 'reason' | 'atMs'> {
  readonly now: readonly VariantConfig[];
  /** One of `kept`. */
  readonly to: RetainedConfig;
}

/** Removes the later configs: the next rollback goes further back. */
export function afterRollback(history: VersionHistory, { now, to, ...why }: RollbackDetail): VersionHistory {
  const retained = history.kept.slice(0, history.kept.findLastIndex(({ variants }) => isSameVersions(variants, to.variants)) + 1);
  return withRolledBack({ ...history, kept: retained }, newModels(now, to.variants), why);
}

/** The config in effect when these versions last received all requests; unknown settings are as in `now`. Null if they never did. */
export function servedLast({ kept }: VersionHistory, now: EndpointConfig): EndpointConfig | null {
  const last = kept.findLast(({ variants }) => isSameVersions(variants, now.variants));
  if (last === undefined) return null;
  return last.late === undefined ? { ...now, variants: last.variants } : last;
}

/** The versions in `now` that are not in `before`; an update of settings only has none. */
export function newModels(now: readonly VariantConfig[], before: readonly VariantConfig[]): string[] {
  const old = modelsOf({ variants: before });
  return modelsOf({ variants: now }).filter((model) => !old.includes(model));
}

/** Order and variant names are settings, so they are ignored. But variants of the same names that swap their versions differ. */
function isSameVersions(one: readonly VariantConfig[], other: readonly VariantConfig[]): boolean {
  const [models, others] = [one, other].map((variants) => modelsOf({ variants }).toSorted().join());
  if (models !== others) return false;
  const before = new Map(one.map((variant) => [nameKey(variant.name), modelOf(variant)]));
  return productionVariants(other).every((variant) => (before.get(nameKey(variant.name)) ?? modelOf(variant)) === modelOf(variant));
}

function modelOf({ group, version }: VariantConfig): string {
  return `${group}/${version}`;
}
