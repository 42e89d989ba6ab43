/** Operations of CloudWatch on alarms. */
import { hasPermission } from '../../access/index.ts';
import {
  type Alarm,
  type AlarmHistoryKind,
  type AlarmNote,
  type Alarms,
  addressesShown,
  addressShown,
  checkWebhookUrl,
  isDefaultAlarm,
  keyOfPlace,
} from '../../monitoring/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsPlace } from '../service.ts';
import { alarmBody, historyBody } from './alarm-bodies.ts';
import { readAlarm } from './alarm-input.ts';
import { pageOf, placeOf, tokenAt } from './cloudwatch-pages.ts';
import { dimensionsOf } from './metric-place.ts';
import { missing, wrongCombination, wrongValue } from './refusals.ts';

export type AlarmsSeen = Pick<Alarms, 'list' | 'get' | 'put' | 'delete' | 'enableActions' | 'setState' | 'history'>;

/** What there is for alarms to act on, by ARN. */
export interface HeardActions {
  /** Whether something is told what is said to a topic. */
  readonly isTopic: (arn: string) => boolean;
  /** Whether there is such a policy that takes steps: those that track a target have alarms of their own. */
  readonly isStepPolicy: (arn: string) => Promise<boolean>;
}

const describedDefault = 50;
const historyDefault = 100;

/** Those that change something; `note` records each in the audit trail. */
export function alarmChanges(alarms: AlarmsSeen, heard: HeardActions): Record<string, AwsOperation> {
  return {
    PutMetricAlarm: async (input) => {
      const definition = readAlarm(input, (action) => checkAction(action, heard));
      for (const action of Object.values(definition.actions).flat()) await checkPolicy(action, heard);
      refuseDefault(definition.name);
      await alarms.put(definition);
      return {};
    },
    DeleteAlarms: async (input) => {
      const names = namesOf(input);
      for (const name of names) refuseDefault(name);
      await alarms.delete(names);
      return {};
    },
    SetAlarmState: async ({ AlarmName, StateValue, StateReason }) => {
      const name = String(AlarmName);
      if (alarms.get(name) === null) throw new AwsError('ResourceNotFound', `There is no alarm ${name}.`, { httpStatus: 404 });
      await alarms.setState(name, StateValue as Alarm['state'], String(StateReason));
      return {};
    },
    EnableAlarmActions: async (input) => {
      await alarms.enableActions(namesOf(input), true);
      return {};
    },
    DisableAlarmActions: async (input) => {
      await alarms.enableActions(namesOf(input), false);
      return {};
    },
  };
}

/** Those that only look. */
export function alarmLooks(
  alarms: AlarmsSeen,
  others: (place: AwsPlace) => Promise<readonly Alarm[]> = async () => [],
): Record<string, AwsOperation> {
  const all = async (call: AwsCall): Promise<Alarm[]> => {
    const found = [...alarms.list(), ...(await others(call))];
    return mayChange(call) ? found : found.map(alarmSeen);
  };
  return {
    DescribeAlarms: async (input, call) => {
      const limit = Number(input.MaxRecords ?? describedDefault);
      const { items, next } = pageOf(selected(await all(call), input), input, ({ name }) => name, { limit, errorCode: 'InvalidNextToken' });
      return { CompositeAlarms: [], MetricAlarms: items.map((alarm) => alarmBody(call, alarm)), ...next };
    },
    DescribeAlarmsForMetric: async (input, call) => {
      const found = (await all(call)).filter((alarm) => watches(alarm, input));
      return { MetricAlarms: found.map((alarm) => alarmBody(call, alarm)) };
    },
    DescribeAlarmHistory: (input, call) => history(alarms, input, call),
  };
}

function mayChange({ caller }: AwsCall): boolean {
  return hasPermission(caller.role, 'deploy');
}

/** By somebody who may not change it. */
function alarmSeen({ actions: { OK, ALARM, INSUFFICIENT_DATA }, ...alarm }: Alarm): Alarm {
  const seen = (addresses: readonly string[]): string[] => addresses.map(addressShown);
  return { ...alarm, actions: { OK: seen(OK), ALARM: seen(ALARM), INSUFFICIENT_DATA: seen(INSUFFICIENT_DATA) } };
}

function noteSeen({ summary, data, ...note }: AlarmNote): AlarmNote {
  return { ...note, summary: addressesShown(summary), data: JSON.parse(addressesShown(JSON.stringify(data ?? null))) as unknown };
}

async function history(alarms: AlarmsSeen, input: AwsInput, call: AwsCall) {
  const { AlarmName, AlarmTypes, HistoryItemType, StartDate, EndDate, MaxRecords = historyDefault, ScanBy } = input;
  const limit = Number(MaxRecords);
  const after = placeOf(input, 'InvalidNextToken');
  if (isWithoutMetricAlarms(AlarmTypes)) return { AlarmHistoryItems: [] };
  const notes = await alarms.history({
    ...(AlarmName === undefined ? {} : { name: AlarmName as string }),
    ...(HistoryItemType === undefined ? {} : { kind: HistoryItemType as AlarmHistoryKind }),
    ...(StartDate === undefined ? {} : { fromMs: Number(StartDate) }),
    ...(EndDate === undefined ? {} : { toMs: Number(EndDate) }),
    ...(after === null ? {} : { after: Number(after) }),
    ascending: ScanBy === 'TimestampAscending',
    limit: limit + 1,
  });
  const shown = notes.slice(0, limit);
  const last = shown.at(-1);
  const next = notes.length > limit && last !== undefined ? { NextToken: tokenAt(input, String(last.seq)) } : {};
  return { AlarmHistoryItems: (mayChange(call) ? shown : shown.map(noteSeen)).map(historyBody), ...next };
}

function selected(all: readonly Alarm[], input: AwsInput): Alarm[] {
  const { AlarmNames, AlarmNamePrefix, AlarmTypes, ChildrenOfAlarmName, ParentsOfAlarmName, StateValue, ActionPrefix } = input;
  if (AlarmNames !== undefined && AlarmNamePrefix !== undefined)
    throw wrongCombination('AlarmNames and AlarmNamePrefix cannot be specified together.');
  if (ChildrenOfAlarmName !== undefined || ParentsOfAlarmName !== undefined || isWithoutMetricAlarms(AlarmTypes)) return [];
  const names = AlarmNames === undefined ? null : new Set(AlarmNames as readonly string[]);
  return all
    .filter(({ name }) => names === null || names.has(name))
    .filter(({ name }) => AlarmNamePrefix === undefined || name.startsWith(AlarmNamePrefix as string))
    .filter(({ state }) => StateValue === undefined || state === StateValue)
    .filter(
      ({ actions }) =>
        ActionPrefix === undefined || Object.values(actions).some((all) => all.some((each) => each.startsWith(ActionPrefix as string))),
    );
}

/** There are no others here. */
function isWithoutMetricAlarms(types: unknown): boolean {
  return types !== undefined && (types as readonly string[]).length > 0 && !(types as readonly string[]).includes('MetricAlarm');
}

/** Whether it is an alarm on just that metric; what is not said may be anything. */
function watches({ queries, periodS, echo }: Alarm, input: AwsInput): boolean {
  const metric = queries.length === 1 && echo?.metrics === undefined ? queries[0]?.metric : null;
  if (metric === null || metric === undefined) return false;
  const { Namespace, MetricName, Dimensions, Statistic, ExtendedStatistic, Period, Unit } = input;
  const place = { namespace: String(Namespace), dimensions: dimensionsOf(Dimensions, 'Dimensions') };
  const wished = Statistic ?? ExtendedStatistic;
  return (
    metric.name === MetricName &&
    keyOfPlace(metric.place) === keyOfPlace(place) &&
    (wished === undefined || metric.statistic === wished) &&
    (Period === undefined || periodS === Period) &&
    (Unit === undefined || metric.unit === Unit)
  );
}

function namesOf({ AlarmNames }: AwsInput): readonly string[] {
  const names = AlarmNames as readonly string[];
  if (names.length === 0) throw missing('The parameter AlarmNames is required.');
  return names;
}

/** URLs are called, topics by the URL that stands for them, scaling policies are run: nothing else would ever be heard. */
function checkAction(action: string, { isTopic }: HeardActions): void {
  if (isScalingPolicy(action) || isTopic(action)) return;
  if (!/^https?:\/\//.test(action)) {
    throw wrongValue(
      `Invalid action '${action.slice(0, 200)}': expected the ARN of a scaling policy, a URL that is called, or a topic that has a URL in asyncTopics of config.json, which is read when the server starts.`,
    );
  }
  checkWebhookUrl(action);
}

/** CloudWatch takes a policy that is not there, and runs nothing when the alarm rings. Here whoever makes the alarm hears of it. */
async function checkPolicy(action: string, { isStepPolicy }: HeardActions): Promise<void> {
  if (!isScalingPolicy(action) || (await isStepPolicy(action))) return;
  throw wrongValue(
    `Invalid action '${action.slice(0, 400)}': there is no step scaling policy of that ARN. Put the policy first, and give the PolicyARN that PutScalingPolicy answers with.`,
  );
}

function isScalingPolicy(action: string): boolean {
  return /^arn:aws[\w-]*:autoscaling:[^:\s]*:[^:\s]*:scalingPolicy:\S+$/.test(action);
}

function refuseDefault(name: string): void {
  if (!isDefaultAlarm(name)) return;
  throw wrongValue(`The alarm ${name} comes with its endpoint and goes with it: make one of your own by another name.`);
}
