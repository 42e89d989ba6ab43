/** CloudWatch's alarm operations. */
import { hasPermission } from '../../access/index.ts';
import {
  type Alarm,
  type AlarmHistoryKind,
  type AlarmNote,
  type Alarms,
  isDefaultAlarm,
  redactAddress,
  redactAddresses,
} from '../../alerts/index.ts';
import { formatMetricKey } from '../../metrics/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsLocation, type AwsOperation, changeOperation, readOperation } from '../service.ts';
import { alarmDocument, historyDocument } from './alarm-documents.ts';
import { readAlarm } from './alarm-input.ts';
import { invalidCombination, invalidValue, missingParameter } from './cloudwatch-errors.ts';
import { cloudWatchPageOf, positionOf, tokenAt } from './cloudwatch-pages.ts';
import { dimensionsOf } from './metric-key.ts';

/** The alarms that other APIs show as well. */
export type AlarmStore = Pick<Alarms, 'list' | 'get' | 'put' | 'delete' | 'enableActions' | 'setState' | 'history'>;

/** Decides which ARNs alarms can act on. */
export interface ActionTargets {
  /** Whether messages to this topic are delivered. */
  readonly isTopic: (arn: string) => boolean;
  /** Whether this step scaling policy exists. Target tracking policies have their own alarms. */
  readonly isStepPolicy: (arn: string) => Promise<boolean>;
  /** Throws `invalid_request` for a URL that webhooks must not call. */
  readonly checkUrl: (url: string) => void;
}

const describedDefault = 50;
const historyDefault = 100;

/** Operations that change alarms. Each change is recorded in the audit. */
export function alarmWrites(alarms: AlarmStore, received: ActionTargets): Record<string, AwsOperation> {
  return {
    PutMetricAlarm: changeOperation('change alarm', async (input) => {
      const definition = readAlarm(input, (action) => checkAction(action, received));
      for (const action of Object.values(definition.actions).flat()) await checkPolicy(action, received);
      refuseDefault(definition.name);
      await alarms.put(definition);
      return {};
    }),
    DeleteAlarms: changeOperation('change alarm', async (input) => {
      const names = namesOf(input);
      for (const name of names) refuseDefault(name);
      await alarms.delete(names);
      return {};
    }),
    SetAlarmState: changeOperation('change alarm', async ({ AlarmName, StateValue, StateReason }) => {
      const name = String(AlarmName);
      if (alarms.get(name) === null) throw new AwsError('ResourceNotFound', `There is no alarm ${name}.`, { httpStatus: 404 });
      await alarms.setState(name, StateValue as Alarm['state'], String(StateReason));
      return {};
    }),
    EnableAlarmActions: changeOperation('change alarm', async (input) => {
      await alarms.enableActions(namesOf(input), true);
      return {};
    }),
    DisableAlarmActions: changeOperation('change alarm', async (input) => {
      await alarms.enableActions(namesOf(input), false);
      return {};
    }),
  };
}

/** Operations that only read. */
export function alarmReads(
  alarms: AlarmStore,
  others: (awsLocation: AwsLocation) => Promise<readonly Alarm[]> = async () => [],
): Record<string, AwsOperation> {
  const all = async (call: AwsCall): Promise<Alarm[]> => {
    const found = [...alarms.list(), ...(await others(call))];
    return mayChange(call) ? found : found.map(redactedAlarm);
  };
  return {
    DescribeAlarms: readOperation('read alarms', async (input, call) => {
      const limit = Number(input.MaxRecords ?? describedDefault);
      const { items, next } = cloudWatchPageOf(selected(await all(call), input), input, ({ name }) => name, {
        limit,
        errorCode: 'InvalidNextToken',
      });
      return { CompositeAlarms: [], MetricAlarms: items.map((alarm) => alarmDocument(call, alarm)), ...next };
    }),
    DescribeAlarmsForMetric: readOperation('read alarms', async (input, call) => {
      const found = (await all(call)).filter((alarm) => watches(alarm, input));
      return { MetricAlarms: found.map((alarm) => alarmDocument(call, alarm)) };
    }),
    DescribeAlarmHistory: readOperation('read alarms', (input, call) => history(alarms, input, call)),
  };
}

function mayChange({ caller }: AwsCall): boolean {
  return hasPermission(caller.role, 'deploy');
}

/** For callers without permission to change the alarm. */
function redactedAlarm({ actions: { OK, ALARM, INSUFFICIENT_DATA }, ...alarm }: Alarm): Alarm {
  const seen = (addresses: readonly string[]): string[] => addresses.map(redactAddress);
  return { ...alarm, actions: { OK: seen(OK), ALARM: seen(ALARM), INSUFFICIENT_DATA: seen(INSUFFICIENT_DATA) } };
}

function redactedNote({ summary, data, ...note }: AlarmNote): AlarmNote {
  return { ...note, summary: redactAddresses(summary), data: JSON.parse(redactAddresses(JSON.stringify(data ?? null))) as unknown };
}

async function history(alarms: AlarmStore, input: AwsInput, call: AwsCall) {
  const { AlarmName, AlarmTypes, HistoryItemType, StartDate, EndDate, MaxRecords = historyDefault, ScanBy } = input;
  const limit = Number(MaxRecords);
  const after = positionOf(input, 'InvalidNextToken');
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
  return { AlarmHistoryItems: (mayChange(call) ? shown : shown.map(redactedNote)).map(historyDocument), ...next };
}

function selected(all: readonly Alarm[], input: AwsInput): Alarm[] {
  const { AlarmNames, AlarmNamePrefix, AlarmTypes, ChildrenOfAlarmName, ParentsOfAlarmName, StateValue, ActionPrefix } = input;
  if (AlarmNames !== undefined && AlarmNamePrefix !== undefined)
    throw invalidCombination('AlarmNames and AlarmNamePrefix cannot be specified together.');
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

/** Only metric alarms exist here. */
function isWithoutMetricAlarms(types: unknown): boolean {
  return types !== undefined && (types as readonly string[]).length > 0 && !(types as readonly string[]).includes('MetricAlarm');
}

/** Whether the alarm watches this metric; absent members match anything. */
function watches({ queries, periodS, echo }: Alarm, input: AwsInput): boolean {
  const metric = queries.length === 1 && echo?.metrics === undefined ? queries[0]?.metric : null;
  if (metric === null || metric === undefined) return false;
  const { Namespace, MetricName, Dimensions, Statistic, ExtendedStatistic, Period, Unit } = input;
  const place = { namespace: String(Namespace), dimensions: dimensionsOf(Dimensions, 'Dimensions') };
  const requested = Statistic ?? ExtendedStatistic;
  return (
    metric.name === MetricName &&
    formatMetricKey(metric.metricKey) === formatMetricKey(place) &&
    (requested === undefined || metric.statistic === requested) &&
    (Period === undefined || periodS === Period) &&
    (Unit === undefined || metric.unit === Unit)
  );
}

function namesOf({ AlarmNames }: AwsInput): readonly string[] {
  const names = AlarmNames as readonly string[];
  if (names.length === 0) throw missingParameter('The parameter AlarmNames is required.');
  return names;
}

/** Accepts URLs, topics with a configured URL, and scaling policies. Any other action would never have an effect. */
function checkAction(action: string, { isTopic, checkUrl }: ActionTargets): void {
  // A URL is also a valid topic, so check it first.
  if (/^https?:\/\//.test(action)) return checkUrl(action);
  if (!isScalingPolicy(action) && !isTopic(action)) {
    throw invalidValue(
      `Invalid action '${action.slice(0, 200)}': expected the ARN of a scaling policy, a URL, or a topic that has a URL in asyncTopics of config.json. The server reads config.json when it starts.`,
    );
  }
}

/** CloudWatch accepts an absent policy and then does nothing when the alarm fires. Rejecting it here reveals the mistake early. */
async function checkPolicy(action: string, { isStepPolicy }: ActionTargets): Promise<void> {
  if (!isScalingPolicy(action) || (await isStepPolicy(action))) return;
  throw invalidValue(
    `Invalid action '${action.slice(0, 400)}': no step scaling policy has this ARN. Create the policy first and use the PolicyARN that PutScalingPolicy returns.`,
  );
}

function isScalingPolicy(action: string): boolean {
  return /^arn:aws[\w-]*:autoscaling:[^:\s]*:[^:\s]*:scalingPolicy:\S+$/.test(action);
}

function refuseDefault(name: string): void {
  if (!isDefaultAlarm(name)) return;
  throw invalidValue(`The alarm ${name} is managed by its endpoint and cannot be changed. Create your own alarm with another name.`);
}
