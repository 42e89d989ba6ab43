/** Resolves the model versions of a config. */
import type { PriceTable } from '../../costs/index.ts';
import { nameKey } from '../../names.ts';
import { type ModelVersion, multiModelOf, type Registry } from '../../registry/index.ts';
import type { Transaction } from '../../storage/index.ts';
import { modelNotBatchable, multiModelWithFunctions, versionNotApproved } from '../deployment-errors.ts';
import type { StoredEndpoint } from '../endpoint-rows.ts';
import type { DesiredEndpoint } from '../reconcile/desired.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import { versionIn } from './ladder-config.ts';
import { withSharedWorkers } from './shared-workers.ts';

type Versions = Pick<Registry, 'version'>;

/** The config with group names in their registered spelling, the model of a shadow where it shares workers, and the versions. Versions new to the endpoint must be Approved. */
export async function withVersions(
  { registry, prices }: { readonly registry: Versions; readonly prices: PriceTable },
  tx: Transaction,
  config: EndpointConfig,
  before: readonly VariantConfig[],
) {
  const versions: ModelVersion[] = [];
  for (const { group, version, functions } of config.variants) {
    const model = await registry.version(group, version, tx);
    const isNew = !before.some((old) => nameKey(old.group) === nameKey(group) && old.version === version);
    if (isNew && model.approval !== 'Approved') throw versionNotApproved(model);
    if (!model.batchable && functions?.batching.kind === 'fixed' && functions.batching.batchSizeMax > 1) throw modelNotBatchable(model);
    if (functions !== undefined && multiModelOf(model) !== null) throw multiModelWithFunctions(model);
    versions.push(model);
  }
  const variants = config.variants.map((variant, index) => ({ ...variant, group: (versions[index] as ModelVersion).group }));
  return { config: { ...config, variants: withSharedWorkers(variants, versions, prices) }, versions };
}

/** Adds the versions that the endpoint names. */
export async function withModels(
  registry: Versions,
  stored: StoredEndpoint,
  tx?: Transaction,
  known?: readonly ModelVersion[],
): Promise<DesiredEndpoint> {
  const versionsOf = (config: EndpointConfig | undefined) =>
    Promise.all((config?.variants ?? []).map(({ group, version }) => registry.version(group, version, tx)));
  const loaded = [...stored.config.variants, ...(stored.rollout?.before.variants ?? [])].flatMap(({ ladder }) => ladder?.models ?? []);
  const ladderVersions = await Promise.all(
    [...new Set(loaded)].map((name) => {
      const { group, version } = versionIn(name);
      return registry.version(group, version, tx);
    }),
  );
  const versions = known ?? (await versionsOf(stored.config));
  const versionsBefore = await versionsOf(stored.rollout?.before);
  return { ...stored, versions, versionsBefore, ...(ladderVersions.length === 0 ? {} : { ladderVersions }) };
}
