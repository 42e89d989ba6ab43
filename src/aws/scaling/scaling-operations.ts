/** Operations of Application Auto Scaling. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Decisions } from '../../monitoring/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsPlace } from '../service.ts';
import { activitiesOf } from './activities.ts';
import { checkPolicy, checkTogether } from './policy-rules.ts';
import { forecastOf } from './predictions.ts';
import {
  type ActionDocument,
  actionArn,
  alarmsOf,
  checkNamespace,
  countDimension,
  notFound,
  type PolicyDocument,
  policyArn,
  readTargetName,
  refused,
  resourceIdOf,
  type SuspendedState,
  type TargetDocument,
  type TargetName,
  targetArn,
} from './scaling-documents.ts';
import { pageOf } from './scaling-pages.ts';
import { nextDueMs, parseSchedule } from './schedule.ts';
import type { ScalableTarget, ScalableTargets } from './targets.ts';

export interface ScalingOperationsOptions {
  readonly clock: Clock;
  readonly targets: ScalableTargets;
  readonly decisions: Pick<Decisions, 'list' | 'latest'>;
  /** Schedules are other ones from now on. */
  readonly onScheduled: () => void;
}

const policiesMax = 10;
const actionsMax = 200;
const decisionsLooked = 500;

export function scalingOperations(options: ScalingOperationsOptions): Record<string, AwsOperation> {
  const { targets } = options;
  return {
    RegisterScalableTarget: (input, call) => register(options, input, call),
    DescribeScalableTargets: async (input, call) => {
      const { items, next } = pageOf(await selected(targets, input), input, keyOfTarget);
      return { ScalableTargets: items.map(({ document }) => targetBody(call, document)), ...next };
    },
    DeregisterScalableTarget: async (input, call) => {
      await targets.remove(readTargetName(input), call.caller.keyId);
      options.onScheduled();
      return {};
    },
    PutScalingPolicy: (input, call) => putPolicy(options, input, call),
    DescribeScalingPolicies: async (input, call) => {
      const names = input['PolicyNames'] as readonly string[] | undefined;
      const all = (await selected(targets, input)).flatMap(({ document }) => document.policies.map((policy) => ({ document, policy })));
      const wanted = all.filter(({ policy }) => names === undefined || names.length === 0 || names.includes(policy.name));
      const { items, next } = pageOf(wanted, input, ({ document, policy }) => `${resourceIdOf(document)} ${policy.name}`);
      return { ScalingPolicies: items.map(({ document, policy }) => policyBody(call, document, policy)), ...next };
    },
    DeleteScalingPolicy: (input, call) => deletePolicy(options, input, call),
    PutScheduledAction: (input, call) => putAction(options, input, call),
    DescribeScheduledActions: async (input, call) => {
      const names = input['ScheduledActionNames'] as readonly string[] | undefined;
      const all = (await selected(targets, input)).flatMap(({ document }) => document.actions.map((action) => ({ document, action })));
      const wanted = all.filter(({ action }) => names === undefined || names.length === 0 || names.includes(action.name));
      const { items, next } = pageOf(wanted, input, ({ document, action }) => `${resourceIdOf(document)} ${action.name}`);
      return { ScheduledActions: items.map(({ document, action }) => actionBody(call, document, action)), ...next };
    },
    DeleteScheduledAction: (input, call) => deleteAction(options, input, call),
    GetPredictiveScalingForecast: (input) => predict(options, input),
    DescribeScalingActivities: (input) => describeActivities(options, input),
    ...tagOperations(targets),
  };
}

async function register({ targets, onScheduled }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const { MinCapacity, MaxCapacity, RoleARN, SuspendedState: suspended, Tags } = input;
  const change = (before: TargetDocument): TargetDocument => ({
    ...before,
    ...(MinCapacity === undefined ? {} : { min: Number(MinCapacity) }),
    ...(MaxCapacity === undefined ? {} : { max: Number(MaxCapacity) }),
    ...(RoleARN === undefined ? {} : { role: RoleARN as string }),
    ...(suspended === undefined ? {} : { suspended: { ...before.suspended, ...(suspended as SuspendedState) } }),
    ...(Tags === undefined ? {} : { tags: { ...before.tags, ...(Tags as Record<string, string>) } }),
  });
  const document = await targets.change(readTargetName(input), change, call.caller.keyId, false);
  onScheduled();
  return { ScalableTargetARN: targetArn(call, document) };
}

async function putPolicy({ targets, clock }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const name = readTargetName(input);
  let put: PolicyDocument | null = null;
  const document = await targets.change(
    name,
    (before) => {
      const old = before.policies.find((policy) => policy.name === input['PolicyName']);
      if (old === undefined && before.policies.length >= policiesMax) {
        throw new AwsError('LimitExceededException', `A scalable target has at most ${policiesMax} scaling policies: delete one first.`);
      }
      put = policyOf(input, old, clock.wallMs());
      checkPolicy(put, name.dimension);
      const policies = replaced(before.policies, put);
      checkTogether(policies);
      return { ...before, policies };
    },
    call.caller.keyId,
  );
  const policy = put as unknown as PolicyDocument;
  return { PolicyARN: policyArn(call, document, policy), Alarms: alarmsOf(call, document, policy) };
}

/** What is not given of one that is there stays; of another type nothing does. */
function policyOf(input: AwsInput, old: PolicyDocument | undefined, nowMs: number): PolicyDocument {
  const type = (input['PolicyType'] ?? old?.type ?? 'StepScaling') as PolicyDocument['type'];
  const kept = old?.type === type ? old : null;
  const begun = { name: String(input['PolicyName']), id: old?.id ?? randomUUID(), createdAtMs: old?.createdAtMs ?? nowMs, type };
  const {
    TargetTrackingScalingPolicyConfiguration: targetTracking = kept?.targetTracking,
    StepScalingPolicyConfiguration: stepScaling = kept?.stepScaling,
    PredictiveScalingPolicyConfiguration: predictiveScaling = kept?.predictiveScaling,
  } = input;
  if (type === 'TargetTrackingScaling') {
    const alarms = kept?.alarms ?? { high: randomUUID(), low: randomUUID() };
    return { ...begun, targetTracking: targetTracking as NonNullable<PolicyDocument['targetTracking']>, alarms };
  }
  return type === 'StepScaling'
    ? { ...begun, stepScaling: stepScaling as NonNullable<PolicyDocument['stepScaling']> }
    : { ...begun, predictiveScaling: predictiveScaling as NonNullable<PolicyDocument['predictiveScaling']> };
}

async function deletePolicy({ targets }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const name = readTargetName(input);
  const policyName = String(input['PolicyName']);
  const missing = notFound(name, 'scaling policy found', `, policy name: ${policyName}`);
  const without = (before: TargetDocument): TargetDocument => {
    if (!before.policies.some((policy) => policy.name === policyName)) throw missing;
    return { ...before, policies: before.policies.filter((policy) => policy.name !== policyName) };
  };
  if ((await targets.find(name)) === null) throw missing;
  await targets.change(name, without, call.caller.keyId);
  return {};
}

async function putAction({ targets, clock, onScheduled }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const change = (before: TargetDocument): TargetDocument => {
    const old = before.actions.find((action) => action.name === input['ScheduledActionName']);
    if (old === undefined && before.actions.length >= actionsMax) {
      throw new AwsError('LimitExceededException', `A scalable target has at most ${actionsMax} scheduled actions: delete one first.`);
    }
    return { ...before, actions: replaced(before.actions, actionOf(input, old, clock.wallMs())) };
  };
  await targets.change(readTargetName(input), change, call.caller.keyId);
  onScheduled();
  return {};
}

function actionOf(input: AwsInput, old: ActionDocument | undefined, nowMs: number): ActionDocument {
  const { Schedule: schedule = old?.schedule, Timezone: zone = old?.zone, StartTime = old?.startMs, EndTime = old?.endMs } = input;
  const { MinCapacity: min, MaxCapacity: max } = (input['ScalableTargetAction'] ?? { MinCapacity: old?.min, MaxCapacity: old?.max }) as {
    MinCapacity?: number;
    MaxCapacity?: number;
  };
  if (typeof schedule !== 'string') throw refused('A new scheduled action needs a Schedule.');
  if (min === undefined && max === undefined) throw refused('A ScalableTargetAction needs MinCapacity, MaxCapacity or both.');
  if ((min ?? 0) < 0 || (max ?? 0) < 0) throw refused('MinCapacity and MaxCapacity must be 0 or more.');
  if (min !== undefined && max !== undefined && max < min) throw refused(`MaxCapacity must be MinCapacity (${min}) or more, got ${max}.`);
  const read = parseSchedule(schedule, typeof zone === 'string' ? zone : 'UTC');
  if (read.kind === 'at' && nextDueMs(read, nowMs, nowMs) === null) throw refused(`Schedule ${schedule} lies in the past.`);
  if (typeof StartTime === 'number' && typeof EndTime === 'number' && EndTime <= StartTime)
    throw refused('EndTime must be later than StartTime.');
  return {
    name: String(input['ScheduledActionName']),
    id: old?.id ?? randomUUID(),
    createdAtMs: old?.createdAtMs ?? nowMs,
    schedule,
    seenMs: nowMs,
    ...(typeof zone === 'string' ? { zone } : {}),
    ...(typeof StartTime === 'number' ? { startMs: StartTime } : {}),
    ...(typeof EndTime === 'number' ? { endMs: EndTime } : {}),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  };
}

async function deleteAction({ targets, onScheduled }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const name = readTargetName(input);
  const actionName = String(input['ScheduledActionName']);
  const missing = notFound(name, 'scheduled action found', `, scheduled action name: ${actionName}`);
  const without = (before: TargetDocument): TargetDocument => {
    if (!before.actions.some((action) => action.name === actionName)) throw missing;
    return { ...before, actions: before.actions.filter((action) => action.name !== actionName) };
  };
  if ((await targets.find(name)) === null) throw missing;
  await targets.change(name, without, call.caller.keyId);
  onScheduled();
  return {};
}

async function describeActivities({ targets, decisions }: ScalingOperationsOptions, input: AwsInput) {
  const all = await Promise.all(
    (await selected(targets, input)).map(async (target) => {
      const { endpoint, dimension } = target.document;
      const made =
        dimension === countDimension ? await decisions.list({ endpoint, kind: 'scaling', changes: true, limit: decisionsLooked }) : [];
      return activitiesOf(target, made);
    }),
  );
  const key = ({ StartTime, ActivityId }: (typeof all)[number][number]) => `${String(StartTime.getTime()).padStart(15, '0')} ${ActivityId}`;
  const { items, next } = pageOf(all.flat(), input, key, true);
  return { ScalingActivities: items, ...next };
}

async function predict({ targets, decisions }: ScalingOperationsOptions, input: AwsInput) {
  const name = readTargetName(input);
  const target = await targets.find(name);
  if (target === null) throw notFound(name);
  const { document, variant } = target;
  const latest = await decisions.latest(document.endpoint, variant.name, 'scaling');
  const within = { fromMs: Number(input['StartTime']), untilMs: Number(input['EndTime']) };
  return forecastOf(document, String(input['PolicyName']), latest, within);
}

function tagOperations(targets: ScalableTargets): Record<string, AwsOperation> {
  const find = async (arn: unknown, call: AwsPlace): Promise<TargetDocument> => {
    const found = (await targets.all()).find(({ document }) => targetArn(call, document) === arn);
    if (found === undefined) throw new AwsError('ResourceNotFoundException', `There is no scalable target ${String(arn)}.`);
    return found.document;
  };
  const change = async (input: AwsInput, call: AwsCall, tagged: (before: Readonly<Record<string, string>>) => Record<string, string>) => {
    const name = await find(input['ResourceARN'], call);
    const retag = (before: TargetDocument): TargetDocument => {
      const tags = tagged(before.tags);
      if (Object.keys(tags).length > 50) throw new AwsError('TooManyTagsException', 'A scalable target has at most 50 tags.');
      return { ...before, tags };
    };
    await targets.change(name, retag, call.caller.keyId);
    return {};
  };
  return {
    TagResource: (input, call) => change(input, call, (before) => ({ ...before, ...(input['Tags'] as Record<string, string>) })),
    UntagResource: (input, call) => {
      const keys = input['TagKeys'] as readonly string[];
      return change(input, call, (before) => Object.fromEntries(Object.entries(before).filter(([key]) => !keys.includes(key))));
    },
    ListTagsForResource: async (input, call) => ({ Tags: (await find(input['ResourceARN'], call)).tags }),
  };
}

/** Those that the filters of a call leave. */
async function selected(targets: ScalableTargets, input: AwsInput): Promise<ScalableTarget[]> {
  checkNamespace(input);
  const { ResourceId, ResourceIds = ResourceId === undefined ? [] : [ResourceId], ScalableDimension } = input;
  const ids = (ResourceIds as readonly string[]).map((id) => id.toLowerCase());
  return (await targets.all()).filter(({ document }) => {
    const isOne = ids.length === 0 || ids.includes(resourceIdOf(document).toLowerCase());
    return isOne && (ScalableDimension === undefined || ScalableDimension === document.dimension);
  });
}

function keyOfTarget({ document }: ScalableTarget): string {
  return `${resourceIdOf(document)} ${document.dimension}`.toLowerCase();
}

function replaced<Item extends { readonly name: string }>(items: readonly Item[], item: Item): Item[] {
  return [...items.filter(({ name }) => name !== item.name), item];
}

function heading(target: TargetName) {
  return { ServiceNamespace: 'sagemaker', ResourceId: resourceIdOf(target), ScalableDimension: target.dimension };
}

function targetBody(call: AwsPlace, document: TargetDocument) {
  const { DynamicScalingInSuspended = false, DynamicScalingOutSuspended = false, ScheduledScalingSuspended = false } = document.suspended;
  const role = 'aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint';
  return {
    ...heading(document),
    MinCapacity: document.min,
    MaxCapacity: document.max,
    RoleARN: document.role ?? `arn:aws:iam::${call.account}:role/${role}`,
    CreationTime: new Date(document.createdAtMs),
    SuspendedState: { DynamicScalingInSuspended, DynamicScalingOutSuspended, ScheduledScalingSuspended },
    ScalableTargetARN: targetArn(call, document),
  };
}

function policyBody(call: AwsPlace, target: TargetDocument, policy: PolicyDocument) {
  const { name, type, targetTracking, stepScaling, predictiveScaling, createdAtMs } = policy;
  return {
    PolicyARN: policyArn(call, target, policy),
    PolicyName: name,
    ...heading(target),
    PolicyType: type,
    ...(targetTracking === undefined ? {} : { TargetTrackingScalingPolicyConfiguration: targetTracking }),
    ...(stepScaling === undefined ? {} : { StepScalingPolicyConfiguration: stepScaling }),
    ...(predictiveScaling === undefined ? {} : { PredictiveScalingPolicyConfiguration: predictiveScaling }),
    Alarms: alarmsOf(call, target, policy),
    CreationTime: new Date(createdAtMs),
  };
}

function actionBody(call: AwsPlace, target: TargetDocument, action: ActionDocument) {
  const { name, schedule, zone, startMs, endMs, min, max, createdAtMs } = action;
  return {
    ScheduledActionName: name,
    ScheduledActionARN: actionArn(call, target, action),
    ...heading(target),
    Schedule: schedule,
    ...(zone === undefined ? {} : { Timezone: zone }),
    ...(startMs === undefined ? {} : { StartTime: new Date(startMs) }),
    ...(endMs === undefined ? {} : { EndTime: new Date(endMs) }),
    ScalableTargetAction: { ...(min === undefined ? {} : { MinCapacity: min }), ...(max === undefined ? {} : { MaxCapacity: max }) },
    CreationTime: new Date(createdAtMs),
  };
}
