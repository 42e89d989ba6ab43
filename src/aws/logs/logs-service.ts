/** The CloudWatch Logs service over the platform's log groups. */
import type { Clock } from '../../clock.ts';
import { compileFilter, type LogGroups, type LogGroupView, type LogStreamView, logPageBytesMax } from '../../logs/index.ts';
import { pageAtOffset } from '../../pages.ts';
import type { Database } from '../../storage/index.ts';
import { checkTags, ResourceTags, type TagMap } from '../resource-tags.ts';
import { Documents } from '../sagemaker/documents.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  type AwsService,
  changeOperation,
  dataOperation,
  readOperation,
} from '../service.ts';
import { logGroupArn, logGroupOfArn } from './log-arn.ts';

export interface LogsServiceOptions {
  readonly db: Database;
  readonly groups: Pick<
    LogGroups,
    'groups' | 'streams' | 'read' | 'createGroup' | 'deleteGroup' | 'setRetention' | 'createStream' | 'deleteStream' | 'put'
  >;
  readonly clock: Clock;
}

const invalidCode = 'InvalidParameterException';
const describedMax = 50;
const eventsMax = 10_000;
/** AWS's limits for PutLogEvents: events at most 14 days old and 2 hours ahead; each event counts 26 bytes more than its text. */
const oldestMs = 14 * 86_400_000;
const newestMs = 2 * 3_600_000;
const eventOverheadBytes = 26;
/** The last time that a `Date` can hold. */
const latestMs = 8_640_000_000_000_000;
/** The retention periods that AWS accepts, in days. */
const retentions = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

export function logsService(options: LogsServiceOptions): AwsService {
  const tags = new ResourceTags(options.db, new Documents(options));
  const operations = {
    ...groupOperations(options, tags),
    ...tagOperations(options, tags),
    ...streamOperations(options),
    ...eventOperations(options),
  };
  return { name: 'logs', operations };
}

function groupOperations({ groups }: LogsServiceOptions, tags: ResourceTags): Record<string, AwsOperation> {
  return {
    CreateLogGroup: changeOperation('change log group', async (input, call) => {
      const requested = checkTags((input.tags ?? {}) as TagMap, invalidCode);
      await groups.createGroup(String(input.logGroupName));
      await tags.begin(logGroupArn(call, String(input.logGroupName)), requested);
      return {};
    }),
    DeleteLogGroup: changeOperation('change log group', async (input, call) => {
      await groups.deleteGroup(String(input.logGroupName));
      await tags.discard(logGroupArn(call, String(input.logGroupName)));
      return {};
    }),
    DescribeLogGroups: readOperation('read logs', async (input, call) => {
      const wanted = wantedGroups(input, call);
      const { items, next } = page((await groups.groups()).filter(wanted), input);
      return { logGroups: items.map((group) => groupShown(group, call)), ...next };
    }),
    PutRetentionPolicy: changeOperation('change log group', async (input) => {
      const days = Number(input.retentionInDays);
      if (!retentions.includes(days)) throw invalid(`Invalid retentionInDays value: ${days}; expected one of ${retentions.join(', ')}`);
      await groups.setRetention(String(input.logGroupName), days);
      return {};
    }),
    DeleteRetentionPolicy: changeOperation('change log group', async (input) => {
      await groups.setRetention(String(input.logGroupName), null);
      return {};
    }),
  };
}

function tagOperations({ groups }: LogsServiceOptions, tags: ResourceTags): Record<string, AwsOperation> {
  /** Throws `ResourceNotFoundException`. AWS writes ARNs with and without a trailing `:*`. */
  const existing = async ({ resourceArn }: AwsInput, call: AwsCall): Promise<string> => {
    const name = logGroupOfArn(String(resourceArn), call);
    if (name !== null && (await groups.groups()).some((group) => group.name === name)) return logGroupArn(call, name);
    throw new AwsError('ResourceNotFoundException', 'The specified log group does not exist.');
  };
  return {
    TagResource: changeOperation('change log group', async (input, call) => {
      const added = input.tags as TagMap;
      await tags.change(await existing(input, call), (before) => checkTags({ ...before, ...added }, invalidCode));
      return {};
    }),
    UntagResource: changeOperation('change log group', async (input, call) => {
      const keys = new Set(input.tagKeys as readonly string[]);
      const without = (before: TagMap) => Object.fromEntries(Object.entries(before).filter(([key]) => !keys.has(key)));
      await tags.change(await existing(input, call), without);
      return {};
    }),
    ListTagsForResource: readOperation('read tags', async (input, call) => ({ tags: await tags.of(await existing(input, call)) })),
  };
}

function streamOperations({ groups }: LogsServiceOptions): Record<string, AwsOperation> {
  return {
    CreateLogStream: changeOperation(
      'report log event',
      async (input) => {
        await groups.createStream(String(input.logGroupName), String(input.logStreamName));
        return {};
      },
      { target: 'logGroupName' },
    ),
    DeleteLogStream: changeOperation(
      'change log group',
      async (input) => {
        await groups.deleteStream(String(input.logGroupName), String(input.logStreamName));
        return {};
      },
      { target: 'logGroupName' },
    ),
    DescribeLogStreams: readOperation('read logs', async (input, call) => {
      const group = groupNamed(input, call);
      const byTime = input.orderBy === 'LastEventTime';
      if (byTime && input.logStreamNamePrefix !== undefined) throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.');
      const prefix = text(input.logStreamNamePrefix) ?? '';
      const found = (await groups.streams(group)).filter(({ name }) => name.startsWith(prefix));
      if (byTime) found.sort((one, other) => (one.lastAtMs ?? 0) - (other.lastAtMs ?? 0));
      if (input.descending === true) found.reverse();
      const { items, next } = page(found, input);
      return { logStreams: items.map((stream) => streamShown(stream, group, call)), ...next };
    }),
  };
}

function eventOperations({ groups, clock }: LogsServiceOptions): Record<string, AwsOperation> {
  return {
    PutLogEvents: dataOperation('report log event', async (input) => {
      const { events, rejected } = acceptedEvents(input.logEvents as readonly AwsInput[], clock.wallMs());
      await groups.put(String(input.logGroupName), String(input.logStreamName), events);
      // Sequence tokens are obsolete, but older clients require one in the response.
      return { nextSequenceToken: String(clock.wallMs()), ...(rejected === null ? {} : { rejectedLogEventsInfo: rejected }) };
    }),
    GetLogEvents: readOperation('read logs', async (input, call) => {
      const group = groupNamed(input, call);
      const stream = String(input.logStreamName);
      await checkStreams(groups, group, [stream]);
      const [, way, cursor = null] = /^([fb])\/(.+)$/.exec(text(input.nextToken) ?? '') ?? [];
      if (input.nextToken !== undefined && way === undefined) throw invalid('The specified nextToken is invalid.');
      const isForward = way === undefined ? input.startFromHead === true : way === 'f';
      const { events, before, after } = await groups.read(group, {
        streams: new Set([stream]),
        fromMs: Number(input.startTime ?? 0),
        toMs: Number(input.endTime ?? latestMs),
        from: isForward ? 'head' : 'tail',
        cursor,
        limit: Number(input.limit ?? eventsMax),
        matches: () => true,
      });
      return {
        events: events.map(({ atMs, message, ingestedAtMs }) => ({ timestamp: atMs, message, ingestionTime: ingestedAtMs })),
        nextForwardToken: `f/${after}`,
        nextBackwardToken: `b/${before}`,
      };
    }),
    FilterLogEvents: readOperation('read logs', async (input, call) => {
      const group = groupNamed(input, call);
      const { events, after, isEnd } = await groups.read(group, {
        streams: await streamsWanted(groups, group, input),
        fromMs: Number(input.startTime ?? 0),
        toMs: Number(input.endTime ?? latestMs - 1) + 1,
        from: 'head',
        cursor: text(input.nextToken) ?? null,
        limit: Number(input.limit ?? eventsMax),
        matches: compileFilter(text(input.filterPattern) ?? ''),
      });
      return {
        events: events.map(({ id, stream, atMs, message, ingestedAtMs }) => ({
          logStreamName: stream,
          timestamp: atMs,
          message,
          ingestionTime: ingestedAtMs,
          eventId: id,
        })),
        searchedLogStreams: [],
        ...(isEnd ? {} : { nextToken: after }),
      };
    }),
  };
}

type Reader = Pick<LogGroups, 'streams'>;

async function streamsWanted(groups: Reader, group: string, input: AwsInput): Promise<ReadonlySet<string> | null> {
  const { logStreamNames: names, logStreamNamePrefix: prefix } = input;
  if (names !== undefined && prefix !== undefined) throw invalid('Cannot provide both logStreamNames and logStreamNamePrefix.');
  if (Array.isArray(names)) {
    await checkStreams(groups, group, names.map(String));
    return new Set(names.map(String));
  }
  const found = await groups.streams(group); // Also for all streams: an unknown group must be rejected.
  return typeof prefix === 'string' ? new Set(found.map(({ name }) => name).filter((name) => name.startsWith(prefix))) : null;
}

async function checkStreams(groups: Reader, group: string, names: readonly string[]): Promise<void> {
  const known = new Set((await groups.streams(group)).map(({ name }) => name));
  if (names.every((name) => known.has(name))) return;
  throw new AwsError('ResourceNotFoundException', 'The specified log stream does not exist.');
}

interface AcceptedEvents {
  readonly events: readonly { readonly atMs: number; readonly message: string }[];
  /** Null if all events were accepted. */
  readonly rejected: AwsOutput | null;
}

/** Filters events by AWS's time limits. Input is in time order, so events that are too old come first and those too new last. */
function acceptedEvents(input: readonly AwsInput[], wallMs: number): AcceptedEvents {
  const events = input.map(({ timestamp, message }) => ({ atMs: Number(timestamp), message: String(message) }));
  const bytes = events.reduce((sum, { message }) => sum + Buffer.byteLength(message) + eventOverheadBytes, 0);
  if (bytes > logPageBytesMax) throw invalid(`Upload too large: ${bytes} bytes exceeds limit of ${logPageBytesMax}`);
  if (events.some(({ atMs }, i) => i > 0 && atMs < (events[i - 1]?.atMs ?? 0)))
    throw invalid('Log events in a single PutLogEvents request must be in chronological order.');
  const tooOld = events.filter(({ atMs }) => atMs < wallMs - oldestMs).length;
  const tooNew = events.filter(({ atMs }) => atMs > wallMs + newestMs).length;
  const rejected = {
    ...(tooOld === 0 ? {} : { tooOldLogEventEndIndex: tooOld }),
    ...(tooNew === 0 ? {} : { tooNewLogEventStartIndex: events.length - tooNew }),
  };
  return { events: events.slice(tooOld, events.length - tooNew), rejected: tooOld + tooNew === 0 ? null : rejected };
}

/** By name, or by ARN if it is an identifier. */
function groupNamed({ logGroupName: name, logGroupIdentifier: identifier }: AwsInput, call: AwsCall): string {
  if ((name === undefined) === (identifier === undefined))
    throw invalid('Exactly one of logGroupName and logGroupIdentifier must be provided.');
  const input = String(name ?? identifier);
  return input.startsWith('arn:') ? (logGroupOfArn(input, call) ?? input) : input;
}

function wantedGroups(input: AwsInput, call: AwsCall): (group: LogGroupView) => boolean {
  const [prefix, pattern] = [text(input.logGroupNamePrefix), text(input.logGroupNamePattern)];
  if (prefix !== undefined && pattern !== undefined)
    throw invalid('LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.');
  if (input.logGroupClass !== undefined && input.logGroupClass !== 'STANDARD') return () => false;
  const { logGroupIdentifiers: identifiers } = input;
  if (Array.isArray(identifiers)) {
    const names = new Set(identifiers.map((each) => logGroupOfArn(String(each), call) ?? String(each)));
    return ({ name }) => names.has(name);
  }
  return ({ name }) => name.startsWith(prefix ?? '') && name.toLowerCase().includes((pattern ?? '').toLowerCase());
}

function groupShown({ name, createdAtMs, retentionDays, bytes }: LogGroupView, awsLocation: AwsLocation): AwsOutput {
  const arn = logGroupArn(awsLocation, name);
  return {
    logGroupName: name,
    creationTime: createdAtMs,
    ...(retentionDays === null ? {} : { retentionInDays: retentionDays }),
    metricFilterCount: 0,
    arn: `${arn}:*`,
    storedBytes: bytes,
    logGroupClass: 'STANDARD',
    logGroupArn: arn,
  };
}

function streamShown(
  { name, createdAtMs, firstAtMs, lastAtMs, ingestedAtMs }: LogStreamView,
  group: string,
  awsLocation: AwsLocation,
): AwsOutput {
  return {
    logStreamName: name,
    creationTime: createdAtMs,
    ...(firstAtMs === null ? {} : { firstEventTimestamp: firstAtMs }),
    ...(lastAtMs === null ? {} : { lastEventTimestamp: lastAtMs }),
    ...(ingestedAtMs === null ? {} : { lastIngestionTime: ingestedAtMs }),
    uploadSequenceToken: String(ingestedAtMs ?? createdAtMs),
    arn: `${logGroupArn(awsLocation, group)}:log-stream:${name}`,
    storedBytes: 0, // Always 0, as in AWS, which does not report the size of streams.
  };
}

function page<Item>(all: readonly Item[], { nextToken, limit }: AwsInput): { items: readonly Item[]; next: { nextToken?: string } } {
  const from = nextToken === undefined ? 0 : /^\d{1,9}$/.test(text(nextToken) ?? '') ? Number(nextToken) : Number.NaN;
  if (Number.isNaN(from)) throw invalid('The specified nextToken is invalid.');
  const { items, next } = pageAtOffset(all, { offset: from, limit: Math.min(Number(limit ?? describedMax), describedMax) });
  return { items, next: next === null ? {} : { nextToken: next } };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function invalid(message: string): AwsError {
  return new AwsError(invalidCode, message);
}
