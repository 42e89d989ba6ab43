/**
 * Which versions an endpoint served, so that it may go back to them, and which it took back, so that nobody gets one of them unasked. It is
 * stored with the endpoint, and gone with it. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../registry/index.ts';
import { type EndpointConfig, modelsOf, type VariantConfig } from './endpoint-config.ts';

export interface TakenBackVersion {
  /** Such as `digits/4`. */
  readonly model: string;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** With its settings; an older server kept the variants alone. */
export type KeptConfig = EndpointConfig | (Pick<EndpointConfig, 'variants'> & { readonly late?: never });

export interface VersionHistory {
  /** Each config that had all requests and was kept, the latest last. */
  readonly kept: readonly KeptConfig[];
  /** The latest last. */
  readonly takenBack: readonly TakenBackVersion[];
}

export const nothingServed: VersionHistory = { kept: [], takenBack: [] };

const keptMost = 50;
const takenBackMost = 100;

/** These have all requests, and nobody watches them any more: whoever deployed one that was taken back meant it. */
export function withKept(history: VersionHistory, config: KeptConfig): VersionHistory {
  const { kept, takenBack } = history;
  const { variants } = config;
  const models = modelsOf({ variants });
  const others = takenBack.filter(({ model }) => !models.includes(model));
  const before = isNewest(history, variants) ? kept.slice(0, -1) : kept;
  const next = { kept: [...before, config].slice(-keptMost), takenBack: others };
  return isDeepStrictEqual(next, history) ? history : next;
}

/** Whether these versions were the last to be kept, with whatever settings. */
export function isNewest({ kept }: VersionHistory, variants: readonly VariantConfig[]): boolean {
  const last = kept.at(-1);
  return last !== undefined && isSameVersions(last.variants, variants);
}

export function withTakenBack(
  { kept, takenBack }: VersionHistory,
  models: readonly string[],
  why: Pick<TakenBackVersion, 'reason' | 'atMs'>,
): VersionHistory {
  const others = takenBack.filter(({ model }) => !models.includes(model));
  return {
    kept: kept.filter((config) => !modelsOf(config).some((model) => models.includes(model))),
    takenBack: [...others, ...models.map((model) => ({ model, ...why }))].slice(-takenBackMost),
  };
}

/** The group was deleted: one that comes later under its name has other versions. */
export function withoutGroup(history: VersionHistory, group: string): VersionHistory {
  const isOfGroup = (model: string) => keyOf(model).startsWith(`${keyOf(group)}/`);
  const kept = history.kept.filter((config) => !modelsOf(config).some(isOfGroup));
  const takenBack = history.takenBack.filter(({ model }) => !isOfGroup(model));
  const isSame = kept.length === history.kept.length && takenBack.length === history.takenBack.length;
  return isSame ? history : { kept, takenBack };
}

/** What was in full service before `now`, the latest first. */
export function earlierThan({ kept }: VersionHistory, now: readonly VariantConfig[]): readonly KeptConfig[] {
  return kept.filter(({ variants }) => !isSameVersions(variants, now)).toReversed();
}

interface GoingBack extends Pick<TakenBackVersion, 'reason' | 'atMs'> {
  readonly now: readonly VariantConfig[];
  /** One of `kept`. */
  readonly to: KeptConfig;
}

/** What came after it is no version before: the next time it is gone further back. */
export function goneBack(history: VersionHistory, { now, to, ...why }: GoingBack): VersionHistory {
  const kept = history.kept.slice(0, history.kept.findLastIndex(({ variants }) => isSameVersions(variants, to.variants)) + 1);
  return withTakenBack({ ...history, kept }, newModels(now, to.variants), why);
}

/** With which settings these versions had all requests last, as far as it is known: what is not is as in `now`. Null where they never had. */
export function servedLast({ kept }: VersionHistory, now: EndpointConfig): EndpointConfig | null {
  const last = kept.findLast(({ variants }) => isSameVersions(variants, now.variants));
  if (last === undefined) return null;
  return last.late === undefined ? { ...now, variants: last.variants } : last;
}

/** The versions that `now` has and `before` has not; an update of its settings alone brings none. */
export function newModels(now: readonly VariantConfig[], before: readonly VariantConfig[]): string[] {
  const old = modelsOf({ variants: before });
  return modelsOf({ variants: now }).filter((model) => !old.includes(model));
}

/** In whatever order and under whatever names: those are settings. But where variants swap their versions, each serves another than before. */
function isSameVersions(one: readonly VariantConfig[], other: readonly VariantConfig[]): boolean {
  const [models, others] = [one, other].map((variants) => modelsOf({ variants }).toSorted().join());
  if (models !== others) return false;
  const before = new Map(one.map((variant) => [keyOf(variant.name), modelOf(variant)]));
  return other.every((variant) => (before.get(keyOf(variant.name)) ?? modelOf(variant)) === modelOf(variant));
}

function modelOf({ group, version }: VariantConfig): string {
  return `${group}/${version}`;
}
