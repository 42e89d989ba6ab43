/** CloudWatch: what is measured, what rings, and the dashboards of those who look. */
import type { Clock } from '../../clock.ts';
import type { Alarm, Audit, Deed, Log, MetricStore } from '../../monitoring/index.ts';
import type { Database } from '../../storage/index.ts';
import { Documents } from '../sagemaker/documents.ts';
import type { AwsInput, AwsOperation, AwsPlace, AwsService } from '../service.ts';
import { type AlarmsSeen, alarmChanges, alarmLooks, type HeardActions } from './alarm-operations.ts';
import { dashboardChanges, dashboardLooks } from './dashboards.ts';
import { getMetricData } from './metric-data.ts';
import { listMetrics } from './metric-lists.ts';
import { getMetricStatistics } from './metric-statistics.ts';
import { putMetricData } from './put-metric-data.ts';

export interface CloudWatchOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: Pick<Audit, 'record'>;
  readonly store: Pick<MetricStore, 'put' | 'written' | 'list' | 'series' | 'unitsOf' | 'lacksRoomFor' | 'drop'>;
  readonly alarms: AlarmsSeen;
  readonly heard: HeardActions;
  /** More that are seen but not kept, and belong to others: those of scaling policies. */
  readonly otherAlarms?: (place: AwsPlace) => Promise<readonly Alarm[]>;
}

export function cloudWatchService(options: CloudWatchOptions): AwsService {
  const { db, clock, store, alarms } = options;
  const documents = new Documents({ db, clock });
  const changes = { ...alarmChanges(alarms, options.heard), ...dashboardChanges(documents) };
  return {
    name: 'cloudwatch',
    operations: {
      PutMetricData: (input) => putMetricData(options, input),
      ListMetrics: (input) => listMetrics(store, input),
      GetMetricStatistics: (input) => getMetricStatistics(store, input),
      GetMetricData: (input) => getMetricData(store, input),
      ...alarmLooks(alarms, options.otherAlarms),
      ...dashboardLooks(documents),
      ...Object.fromEntries(
        (Object.entries(changes) as [Deed, AwsOperation][]).map(([name, operation]) => [name, recorded(options, name, operation)]),
      ),
    },
  };
}

/** Who changed what is kept. */
function recorded({ audit, db }: CloudWatchOptions, action: Deed, operation: AwsOperation): AwsOperation {
  return async (input, call) => {
    const output = await operation(input, call);
    const { DashboardBody: _body, ...detail } = input;
    await audit.record(db, { who: call.caller.keyId, action, target: targetOf(input), outcome: 'ok', detail });
    return output;
  };
}

function targetOf({ AlarmName, AlarmNames, DashboardName, DashboardNames }: AwsInput): string {
  const one = AlarmName ?? DashboardName;
  return one === undefined ? ((AlarmNames ?? DashboardNames ?? []) as readonly string[]).join(' ') : (one as string);
}
