/**
 * CloudTrail's LookupEvents over the audit. It contains changes and rejections only. Successful reads appear only in the access log,
 * because consoles and pollers read every few seconds.
 */
import type { Audit, AuditCall, AuditQuery, AuditRecord } from '../../records/index.ts';
import { AwsError, type AwsInput, type AwsLocation, type AwsOutput, type AwsService, readOperation } from '../service.ts';
import { actionsByEventName, errorCodeOf, eventNameOf, eventSourceOf, isPrimaryAction, isReadOnly, resourceTypeOf } from './event-names.ts';
import { trailOperations } from './trails.ts';

const limitMax = 50;
/** The audit is read in pages of `pageSize`, at most `pagesMost` per call, because most attributes are filtered in memory. */
const pageSize = 200;
const pagesMost = 40;
const attributes = ['EventId', 'EventName', 'ReadOnly', 'Username', 'ResourceType', 'ResourceName', 'EventSource', 'AccessKeyId'] as const;
type Attribute = (typeof attributes)[number];

export function cloudtrailService({ audit }: { readonly audit: Pick<Audit, 'calls'> }): AwsService {
  return {
    name: 'cloudtrail',
    operations: { LookupEvents: readOperation('read audit', (input, call) => lookupEvents(audit, input, call)), ...trailOperations },
  };
}

async function lookupEvents(audit: Pick<Audit, 'calls'>, input: AwsInput, awsLocation: AwsLocation): Promise<AwsOutput> {
  const limit = typeof input.MaxResults === 'number' ? input.MaxResults : limitMax;
  if (limit < 1 || limit > limitMax)
    throw new AwsError('InvalidMaxResultsException', `A maximum number of results between 1 and ${limitMax} is expected, got ${limit}.`);
  const [fromMs, toMs] = [input.StartTime, input.EndTime].map((time) => (typeof time === 'number' ? time : undefined));
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs)
    throw new AwsError('InvalidTimeRangeException', 'The start time is after the end time.');
  const requested = lookupQueryOf(input);
  const query = { fromMs, toMs, ...requested.query };
  const found: CallRecord[] = [];
  let before = tokenOf(input);
  let isEnd = false;
  for (let pages = 0; found.length <= limit && pages < pagesMost && !isEnd; pages++) {
    const calls = (await audit.calls({ ...query, limit: pageSize, before })).map(mergedCall);
    found.push(...calls.filter(requested.matches));
    before = calls.at(-1)?.id;
    isEnd = calls.length < pageSize;
  }
  // Limits the work per page: a selective filter may leave a page short, and the next page continues after it.
  const last = found.length > limit ? found[limit - 1]?.id : isEnd ? undefined : before;
  return {
    Events: found.slice(0, limit).map((call) => eventOf(call, awsLocation)),
    ...(last === undefined ? {} : { NextToken: Buffer.from(last).toString('base64') }),
  };
}

function tokenOf({ NextToken }: AwsInput): string | undefined {
  if (typeof NextToken !== 'string') return undefined;
  const id = Buffer.from(NextToken, 'base64').toString('latin1');
  if (!/^[0-9a-z]{21}$/.test(id))
    throw new AwsError('InvalidNextTokenException', 'Invalid NextToken: expected the token of the previous page of this lookup.');
  return id;
}

/** CloudTrail accepts a single attribute. */
function lookupQueryOf({ LookupAttributes }: AwsInput): {
  query: Pick<AuditQuery, 'who' | 'action' | 'target'>;
  matches: (call: CallRecord) => boolean;
} {
  const [first, ...more] = (LookupAttributes ?? []) as readonly AwsInput[];
  if (first === undefined) return { query: {}, matches: () => true };
  if (more.length > 0) throw new AwsError('InvalidLookupAttributesException', 'Only one lookup attribute is expected.');
  const value = String(first.AttributeValue);
  const matches: Readonly<Record<Attribute, (call: CallRecord) => boolean>> = {
    EventId: ({ id }) => eventId(id) === value,
    EventName: (call) => eventNameOf(call) === value,
    ReadOnly: (call) => String(isReadOnly(eventNameOf(call))) === value,
    Username: ({ who }) => who === value,
    AccessKeyId: ({ who }) => who === value,
    ResourceType: ({ resources }) => resources.some(({ type }) => type === value),
    ResourceName: ({ resources }) => resources.some(({ name }) => name === value),
    EventSource: (call) => eventSourceOf(call) === value,
  };
  const attribute = attributes.find((name) => name === first.AttributeKey);
  if (attribute === undefined)
    throw new AwsError('InvalidLookupAttributesException', `A lookup attribute is one of ${attributes.join(', ')}.`);
  const query =
    attribute === 'EventName'
      ? { action: actionsByEventName(value) }
      : attribute === 'Username' || attribute === 'AccessKeyId'
        ? { who: value }
        : attribute === 'ResourceName'
          ? { target: value }
          : {};
  return { query, matches: matches[attribute] };
}

function eventOf(call: CallRecord, awsLocation: AwsLocation): AwsOutput {
  const { id, atMs, who, detail, origin, resources } = call;
  const name = eventNameOf(call);
  const [source, readOnly, errorCode] = [eventSourceOf(call), isReadOnly(name), errorCodeOf(call)];
  const event = {
    eventVersion: '1.09',
    userIdentity: {
      type: 'IAMUser',
      principalId: who,
      arn: `arn:aws:iam::${awsLocation.account}:user/${who}`,
      accountId: awsLocation.account,
      accessKeyId: who,
      userName: who,
    },
    eventTime: new Date(Math.floor(atMs / 1000) * 1000).toISOString().replace('.000Z', 'Z'),
    eventSource: source,
    eventName: name,
    awsRegion: awsLocation.region,
    sourceIPAddress: origin?.remoteAddress ?? 'penstock',
    userAgent: origin?.userAgent ?? 'penstock',
    requestParameters: origin?.parameters ?? lowerCamel(masked(detail)),
    responseElements: null,
    requestID: origin?.requestId ?? '',
    eventID: eventId(id),
    eventType: 'AwsApiCall',
    readOnly,
    recipientAccountId: awsLocation.account,
    ...(errorCode === null ? {} : { errorCode, errorMessage: messageIn(detail) }),
  };
  return {
    EventId: eventId(id),
    EventName: name,
    ReadOnly: String(readOnly),
    AccessKeyId: who,
    EventTime: new Date(atMs),
    EventSource: source,
    Username: who,
    Resources: resources.map((resource) => ({
      ...(resource.type === null ? {} : { ResourceType: resource.type }),
      ResourceName: resource.name,
    })),
    CloudTrailEvent: JSON.stringify(event),
  };
}

/** CloudTrail's ids are UUIDs, so our ids are encoded as one. */
function eventId(id: string): string {
  const hex = Buffer.from(id).toString('hex').padEnd(32, '0').slice(-32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Environment variables of processes may hold secrets. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]: [string, unknown]) => {
      if (!/^environment$/i.test(name) || typeof inner !== 'object' || inner === null) return [name, masked(inner)];
      return [name, Object.fromEntries(Object.keys(inner).map((variable) => [variable, '***']))];
    }),
  );
}

function lowerCamel(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerCamel);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name.charAt(0).toLowerCase() + name.slice(1), lowerCamel(inner)]),
  );
}

function messageIn(detail: unknown): string {
  const message = typeof detail === 'object' && detail !== null && 'message' in detail ? detail.message : undefined;
  return typeof message === 'string' ? message : '';
}

/**
 * Merges audit records into CloudTrail events. A call may perform several actions, each with an audit record, but CloudTrail has one event
 * per call. Pure.
 */
interface CloudTrailResource {
  /** `AWS::SageMaker::Model`; null for resources without an AWS type. */
  readonly type: string | null;
  readonly name: string;
}

/** A call as one record. Every lookup returns the same complete record. */
interface CallRecord extends AuditRecord {
  /** The primary resource first, followed by resources that the call also changed. */
  readonly resources: readonly CloudTrailResource[];
}

/**
 * Returns the record of the primary action, with the id and time of the call. Details and resources of the other records are merged into
 * it.
 */
function mergedCall({ id, atMs, records }: AuditCall): CallRecord {
  const own = (records.findLast(isPrimaryAction) ?? records.at(-1)) as AuditRecord;
  const resources: CloudTrailResource[] = own.target === '' ? [] : [{ type: resourceTypeOf(own), name: own.target }];
  for (const { action, target } of records.toReversed()) {
    if (target === '' || resources.some(({ name }) => name === target)) continue;
    resources.push({ type: resourceTypeOf({ action, origin: null }), name: target });
  }
  const details = [...records, own].map(({ detail }) => (typeof detail === 'object' && detail !== null ? detail : {}));
  const detail = records.length === 1 ? own.detail : (Object.assign({}, ...details) as object);
  return { ...own, id, atMs, detail, resources };
}
