/** What an endpoint goes back to where no update is under way. */
import { PlatformError } from '../errors.ts';
import { keyOf, type Registry } from '../registry/index.ts';
import type { Transaction } from '../storage/index.ts';
import { modelsOf, type VariantConfig } from './endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';
import { askedByHand } from './update-events.ts';
import { earlierThan, goneBack, type VersionHistory } from './version-history.ts';

/** The variants to serve again, and the history from then on. What cannot be served any more is passed over. Throws `wrong_state` where nothing is left. */
export async function versionsBefore(
  { config, history }: StoredEndpoint,
  registry: Pick<Registry, 'version'>,
  tx: Transaction,
  atMs: number,
): Promise<{ readonly variants: readonly VariantConfig[]; readonly history: VersionHistory }> {
  const { name, variants: now } = config;
  const passedOver: string[] = [];
  for (const to of earlierThan(history, now)) {
    const obstacle = await obstacleOf(to.variants, registry, tx);
    if (obstacle === null) {
      return {
        variants: to.variants.map((variant) => asNow(variant, now)),
        history: goneBack(history, { now, to, reason: askedByHand, atMs }),
      };
    }
    passedOver.push(obstacle);
  }
  const others = passedOver.length === 0 ? '' : ` (${passedOver.join(', ')})`;
  throw new PlatformError(
    'wrong_state',
    `endpoint ${name} serves ${modelsOf(config).join(' and ')}, and no version that was in full service before it and kept is left${others}: ` +
      `there is nothing to go back to; deploy the one you want by its number, \`penstock deploy GROUP/VERSION ${name}\``,
  );
}

/** Why these cannot be served again; null where they can. */
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
      return `${group}/${version} is not there any more`;
    }
  }
  return null;
}

/** The model that it was, with what it takes to start; how many instances there are, of what type and weight is not gone back on: the load is today's. */
function asNow(earlier: VariantConfig, variants: readonly VariantConfig[]): VariantConfig {
  const now = variants.find(({ name }) => keyOf(name) === keyOf(earlier.name));
  if (now === undefined) return earlier;
  const { startTimeoutMs: _start, unpackTimeoutMs: _unpack, ...kept } = now;
  const { group, version, startTimeoutMs, unpackTimeoutMs } = earlier;
  return {
    ...kept,
    group,
    version,
    ...(startTimeoutMs === undefined ? {} : { startTimeoutMs }),
    ...(unpackTimeoutMs === undefined ? {} : { unpackTimeoutMs }),
  };
}
