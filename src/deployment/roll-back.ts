/** Ends an update by hand, or goes back to the version before where none is under way. */
import { PlatformError } from '../errors.ts';
import type { Audit, AuditRecord } from '../monitoring/index.ts';
import type { Deployments } from './deployments.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import type { EndpointView } from './endpoint-view.ts';
import { isUnderWay } from './rollout.ts';
import { modelsOf } from './rollout-windows.ts';

/** So many changes are looked through for a version before. */
const recordsMost = 1000;

/** Throws `not_found`, and `wrong_state` where there is no version before. */
export async function rollBack(deployments: Deployments, audit: Pick<Audit, 'list'>, name: string, who: string): Promise<EndpointView> {
  const view = deployments.get(name);
  if (isUnderWay(view.rollout)) {
    await deployments.rollouts.takeBack(view, who);
    return deployments.get(name);
  }
  const earlier = configBefore(view.config, await audit.list({ target: view.config.name, limit: recordsMost }));
  if (earlier === null) {
    const now = modelsOf(view.config).join(' and ');
    throw new PlatformError('wrong_state', `endpoint ${view.config.name} has served nothing before ${now}: there is nothing to go back to`);
  }
  return deployments.update(view.config.name, { variants: earlier.variants.map((variant) => asNow(variant, view.config)) }, who);
}

/** The model that it was, with what it takes to start; how many instances there are, of what type and weight is not gone back on: the load is today's. */
function asNow(earlier: VariantConfig, { variants }: EndpointConfig): VariantConfig {
  const now = variants.find(({ name }) => name === earlier.name);
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

/** What was wanted last with other versions, and not taken back; null where there was nothing. Records come the latest first. */
export function configBefore(
  now: EndpointConfig,
  records: readonly Pick<AuditRecord, 'action' | 'outcome' | 'detail'>[],
): EndpointConfig | null {
  const current = modelsOf(now).join();
  const takenBack = new Set<number>();
  for (const { action, outcome, detail } of records) {
    const { config, generation } = (detail ?? {}) as { readonly config?: EndpointConfig; readonly generation?: number };
    if (outcome !== 'ok' || config === undefined || generation === undefined) continue;
    if (action === 'RollBackEndpoint') takenBack.add(generation - 1);
    if (!takenBack.has(generation) && modelsOf(config).join() !== current) return config;
    if (action === 'CreateEndpoint') return null;
  }
  return null;
}
