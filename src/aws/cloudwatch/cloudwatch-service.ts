/** The CloudWatch service: metrics, alarms and dashboards. */

import type { Alarm } from '../../alerts/index.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import type { MetricStore } from '../../metrics/index.ts';
import type { Audit, AuditAction } from '../../records/index.ts';
import type { Database } from '../../storage/index.ts';
import { ResourceTags } from '../resource-tags.ts';
import { Documents } from '../sagemaker/documents.ts';
import type { AwsInput, AwsLocation, AwsOperation, AwsService } from '../service.ts';
import { type ActionTargets, type AlarmStore, alarmReads, alarmWrites } from './alarm-operations.ts';
import { alarmTagReads, alarmTagWrites } from './alarm-tags.ts';
import { dashboardReads, dashboardWrites } from './dashboards.ts';
import { getMetricData } from './metric-data.ts';
import { listMetrics } from './metric-lists.ts';
import { getMetricStatistics } from './metric-statistics.ts';
import { putMetricData } from './put-metric-data.ts';

export interface CloudWatchOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, 'record'>;
  readonly store: Pick<MetricStore, 'put' | 'written' | 'list' | 'series' | 'unitsOf' | 'isFullFor' | 'drop'>;
  readonly alarms: AlarmStore;
  readonly actionTargets: ActionTargets;
  /** Read-only alarms that are stored elsewhere: those of scaling policies. */
  readonly otherAlarms?: (awsLocation: AwsLocation) => Promise<readonly Alarm[]>;
}

export function cloudWatchService(options: CloudWatchOptions): AwsService {
  const { db, clock, store, alarms } = options;
  const documents = new Documents({ db, clock });
  const tags = new ResourceTags(db, documents);
  const writes = alarmWrites(alarms, options.actionTargets);
  const changes = { ...writes, ...alarmTagWrites(writes, alarms, tags), ...dashboardWrites(documents) };
  return {
    name: 'cloudwatch',
    operations: {
      PutMetricData: (input) => putMetricData(options, input),
      ListMetrics: (input) => listMetrics(store, input),
      GetMetricStatistics: (input) => getMetricStatistics(store, input),
      GetMetricData: (input) => getMetricData(store, input),
      ...alarmReads(alarms, options.otherAlarms),
      ...alarmTagReads(alarms, tags),
      ...dashboardReads(documents),
      ...Object.fromEntries(
        (Object.entries(changes) as [AuditAction, AwsOperation][]).map(([name, operation]) => [name, recorded(options, name, operation)]),
      ),
    },
  };
}

/** Records a successful change in the audit. */
function recorded({ audit, db }: CloudWatchOptions, action: AuditAction, operation: AwsOperation): AwsOperation {
  return async (input, call) => {
    const output = await operation(input, call);
    const { DashboardBody: _body, ...detail } = input;
    await audit.record(db, { who: call.caller.keyId, action, target: targetOf(input), outcome: 'ok', detail });
    return output;
  };
}

function targetOf({ AlarmName, AlarmNames, DashboardName, DashboardNames, ResourceARN }: AwsInput): string {
  const one = AlarmName ?? DashboardName ?? ResourceARN;
  return one === undefined ? ((AlarmNames ?? DashboardNames ?? []) as readonly string[]).join(' ') : (one as string);
}
