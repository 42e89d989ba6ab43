/** What is wanted of an endpoint: as it is stored, as the plan counts it, as serving routes by it. Pure. */
import { keyOf, type ModelVersion } from '../registry/index.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import { type Desired, functionType, isSameKind, type WantedVariant, type WorkerKind } from './plan.ts';
import { isUnderWay, type Rollout, sharedVariants, stepOf } from './rollout.ts';
import { wantedInstances } from './scaling-config.ts';
import type { ServedEndpoint } from './serving-door.ts';
import type { VersionHistory } from './version-history.ts';

/** What is stored of an endpoint, and the versions its config names. */
export interface DesiredEndpoint {
  readonly config: EndpointConfig;
  readonly generation: number;
  readonly state: Desired['state'];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** In the order of the variants. */
  readonly versions: readonly ModelVersion[];
  /** How an update comes about, or why it was taken back; null where nothing is to be said of that. */
  readonly rollout: Rollout | null;
  /** Of the config that a rollout may go back to, in the order of its variants. */
  readonly versionsBefore: readonly ModelVersion[];
  readonly history: VersionHistory;
}

export interface Scaled {
  readonly count: number;
  readonly leaving: readonly string[];
}

export function desiredOf(endpoint: DesiredEndpoint, scaled: ReadonlyMap<string, Scaled>): Desired {
  const { state, generation, config, versions, rollout, versionsBefore } = endpoint;
  const wanted = (from: EndpointConfig, models: readonly ModelVersion[]): WantedVariant[] =>
    from.variants.flatMap((variant, index) => wantedOf(variant, models[index] as ModelVersion, scaled.get(keyOf(variant.name))));
  const variants = wanted(config, versions);
  if (!isUnderWay(rollout)) return { state, generation, variants };
  const kept = wanted(rollout.before, versionsBefore).filter((each) => !variants.some((variant) => isSameKind(variant, each)));
  return { state, generation, variants, kept, share: stepOf(rollout).share };
}

/** What serving is told: who gets how much of the requests. */
export function servedOf({ config, generation, versions, rollout, versionsBefore }: DesiredEndpoint): ServedEndpoint {
  const known = new Map([...versions, ...versionsBefore].map((version) => [version.name, version]));
  const share = isUnderWay(rollout) ? stepOf(rollout).share : 1;
  const variants = isUnderWay(rollout) && share < 1 ? sharedVariants(config, rollout.before, share) : config.variants;
  const modelOf = ({ group, version }: VariantConfig): ModelVersion => known.get(`${group}/${version}`) as ModelVersion;
  return { config, generation, variants: variants.map((variant) => ({ config: variant, version: modelOf(variant) })) };
}

/** The variant that a worker is for: of the config that is wanted, or of the one that may be gone back to. */
export function configOf({ config, rollout }: DesiredEndpoint, { variant, model }: WorkerKind): VariantConfig | undefined {
  const all = [...config.variants, ...(isUnderWay(rollout) ? rollout.before.variants : [])];
  return all.find((each) => keyOf(each.name) === variant && `${each.group}/${each.version}` === model);
}

/** Instances, functions, or both: functions beside instances are wanted as if they were a variant of their own. */
function wantedOf(variant: VariantConfig, version: ModelVersion, scaled: Scaled | undefined): WantedVariant[] {
  const { name, instanceCount, instanceType, functions } = variant;
  const named = { name, variant: keyOf(name), model: version.name };
  const count = wantedInstances(variant, scaled?.count);
  const leaving = scaled === undefined || scaled.leaving.length === 0 ? {} : { leaving: scaled.leaving };
  const instances = { ...named, instanceType, count, isElastic: false, ...leaving };
  const elastic = { ...named, instanceType: functionType, count: 0, isElastic: true };
  return [...(instanceCount > 0 ? [instances] : []), ...(functions === undefined ? [] : [elastic])];
}
