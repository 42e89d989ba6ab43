/** The two alarms that stand for a target that is tracked: seen where alarms are, judged by what was measured, and acted on by the loop. */
import { type Alarm, type AlarmDefinition, judgeAlarm, type MetricStore, sagemakerNamespace } from '../../monitoring/index.ts';
import type { AwsPlace } from '../service.ts';
import { customMetricOf, metricOf } from './policy-rules.ts';
import {
  alarmsOf,
  type CustomMetric,
  type PolicyDocument,
  policyArn,
  type TargetDocument,
  type TargetTracking,
} from './scaling-documents.ts';

/** So many minutes one after the other until AWS moves; the loop here moves sooner. */
const periods = { High: 3, Low: 15 } as const;
const belowShare = 0.9;
const periodS = 60;

const predefined: Readonly<Record<string, Pick<CustomMetric, 'name' | 'statistic'>>> = {
  SageMakerVariantInvocationsPerInstance: { name: 'InvocationsPerInstance', statistic: 'Sum' },
  SageMakerVariantProvisionedConcurrencyUtilization: { name: 'ServerlessProvisionedConcurrencyUtilization', statistic: 'Maximum' },
};

/** Of every policy that tracks a metric that is measured. */
export async function trackingAlarms(
  place: AwsPlace,
  targets: readonly TargetDocument[],
  { store, wallMs }: { readonly store: Pick<MetricStore, 'series'>; readonly wallMs: number },
): Promise<Alarm[]> {
  const definitions = targets.flatMap((target) =>
    target.policies.flatMap((policy) => definitionsOf(place, target, policy).map((definition) => ({ definition, policy }))),
  );
  const alarms: Alarm[] = [];
  for (const { definition, policy } of definitions) {
    const { state, reason } = await judgeAlarm(store, definition, wallMs);
    alarms.push({ ...definition, state, stateReason: reason, stateSinceMs: wallMs, updatedAtMs: policy.createdAtMs });
  }
  return alarms;
}

function definitionsOf(place: AwsPlace, target: TargetDocument, policy: PolicyDocument): AlarmDefinition[] {
  const metric = policy.targetTracking === undefined ? null : trackedMetric(target, policy.targetTracking);
  if (metric === null || policy.targetTracking === undefined) return [];
  const { TargetValue } = policy.targetTracking;
  const { namespace, name, dimensions, statistic } = metric;
  return alarmsOf(place, target, policy).map(({ AlarmName }): AlarmDefinition => {
    const side = AlarmName.includes('-AlarmHigh-') ? 'High' : 'Low';
    return {
      name: AlarmName,
      description: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${policyArn(place, target, policy)}.`,
      rule: {
        comparison: side === 'High' ? 'GreaterThanThreshold' : 'LessThanThreshold',
        threshold: side === 'High' ? TargetValue : belowShare * TargetValue,
        evaluationPeriods: periods[side],
        datapointsToAlarm: periods[side],
        missingData: 'missing',
      },
      periodS,
      queries: [{ id: 'm1', metric: { place: { namespace, dimensions }, name, statistic }, expression: null, isWatched: true }],
      actionsEnabled: true,
      actions: { OK: [], ALARM: [policyArn(place, target, policy)], INSUFFICIENT_DATA: [] },
    };
  });
}

function trackedMetric({ endpoint, variant }: TargetDocument, tracking: TargetTracking): CustomMetric | null {
  const known = predefined[metricOf(tracking) ?? ''];
  if (known === undefined) return customMetricOf(tracking);
  return { namespace: sagemakerNamespace, dimensions: { EndpointName: endpoint, VariantName: variant }, ...known };
}
