/**
 * A DeploymentConfig as a watched update. Traffic is split by the share of the requests, not by whole instances, and both fleets are whole until the
 * end: so a rolling update takes its steps as a linear one does. Pure.
 */
import type { Guard, RolloutStep, VariantConfig } from '../../deployment/index.ts';
import type { CapacitySize, DeploymentConfig } from './endpoint-documents.ts';

/** Null where nothing is to be watched: then all requests go over at once, as without a DeploymentConfig. */
export function guardOf(config: DeploymentConfig, variants: readonly Pick<VariantConfig, 'instanceCount'>[]): Guard | null {
  const instances = variants.reduce((sum, { instanceCount }) => sum + instanceCount, 0);
  const alarms = (config.AutoRollbackConfiguration?.Alarms ?? []).flatMap(({ AlarmName }) => AlarmName ?? []);
  const timeoutS =
    config.BlueGreenUpdatePolicy?.MaximumExecutionTimeoutInSeconds ?? config.RollingUpdatePolicy?.MaximumExecutionTimeoutInSeconds ?? null;
  const steps = stepsOf(config, instances);
  const isWatched = alarms.length > 0 || timeoutS !== null || steps.length > 1 || steps.some(({ bakeMs }) => bakeMs > 0);
  return isWatched ? { steps, alarms, timeoutMs: timeoutS === null ? null : timeoutS * 1000 } : null;
}

function stepsOf({ BlueGreenUpdatePolicy: blueGreen, RollingUpdatePolicy: rolling }: DeploymentConfig, instances: number): RolloutStep[] {
  if (rolling !== undefined) return risingBy(shareOf(rolling.MaximumBatchSize, instances), rolling.WaitIntervalInSeconds, 0);
  if (blueGreen === undefined) return [{ share: 1, bakeMs: 0 }];
  const { TrafficRoutingConfiguration: routing, TerminationWaitInSeconds: lastS = 0 } = blueGreen;
  const { Type, WaitIntervalInSeconds, CanarySize, LinearStepSize } = routing;
  if (Type === 'LINEAR' && LinearStepSize !== undefined) return risingBy(shareOf(LinearStepSize, instances), WaitIntervalInSeconds, lastS);
  const canary = CanarySize === undefined ? 1 : shareOf(CanarySize, instances);
  const all = { share: 1, bakeMs: lastS * 1000 };
  return Type === 'CANARY' && canary < 1 ? [{ share: canary, bakeMs: WaitIntervalInSeconds * 1000 }, all] : [all];
}

function shareOf({ Type, Value }: CapacitySize, instances: number): number {
  return Type === 'CAPACITY_PERCENT' ? Value / 100 : Math.min(1, Value / Math.max(1, instances));
}

/** Each step is watched; the last one longer, where the old fleet is to be there for a while. */
function risingBy(share: number, waitS: number, lastS: number): RolloutStep[] {
  const count = Math.ceil(1 / share - 1e-9);
  return Array.from({ length: count }, (_, index) => {
    const isLast = index === count - 1;
    return { share: isLast ? 1 : share * (index + 1), bakeMs: 1000 * (waitS + (isLast ? lastS : 0)) };
  });
}
