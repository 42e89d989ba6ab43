/** CloudWatch Logs, over the log groups there are. */
import type { Clock } from '../../clock.ts';
import { compileFilter, type LogGroups, type LogGroupView, type LogStreamView, logPageBytesMax } from '../../monitoring/index.ts';
import { type Recording, recorded } from '../recorded.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, type AwsPlace, type AwsService } from '../service.ts';
import { logGroupArn, logGroupOfArn } from './log-arn.ts';

export interface LogsServiceOptions extends Recording {
  readonly groups: Pick<
    LogGroups,
    'groups' | 'streams' | 'read' | 'createGroup' | 'deleteGroup' | 'setRetention' | 'createStream' | 'deleteStream' | 'put'
  >;
  readonly clock: Pick<Clock, 'wallMs'>;
}

const describedMax = 50;
const eventsMax = 10_000;
const oldestMs = 14 * 86_400_000;
const newestMs = 2 * 3_600_000;
const eventOverheadBytes = 26;
const latestMs = 8_640_000_000_000_000;
const retentions = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

export function logsService(options: LogsServiceOptions): AwsService {
  const operations = { ...groupOperations(options), ...streamOperations(options), ...eventOperations(options) };
  return { name: 'logs', operations: recorded(options, operations, changes) };
}

/** Events are what is logged, and come with it. */
const changes = {
  CreateLogGroup: 'logGroupName',
  CreateLogStream: 'logGroupName',
  DeleteLogGroup: 'logGroupName',
  DeleteLogStream: 'logGroupName',
  PutRetentionPolicy: 'logGroupName',
  DeleteRetentionPolicy: 'logGroupName',
};

function groupOperations({ groups }: LogsServiceOptions): Record<string, AwsOperation> {
  return {
    CreateLogGroup: async (input) => {
      await groups.createGroup(String(input.logGroupName));
      return {};
    },
    DeleteLogGroup: async (input) => {
      await groups.deleteGroup(String(input.logGroupName));
      return {};
    },
    DescribeLogGroups: async (input, call) => {
      const wanted = wantedGroups(input, call);
      const { items, next } = page((await groups.groups()).filter(wanted), input);
      return { logGroups: items.map((group) => groupShown(group, call)), ...next };
    },
    PutRetentionPolicy: async (input) => {
      const days = Number(input.retentionInDays);
      if (!retentions.includes(days)) throw invalid(`Invalid retentionInDays value: ${days}; expected one of ${retentions.join(', ')}`);
      await groups.setRetention(String(input.logGroupName), days);
      return {};
    },
    DeleteRetentionPolicy: async (input) => {
      await groups.setRetention(String(input.logGroupName), null);
      return {};
    },
  };
}

function streamOperations({ groups }: LogsServiceOptions): Record<string, AwsOperation> {
  return {
    CreateLogStream: async (input) => {
      await groups.createStream(String(input.logGroupName), String(input.logStreamName));
      return {};
    },
    DeleteLogStream: async (input) => {
      await groups.deleteStream(String(input.logGroupName), String(input.logStreamName));
      return {};
    },
    DescribeLogStreams: async (input, call) => {
      const group = groupNamed(input, call);
      const byTime = input.orderBy === 'LastEventTime';
      if (byTime && input.logStreamNamePrefix !== undefined) throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.');
      const prefix = text(input.logStreamNamePrefix) ?? '';
      const found = (await groups.streams(group)).filter(({ name }) => name.startsWith(prefix));
      if (byTime) found.sort((one, other) => (one.lastAtMs ?? 0) - (other.lastAtMs ?? 0));
      if (input.descending === true) found.reverse();
      const { items, next } = page(found, input);
      return { logStreams: items.map((stream) => streamShown(stream, group, call)), ...next };
    },
  };
}

function eventOperations({ groups, clock }: LogsServiceOptions): Record<string, AwsOperation> {
  return {
    PutLogEvents: async (input) => {
      const { events, rejected } = takenEvents(input.logEvents as readonly AwsInput[], clock.wallMs());
      await groups.put(String(input.logGroupName), String(input.logStreamName), events);
      // Nobody need send it any more; older clients want it to be there.
      return { nextSequenceToken: String(clock.wallMs()), ...(rejected === null ? {} : { rejectedLogEventsInfo: rejected }) };
    },
    GetLogEvents: async (input, call) => {
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
    },
    FilterLogEvents: async (input, call) => {
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
    },
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
  const found = await groups.streams(group); // also where all are wanted: a group that is not there is refused
  return typeof prefix === 'string' ? new Set(found.map(({ name }) => name).filter((name) => name.startsWith(prefix))) : null;
}

async function checkStreams(groups: Reader, group: string, names: readonly string[]): Promise<void> {
  const known = new Set((await groups.streams(group)).map(({ name }) => name));
  if (names.every((name) => known.has(name))) return;
  throw new AwsError('ResourceNotFoundException', 'The specified log stream does not exist.');
}

interface Taken {
  readonly events: readonly { readonly atMs: number; readonly message: string }[];
  /** Null where all were taken. */
  readonly rejected: AwsOutput | null;
}

/** Those within the times that are taken; in their order those too old come first, and those too new last. */
function takenEvents(given: readonly AwsInput[], wallMs: number): Taken {
  const events = given.map(({ timestamp, message }) => ({ atMs: Number(timestamp), message: String(message) }));
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

/** By name or, where it is given as an identifier, by ARN. */
function groupNamed({ logGroupName: name, logGroupIdentifier: identifier }: AwsInput, call: AwsCall): string {
  if ((name === undefined) === (identifier === undefined))
    throw invalid('Exactly one of logGroupName and logGroupIdentifier must be provided.');
  const given = String(name ?? identifier);
  return given.startsWith('arn:') ? (logGroupOfArn(given, call) ?? given) : given;
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

function groupShown({ name, createdAtMs, retentionDays, bytes }: LogGroupView, place: AwsPlace): AwsOutput {
  const arn = logGroupArn(place, name);
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

function streamShown({ name, createdAtMs, firstAtMs, lastAtMs, ingestedAtMs }: LogStreamView, group: string, place: AwsPlace): AwsOutput {
  return {
    logStreamName: name,
    creationTime: createdAtMs,
    ...(firstAtMs === null ? {} : { firstEventTimestamp: firstAtMs }),
    ...(lastAtMs === null ? {} : { lastEventTimestamp: lastAtMs }),
    ...(ingestedAtMs === null ? {} : { lastIngestionTime: ingestedAtMs }),
    uploadSequenceToken: String(ingestedAtMs ?? createdAtMs),
    arn: `${logGroupArn(place, group)}:log-stream:${name}`,
    storedBytes: 0, // as with AWS, which does not tell it of streams
  };
}

function page<Item>(all: readonly Item[], { nextToken, limit }: AwsInput): { items: readonly Item[]; next: { nextToken?: string } } {
  const from = nextToken === undefined ? 0 : /^\d{1,9}$/.test(text(nextToken) ?? '') ? Number(nextToken) : Number.NaN;
  if (Number.isNaN(from)) throw invalid('The specified nextToken is invalid.');
  const until = from + Math.min(Number(limit ?? describedMax), describedMax);
  return { items: all.slice(from, until), next: until < all.length ? { nextToken: String(until) } : {} };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}
