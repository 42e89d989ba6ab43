/** The desired state of an endpoint in three forms: as stored, as input of the plan, and as routing for serving. Pure. */
import { defined } from '../../defined.ts';
import { nameKey } from '../../names.ts';
import { type ModelVersion, multiModelOf } from '../../registry/index.ts';
import type { EndpointConfig, VariantConfig } from '../config/endpoint-config.ts';
import { ladderKey, shadowKey } from '../config/ladder-config.ts';
import { desiredInstances } from '../config/scaling-config.ts';
import { sharesWorkers } from '../config/shared-workers.ts';
import { isUnderWay, type Rollout, rolloutStepOf, sharedVariants } from '../rollouts/rollout.ts';
import type { VersionHistory } from '../rollouts/version-history.ts';
import type { ServedEndpoint } from '../serving-port.ts';
import { type DesiredState, type DesiredVariant, functionType, isSameKind, type PlannedWorkerKind } from './plan.ts';

/** A stored endpoint with the versions that its config names. */
export interface DesiredEndpoint {
  readonly config: EndpointConfig;
  readonly generation: number;
  readonly state: DesiredState['state'];
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** In the order of the variants. */
  readonly versions: readonly ModelVersion[];
  /** The monitored update in progress or rolled back; otherwise null. */
  readonly rollout: Rollout | null;
  /** Versions of the config that a rollback would restore, in the order of its variants. */
  readonly versionsBefore: readonly ModelVersion[];
  /** Versions that ladders load beside those of the variants. Absent: none. */
  readonly ladderVersions?: readonly ModelVersion[];
  readonly history: VersionHistory;
}

/** The decided instance count of a scaling variant. `leaving`: ids of instances to remove first. */
export interface Scaled {
  readonly count: number;
  readonly leaving: readonly string[];
}

/** The input of the plan. During a monitored update it includes the previous variants, which stay until the update is complete. */
export function desiredOf(endpoint: DesiredEndpoint, scaled: ReadonlyMap<string, Scaled>): DesiredState {
  const { state, generation, config, versions, rollout, versionsBefore } = endpoint;
  const wanted = (from: EndpointConfig, models: readonly ModelVersion[]): DesiredVariant[] =>
    from.variants.flatMap((variant, index) => {
      // A shadow that runs on the workers of another variant needs none.
      if (variant.isShadow === true && sharesWorkers(variant, from.variants)) return [];
      return wantedOf(variant, models[index] as ModelVersion, scaled.get(nameKey(variant.name)));
    });
  const variants = wanted(config, versions);
  if (!isUnderWay(rollout)) return { state, generation, variants };
  const retained = wanted(rollout.before, versionsBefore).filter((each) => !variants.some((variant) => isSameKind(variant, each)));
  return { state, generation, variants, retained, share: rolloutStepOf(rollout).share };
}

/** The routing for serving: variants and their weights. */
export function servedOf({ config, generation, versions, rollout, versionsBefore }: DesiredEndpoint): ServedEndpoint {
  const known = new Map([...versions, ...versionsBefore].map((version) => [version.name, version]));
  const share = isUnderWay(rollout) ? rolloutStepOf(rollout).share : 1;
  const variants = isUnderWay(rollout) && share < 1 ? sharedVariants(config, rollout.before, share) : config.variants;
  const modelOf = ({ group, version }: VariantConfig): ModelVersion => known.get(`${group}/${version}`) as ModelVersion;
  return { config, generation, variants: variants.map((variant) => ({ config: variant, version: modelOf(variant) })) };
}

/** The variant of a worker, in the desired config or in the config that a rollback would restore. */
export function configOf({ config, rollout }: DesiredEndpoint, { variant, model, ladder }: PlannedWorkerKind): VariantConfig | undefined {
  const all = [...config.variants, ...(isUnderWay(rollout) ? rollout.before.variants : [])];
  const ofVersion = all.filter((each) => nameKey(each.name) === variant && `${each.group}/${each.version}` === model);
  return ofVersion.find((each) => keyOf(each) === ladder) ?? ofVersion[0];
}

/** Instances, workers on demand (functions, or the models of a multi-model variant), or both. Functions of a variant with instances are planned as a separate desired variant. */
function wantedOf(variant: VariantConfig, version: ModelVersion, scaled: Scaled | undefined): DesiredVariant[] {
  const { name, instanceCount, instanceType, functions, isShadow } = variant;
  const own = defined({ isShadow: isShadow === true ? isShadow : undefined, ladder: keyOf(variant) });
  const named = { name, variant: nameKey(name), model: version.name, ...own };
  const count = desiredInstances(variant, scaled?.count);
  const leaving = scaled === undefined || scaled.leaving.length === 0 ? {} : { leaving: scaled.leaving };
  const instances = { ...named, instanceType, count, isElastic: false, ...leaving };
  const elastic = { ...named, instanceType: functionType, count: 0, isElastic: true };
  const startsOnDemand = functions !== undefined || multiModelOf(version) !== null;
  return [...(instanceCount > 0 ? [instances] : []), ...(startsOnDemand ? [elastic] : [])];
}

function keyOf({ ladder, shadowModel }: VariantConfig): string | undefined {
  return ladder === undefined ? shadowModel && shadowKey(shadowModel) : ladderKey(ladder);
}
