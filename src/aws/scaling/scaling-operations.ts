/** The operations of Application Auto Scaling, by AWS's names. */
import { randomUUID } from 'node:crypto';
import { policyInputsOf } from '../../autoscaling/index.ts';
import type { Clock } from '../../clock.ts';
import type { Decisions } from '../../records/index.ts';
import { nextDueMs, parseSchedule } from '../../schedules/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsLocation, type AwsOperation, changeOperation, readOperation } from '../service.ts';
import { activitiesOf } from './activities.ts';
import { checkCompatible, checkPolicy } from './policy-rules.ts';
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
  resourceIdOf,
  type SuspendedState,
  type TargetDocument,
  type TargetName,
  targetArn,
  validationError,
} from './scaling-documents.ts';
import { scalingPageOf } from './scaling-pages.ts';
import type { ScalableTarget, ScalableTargets } from './targets.ts';

export interface ScalingOperationsOptions {
  readonly clock: Clock;
  readonly targets: ScalableTargets;
  readonly decisions: Pick<Decisions, 'list' | 'latest'>;
  /** Called after schedules have changed. */
  readonly onScheduled: () => void;
}

/** Per target, as is `actionsMax`. */
const policiesMax = 10;
const actionsMax = 200;
/** Newest decisions per endpoint from which activities are derived. */
const decisionsScanned = 500;

export function scalingOperations(options: ScalingOperationsOptions): Record<string, AwsOperation> {
  const { targets } = options;
  return {
    RegisterScalableTarget: changeOperation('scale endpoint', (input, call) => register(options, input, call)),
    DescribeScalableTargets: readOperation('read scaling', async (input, call) => {
      const { items, next } = scalingPageOf(await selected(targets, input), input, keyOfTarget);
      return { ScalableTargets: items.map(({ document }) => targetBody(call, document)), ...next };
    }),
    DeregisterScalableTarget: changeOperation('scale endpoint', async (input, call) => {
      await targets.remove(readTargetName(input), call.caller.keyId);
      options.onScheduled();
      return {};
    }),
    PutScalingPolicy: changeOperation('scale endpoint', (input, call) => putPolicy(options, input, call)),
    DescribeScalingPolicies: readOperation('read scaling', async (input, call) => {
      const names = input['PolicyNames'] as readonly string[] | undefined;
      const all = (await selected(targets, input)).flatMap(({ document }) => document.policies.map((policy) => ({ document, policy })));
      const wanted = all.filter(({ policy }) => names === undefined || names.length === 0 || names.includes(policy.name));
      const { items, next } = scalingPageOf(wanted, input, ({ document, policy }) => `${resourceIdOf(document)} ${policy.name}`);
      return { ScalingPolicies: items.map(({ document, policy }) => policyBody(call, document, policy)), ...next };
    }),
    DeleteScalingPolicy: changeOperation('scale endpoint', (input, call) => deletePolicy(options, input, call)),
    PutScheduledAction: changeOperation('scale endpoint', (input, call) => putAction(options, input, call)),
    DescribeScheduledActions: readOperation('read scaling', async (input, call) => {
      const names = input['ScheduledActionNames'] as readonly string[] | undefined;
      const all = (await selected(targets, input)).flatMap(({ document }) => document.actions.map((action) => ({ document, action })));
      const wanted = all.filter(({ action }) => names === undefined || names.length === 0 || names.includes(action.name));
      const { items, next } = scalingPageOf(wanted, input, ({ document, action }) => `${resourceIdOf(document)} ${action.name}`);
      return { ScheduledActions: items.map(({ document, action }) => actionBody(call, document, action)), ...next };
    }),
    DeleteScheduledAction: changeOperation('scale endpoint', (input, call) => deleteAction(options, input, call)),
    GetPredictiveScalingForecast: readOperation('read scaling', (input) => predict(options, input)),
    DescribeScalingActivities: readOperation('read scaling', (input) => describeActivities(options, input)),
    ...tagOperations(targets),
  };
}

/** Creates or updates a target; members that the call omits keep their values. */
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
  const document = await targets.change(readTargetName(input), change, call.caller.keyId, { mustExist: false });
  onScheduled();
  return { ScalableTargetARN: targetArn(call, document) };
}

/** Validates within the change, against the target's current policies. */
async function putPolicy({ targets, clock }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const name = readTargetName(input);
  let put: PolicyDocument | null = null;
  const document = await targets.change(
    name,
    (before) => {
      const old = before.policies.find((policy) => policy.name === input['PolicyName']);
      if (old === undefined && before.policies.length >= policiesMax) {
        throw new AwsError('LimitExceededException', `A scalable target has at most ${policiesMax} scaling policies. Delete one first.`);
      }
      put = policyOf(input, old, clock.wallMs());
      checkPolicy(put, name.dimension);
      const policies = replaced(before.policies, put);
      checkCompatible(policies);
      return { ...before, policies };
    },
    call.caller.keyId,
  );
  const policy = put as unknown as PolicyDocument;
  return { PolicyARN: policyArn(call, document, policy), Alarms: alarmsOf(call, document, policy) };
}

/** Members that the call omits keep their values, unless the policy's type changes. */
function policyOf(input: AwsInput, old: PolicyDocument | undefined, nowMs: number): PolicyDocument {
  const type = (input['PolicyType'] ?? old?.type ?? 'StepScaling') as PolicyDocument['type'];
  const retained = old?.type === type ? old : null;
  const common = { name: String(input['PolicyName']), id: old?.id ?? randomUUID(), createdAtMs: old?.createdAtMs ?? nowMs, type };
  const {
    TargetTrackingScalingPolicyConfiguration: targetTracking = retained?.targetTracking,
    StepScalingPolicyConfiguration: stepScaling = retained?.stepScaling,
    PredictiveScalingPolicyConfiguration: predictiveScaling = retained?.predictiveScaling,
  } = input;
  if (type === 'TargetTrackingScaling') {
    const alarms = retained?.alarms ?? { high: randomUUID(), low: randomUUID() };
    return { ...common, targetTracking: targetTracking as NonNullable<PolicyDocument['targetTracking']>, alarms };
  }
  return type === 'StepScaling'
    ? { ...common, stepScaling: stepScaling as NonNullable<PolicyDocument['stepScaling']> }
    : { ...common, predictiveScaling: predictiveScaling as NonNullable<PolicyDocument['predictiveScaling']> };
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

/** Creates or updates an action; members that the call omits keep their values. */
async function putAction({ targets, clock, onScheduled }: ScalingOperationsOptions, input: AwsInput, call: AwsCall) {
  const change = (before: TargetDocument): TargetDocument => {
    const old = before.actions.find((action) => action.name === input['ScheduledActionName']);
    if (old === undefined && before.actions.length >= actionsMax) {
      throw new AwsError('LimitExceededException', `A scalable target has at most ${actionsMax} scheduled actions. Delete one first.`);
    }
    return { ...before, actions: replaced(before.actions, actionOf(input, old, clock.wallMs())) };
  };
  await targets.change(readTargetName(input), change, call.caller.keyId);
  onScheduled();
  return {};
}

/** Throws `ValidationException` for an invalid schedule, capacity or range of time. */
function actionOf(input: AwsInput, old: ActionDocument | undefined, nowMs: number): ActionDocument {
  const { Schedule: schedule = old?.schedule, Timezone: zone = old?.zone, StartTime = old?.startMs, EndTime = old?.endMs } = input;
  const { MinCapacity: min, MaxCapacity: max } = (input['ScalableTargetAction'] ?? { MinCapacity: old?.min, MaxCapacity: old?.max }) as {
    MinCapacity?: number;
    MaxCapacity?: number;
  };
  if (typeof schedule !== 'string') throw validationError('A new scheduled action requires a Schedule.');
  if (min === undefined && max === undefined) throw validationError('A ScalableTargetAction requires MinCapacity, MaxCapacity or both.');
  if ((min ?? 0) < 0 || (max ?? 0) < 0) throw validationError('MinCapacity and MaxCapacity must be 0 or more.');
  if (min !== undefined && max !== undefined && max < min)
    throw validationError(`MaxCapacity must be MinCapacity (${min}) or more, got ${max}.`);
  const read = parseSchedule(schedule, typeof zone === 'string' ? zone : 'UTC');
  if (read.kind === 'at' && nextDueMs(read, nowMs, nowMs) === null) throw validationError(`Schedule ${schedule} is in the past.`);
  if (typeof StartTime === 'number' && typeof EndTime === 'number' && EndTime <= StartTime)
    throw validationError('EndTime must be later than StartTime.');
  return {
    name: String(input['ScheduledActionName']),
    id: old?.id ?? randomUUID(),
    createdAtMs: old?.createdAtMs ?? nowMs,
    schedule,
    observedMs: nowMs,
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

/** Provisioned concurrency has no scaling decisions, only recorded activities. */
async function describeActivities({ targets, decisions }: ScalingOperationsOptions, input: AwsInput) {
  const all = await Promise.all(
    (await selected(targets, input)).map(async (target) => {
      const { endpoint, dimension } = target.document;
      const changes =
        dimension === countDimension ? await decisions.list({ endpoint, kind: 'scaling', changes: true, limit: decisionsScanned }) : [];
      return activitiesOf(target, changes);
    }),
  );
  // Padded, because keys sort as text.
  const key = ({ StartTime, ActivityId }: (typeof all)[number][number]) => `${String(StartTime.getTime()).padStart(15, '0')} ${ActivityId}`;
  const { items, next } = scalingPageOf(all.flat(), input, key, true);
  return { ScalingActivities: items, ...next };
}

async function predict({ targets, decisions }: ScalingOperationsOptions, input: AwsInput) {
  const name = readTargetName(input);
  const target = await targets.find(name);
  if (target === null) throw notFound(name);
  const { document, variant } = target;
  const made = await decisions.list({ endpoint: document.endpoint, kind: 'scaling', limit: decisionsScanned });
  const latest = made.find((each) => each.variant === variant.name && policyInputsOf(each) !== null) ?? null;
  const within = { fromMs: Number(input['StartTime']), untilMs: Number(input['EndTime']) };
  return forecastOf(document, String(input['PolicyName']), latest, within);
}

/** Scalable targets are the only resources with tags; ARNs identify them. */
function tagOperations(targets: ScalableTargets): Record<string, AwsOperation> {
  const find = async (arn: unknown, call: AwsLocation): Promise<TargetDocument> => {
    const found = (await targets.all()).find(({ document }) => targetArn(call, document) === arn);
    if (found === undefined) throw new AwsError('ResourceNotFoundException', `Scalable target ${String(arn)} does not exist.`);
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
    TagResource: changeOperation('tag scalable target', (input, call) =>
      change(input, call, (before) => ({ ...before, ...(input['Tags'] as Record<string, string>) })),
    ),
    UntagResource: changeOperation('tag scalable target', (input, call) => {
      const keys = input['TagKeys'] as readonly string[];
      return change(input, call, (before) => Object.fromEntries(Object.entries(before).filter(([key]) => !keys.includes(key))));
    }),
    ListTagsForResource: readOperation('read tags', async (input, call) => ({ Tags: (await find(input['ResourceARN'], call)).tags })),
  };
}

/** The targets that match the filters of a call. */
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

/** Replaces the item of the same name, or appends it. */
function replaced<Item extends { readonly name: string }>(items: readonly Item[], item: Item): Item[] {
  return [...items.filter(({ name }) => name !== item.name), item];
}

function heading(target: TargetName) {
  return { ServiceNamespace: 'sagemaker', ResourceId: resourceIdOf(target), ScalableDimension: target.dimension };
}

function targetBody(call: AwsLocation, document: TargetDocument) {
  const { DynamicScalingInSuspended = false, DynamicScalingOutSuspended = false, ScheduledScalingSuspended = false } = document.suspended;
  // AWS's service-linked role, which Describe returns if none was set.
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

function policyBody(call: AwsLocation, target: TargetDocument, policy: PolicyDocument) {
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

function actionBody(call: AwsLocation, target: TargetDocument, action: ActionDocument) {
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
