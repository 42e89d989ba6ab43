/**
 * Translates a DeploymentConfig into a monitored update. Traffic is split by share of requests and both fleets keep their size until the
 * end, so a rolling update has the same steps as a linear one. Pure.
 */
import type { RolloutGuard, RolloutStep, VariantConfig } from '../../../deployment/index.ts';
import type { CapacitySize, DeploymentConfig } from './endpoint-documents.ts';

/** null if there is nothing to monitor: all traffic then shifts at once, as without a DeploymentConfig. */
export function awsGuardOf(config: DeploymentConfig, variants: readonly Pick<VariantConfig, 'instanceCount'>[]): RolloutGuard | null {
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

/** Equal steps of `waitS` each; the last one also waits `lastS`, while the old fleet still runs. */
function risingBy(share: number, waitS: number, lastS: number): RolloutStep[] {
  const count = Math.ceil(1 / share - 1e-9);
  return Array.from({ length: count }, (_, index) => {
    const isLast = index === count - 1;
    return { share: isLast ? 1 : share * (index + 1), bakeMs: 1000 * (waitS + (isLast ? lastS : 0)) };
  });
}
