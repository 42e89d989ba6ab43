/** The model versions that a config names, as the registry knows them. */
import { keyOf, type ModelVersion, type Registry } from '../registry/index.ts';
import type { Transaction } from '../storage/index.ts';
import type { DesiredEndpoint } from './desired.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';
import { notApproved, notBatchable } from './refusals.ts';

type Versions = Pick<Registry, 'version'>;

/** The config with the groups as they are written, and the versions; those that are new here must be Approved. */
export async function withVersions(registry: Versions, tx: Transaction, config: EndpointConfig, before: readonly VariantConfig[]) {
  const versions: ModelVersion[] = [];
  for (const { group, version, functions } of config.variants) {
    const model = await registry.version(group, version, tx);
    const isNew = !before.some((old) => keyOf(old.group) === keyOf(group) && old.version === version);
    if (isNew && model.approval !== 'Approved') throw notApproved(model);
    if (!model.batchable && functions?.batching.kind === 'fixed' && functions.batching.batchSizeMax > 1) throw notBatchable(model);
    versions.push(model);
  }
  const variants = config.variants.map((variant, index) => ({ ...variant, group: (versions[index] as ModelVersion).group }));
  return { config: { ...config, variants }, versions };
}

/** With the versions that it names. */
export async function withModels(
  registry: Versions,
  stored: StoredEndpoint,
  tx?: Transaction,
  known?: readonly ModelVersion[],
): Promise<DesiredEndpoint> {
  const versionsOf = (config: EndpointConfig | undefined) =>
    Promise.all((config?.variants ?? []).map(({ group, version }) => registry.version(group, version, tx)));
  return { ...stored, versions: known ?? (await versionsOf(stored.config)), versionsBefore: await versionsOf(stored.rollout?.before) };
}
