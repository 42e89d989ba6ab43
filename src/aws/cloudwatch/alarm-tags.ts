/** Tags of alarms. An alarm that is put again keeps its tags; a deleted one loses them. */
import type { ResourceTags } from '../resource-tags.ts';
import { checkTags, type TagMap } from '../resource-tags.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, changeOperation, readOperation } from '../service.ts';
import { alarmArn } from './alarm-documents.ts';
import type { AlarmStore } from './alarm-operations.ts';
import { invalidValue } from './cloudwatch-errors.ts';

const code = 'InvalidParameterValue';

/** Operations that change tags, and `writes` with the tags of the alarms that they create and delete. */
export function alarmTagWrites(
  writes: Readonly<Record<string, AwsOperation>>,
  alarms: Pick<AlarmStore, 'get'>,
  tags: ResourceTags,
): Record<string, AwsOperation> {
  const { PutMetricAlarm: put, DeleteAlarms: remove } = writes;
  return {
    PutMetricAlarm: changeOperation('change alarm', async (input, call) => {
      const isNew = alarms.get(String(input.AlarmName)) === null;
      const requested = checkTags(tagsIn(input.Tags), code);
      const done = (await put?.run(input, call)) ?? {};
      if (isNew) await tags.begin(alarmArn(call, String(input.AlarmName)), requested);
      return done;
    }),
    DeleteAlarms: changeOperation('change alarm', async (input, call) => {
      const done = (await remove?.run(input, call)) ?? {};
      for (const name of input.AlarmNames as readonly string[]) await tags.discard(alarmArn(call, name));
      return done;
    }),
    TagResource: changeOperation('change alarm', async (input, call) => {
      const added = tagsIn(input.Tags);
      await tags.change(existing(input, call, alarms), (before) => checkTags({ ...before, ...added }, code));
      return {};
    }),
    UntagResource: changeOperation('change alarm', async (input, call) => {
      const keys = new Set(input.TagKeys as readonly string[]);
      const without = (before: TagMap) => Object.fromEntries(Object.entries(before).filter(([key]) => !keys.has(key)));
      await tags.change(existing(input, call, alarms), without);
      return {};
    }),
  };
}

export function alarmTagReads(alarms: Pick<AlarmStore, 'get'>, tags: ResourceTags): Record<string, AwsOperation> {
  return {
    ListTagsForResource: readOperation('read tags', async (input, call) => {
      const found = await tags.of(existing(input, call, alarms));
      return { Tags: Object.entries(found).map(([Key, Value]) => ({ Key, Value })) };
    }),
  };
}

function tagsIn(list: unknown): TagMap {
  return Object.fromEntries(((list ?? []) as { Key: string; Value: string }[]).map(({ Key, Value }) => [Key, Value]));
}

/** The ARN of an existing alarm. Throws `ResourceNotFoundException`, or `InvalidParameterValue` for another kind of resource. */
function existing({ ResourceARN }: AwsInput, call: AwsCall, alarms: Pick<AlarmStore, 'get'>): string {
  const arn = String(ResourceARN);
  const prefix = alarmArn(call, '');
  if (!arn.startsWith(prefix)) throw invalidValue(`Invalid ResourceARN '${arn.slice(0, 200)}': expected an alarm, ${prefix}NAME.`);
  if (alarms.get(arn.slice(prefix.length)) !== null) return arn;
  throw new AwsError('ResourceNotFoundException', `There is no alarm ${arn.slice(prefix.length, prefix.length + 255)}.`, {
    httpStatus: 404,
  });
}
