/** The two alarms of a target tracking policy: visible in CloudWatch and evaluated from metrics, but scaling does not depend on them. */
import { type Alarm, type AlarmDefinition, judgeAlarm } from '../../alerts/index.ts';
import { type MetricStore, sagemakerNamespace } from '../../metrics/index.ts';
import type { AwsLocation } from '../service.ts';
import { customMetricOf, metricOf } from './policy-rules.ts';
import {
  alarmsOf,
  type CustomMetric,
  type PolicyDocument,
  policyArn,
  type TargetDocument,
  type TargetTracking,
} from './scaling-documents.ts';

/** Consecutive minutes until the alarm fires, as on AWS. The scaling loop reacts sooner. */
const periods = { High: 3, Low: 15 } as const;
/** AWS's AlarmLow fires below 90 % of the target. */
const belowShare = 0.9;
const periodS = 60;

/** The CloudWatch metric of each predefined type. */
const predefined: Readonly<Record<string, Pick<CustomMetric, 'name' | 'statistic'>>> = {
  SageMakerVariantInvocationsPerInstance: { name: 'InvocationsPerInstance', statistic: 'Sum' },
  SageMakerVariantProvisionedConcurrencyUtilization: { name: 'ServerlessProvisionedConcurrencyUtilization', statistic: 'Maximum' },
};

/** The alarms of all target tracking policies whose metric is known. */
export async function trackingAlarms(
  awsLocation: AwsLocation,
  targets: readonly TargetDocument[],
  { store, wallMs }: { readonly store: Pick<MetricStore, 'series'>; readonly wallMs: number },
): Promise<Alarm[]> {
  const definitions = targets.flatMap((target) =>
    target.policies.flatMap((policy) => definitionsOf(awsLocation, target, policy).map((definition) => ({ definition, policy }))),
  );
  const alarms: Alarm[] = [];
  for (const { definition, policy } of definitions) {
    const { state, reason } = await judgeAlarm(store, definition, wallMs);
    alarms.push({ ...definition, state, stateReason: reason, stateSinceMs: wallMs, updatedAtMs: policy.createdAtMs });
  }
  return alarms;
}

function definitionsOf(awsLocation: AwsLocation, target: TargetDocument, policy: PolicyDocument): AlarmDefinition[] {
  const metric = policy.targetTracking === undefined ? null : trackedMetric(target, policy.targetTracking);
  if (metric === null || policy.targetTracking === undefined) return [];
  const { TargetValue } = policy.targetTracking;
  const { namespace, name, dimensions, statistic } = metric;
  return alarmsOf(awsLocation, target, policy).map(({ AlarmName }): AlarmDefinition => {
    const side = AlarmName.includes('-AlarmHigh-') ? 'High' : 'Low';
    return {
      name: AlarmName,
      description: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${policyArn(awsLocation, target, policy)}.`,
      rule: {
        comparison: side === 'High' ? 'GreaterThanThreshold' : 'LessThanThreshold',
        threshold: side === 'High' ? TargetValue : belowShare * TargetValue,
        evaluationPeriods: periods[side],
        datapointsToAlarm: periods[side],
        missingData: 'missing',
      },
      periodS,
      queries: [{ id: 'm1', metric: { metricKey: { namespace, dimensions }, name, statistic }, expression: null, isWatched: true }],
      actionsEnabled: true,
      actions: { OK: [], ALARM: [policyArn(awsLocation, target, policy)], INSUFFICIENT_DATA: [] },
    };
  });
}

/** null for a predefined type without a metric, or an expression of several. */
function trackedMetric({ endpoint, variant }: TargetDocument, tracking: TargetTracking): CustomMetric | null {
  const known = predefined[metricOf(tracking) ?? ''];
  if (known === undefined) return customMetricOf(tracking);
  return { namespace: sagemakerNamespace, dimensions: { EndpointName: endpoint, VariantName: variant }, ...known };
}
