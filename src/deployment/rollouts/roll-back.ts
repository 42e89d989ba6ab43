/** The version that an endpoint is rolled back to if no update is in progress. */
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import { modelFields } from '../../fields/index.ts';
import { nameKey } from '../../names.ts';
import { type Registry } from '../../registry/index.ts';
import type { Transaction } from '../../storage/index.ts';
import { modelsOf, type VariantConfig } from '../config/endpoint-config.ts';
import type { StoredEndpoint } from '../endpoint-rows.ts';
import { requestedManually } from './update-events.ts';
import { afterRollback, configsBefore, type VersionHistory } from './version-history.ts';

/**
 * The variants to serve again, and the new history. Skips versions that cannot be served.
 * Throws `wrong_state` if no version is left.
 */
export async function versionsBefore(
  { config, history }: StoredEndpoint,
  registry: Pick<Registry, 'version'>,
  tx: Transaction,
  atMs: number,
): Promise<{ readonly variants: readonly VariantConfig[]; readonly history: VersionHistory }> {
  const { name, variants: now } = config;
  const skipped: string[] = [];
  for (const to of configsBefore(history, now)) {
    const obstacle = await obstacleOf(to.variants, registry, tx);
    if (obstacle === null) {
      return {
        variants: to.variants.map((variant) => asNow(variant, now)),
        history: afterRollback(history, { now, to, reason: requestedManually, atMs }),
      };
    }
    skipped.push(obstacle);
  }
  const others = skipped.length === 0 ? '' : ` (${skipped.join(', ')})`;
  throw new PlatformError(
    'wrong_state',
    `endpoint ${name} serves ${modelsOf(config).join(' and ')}, and no earlier fully deployed version remains${others}: ` +
      `there is nothing to roll back to; deploy the one you want by its number, \`penstock deploy GROUP/VERSION ${name}\``,
  );
}

/** Why these variants cannot be served again; null if they can. */
async function obstacleOf(
  variants: readonly VariantConfig[],
  registry: Pick<Registry, 'version'>,
  tx: Transaction,
): Promise<string | null> {
  for (const { group, version } of variants) {
    try {
      const { name, approval } = await registry.version(group, version, tx);
      if (approval !== 'Approved') return `${name} is ${approval}`;
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
      return `${group}/${version} is no longer there`;
    }
  }
  return null;
}

/** Restores the model and its start settings. Instance count, type and weight stay, because they fit the current load. */
function asNow(earlier: VariantConfig, variants: readonly VariantConfig[]): VariantConfig {
  const now = variants.find(({ name }) => nameKey(name) === nameKey(earlier.name));
  if (now === undefined) return earlier;
  const names = Object.keys(modelFields) as (keyof typeof modelFields)[];
  const settings = Object.fromEntries(names.map((name) => [name, earlier[name]]));
  const { group, version, ladder } = earlier;
  return defined({ ...now, group, version, ladder, ...settings }) as VariantConfig;
}
