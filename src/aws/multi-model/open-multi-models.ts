/** Models of multi-model endpoints, within the memory of their instances. */
import { totalmem } from 'node:os';
import type { Access } from '../../access/index.ts';
import { instanceType, type PriceTable } from '../../costs/index.ts';
import type { Deployments } from '../../deployment/index.ts';
import { messageOf } from '../../errors.ts';
import type { Foundation } from '../../foundation/index.ts';
import type { Registry } from '../../registry/index.ts';
import type { Serving } from '../../serving/index.ts';
import { type S3Store } from '../s3/objects/store.ts';
import { TargetModels } from './target-models.ts';

/** Share of this machine's memory that the models of one variant may have, whatever its instances are called. */
const machineShare = 0.5;

export interface MultiModelDeps extends Pick<Foundation, 'clock' | 'logs' | 'series'> {
  readonly registry: Registry;
  readonly serving: Serving;
  readonly deployments: Deployments;
  readonly prices: PriceTable;
  readonly s3: S3Store;
  readonly access: Access;
}

/** Opens the models of all multi-model endpoints. Memory of the machine is the limit of its container, if that is lower. */
export function openMultiModels({ registry, serving, deployments, prices, clock, logs, series, s3, access }: MultiModelDeps): TargetModels {
  const constrained = process.constrainedMemory();
  const machineMiB = (constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()) / 2 ** 20;
  const log = logs.platform;
  const targets = new TargetModels({
    clock,
    log,
    registry,
    objects: s3,
    serving,
    series,
    roleOf: (keyId) => access.callerFor(keyId)?.role,
    memoryMiBOf: (endpoint, variant) => {
      const view = deployments.list().find(({ config }) => config.name === endpoint);
      const config = view?.config.variants.find(({ name }) => name === variant);
      const wanted = view?.variants.find(({ name }) => name === variant)?.wanted ?? 0;
      const each = config === undefined ? 0 : instanceType(prices, config.instanceType).memoryMiB;
      return Math.floor(Math.min(wanted * each, machineMiB * machineShare));
    },
  });
  const unloadStale = (): void => {
    const isServed: Parameters<TargetModels['unloadStale']>[0] = ({ route, version }) =>
      serving.endpoint(route.endpoint)?.variants.some(({ name, version: now }) => name === route.variant && now.name === version.name) ===
      true;
    targets.unloadStale(isServed).catch((error: unknown) => log.warn({ error: messageOf(error) }, 'failed to unload models'));
  };
  deployments.onServed(unloadStale);
  deployments.onDeleted(unloadStale);
  return targets;
}
