/** Log groups and streams of the server's own lines, named as in AWS. */
import type { PlatformEvent } from '../../records/index.ts';
import { formatRequestLine, type RequestLine } from '../request-log/request-line.ts';
import type { LogGroups } from './log-groups.ts';

/** Group for the output of an endpoint's workers and containers, and for records of its failed and asynchronous requests. */
export function endpointLogGroup(endpoint: string): string {
  return `/aws/sagemaker/Endpoints/${endpoint}`;
}

/** Group for the workers and results of all transforms. */
const transformsLogGroup = '/aws/sagemaker/TransformJobs';
/** Not below the name of a job: clients follow all streams there and expect one for each instance. */
const resultsStream = 'results';
/** Workers of a transform have this prefix and its name in place of an endpoint's. */
const transformPrefix = 'transform:';

interface Worker {
  readonly endpoint: string;
  readonly variant: string;
  readonly id: string;
}

/** Last parts of the names of the streams in the group of an endpoint that hold records of requests, as AWS has them. */
const recordStreams = { failures: '/requests', asyncResults: '/async/data-log' } as const;

/** Whether a stream in the group of an endpoint holds what its workers printed, and not records of requests. */
export function isWorkerStream(name: string): boolean {
  return !Object.values(recordStreams).some((end) => name.endsWith(end));
}

/** Requests that a line names. A larger batch prints lines that belong to too many requests to help any. */
const requestsNamedMax = 64;

/** Logs a line printed by a worker, or about it, in the worker's own stream. A line printed for requests names them. `atMs`: default now. */
export function logWorkerLine(
  groups: Pick<LogGroups, 'write'>,
  { endpoint, variant, id }: Worker,
  line: string,
  { requestIds = [], atMs }: { readonly requestIds?: readonly string[]; readonly atMs?: number } = {},
): void {
  const isTransform = endpoint.startsWith(transformPrefix);
  const name = isTransform ? endpoint.slice(transformPrefix.length) : variant;
  const group = isTransform ? transformsLogGroup : endpointLogGroup(endpoint);
  groups.write(group, streamName(`${name}/${id}`), withRequests(line, requestIds), atMs);
}

/** `text (request ID)`. A line that is a JSON object gets the member `requests`, so filters on its members still apply. */
function withRequests(line: string, requestIds: readonly string[]): string {
  if (requestIds.length === 0) return line;
  const named = requestIds.slice(0, requestsNamedMax);
  if (isJsonObject(line)) {
    const rest = line.trim().slice(1);
    return `{"requests":${JSON.stringify(named)}${rest.trim() === '}' ? '' : ','}${rest}`;
  }
  const more = requestIds.length > named.length ? `, and ${requestIds.length - named.length} more` : '';
  return `${line} (request${requestIds.length === 1 ? '' : 's'} ${named.join(', ')}${more})`;
}

function isJsonObject(line: string): boolean {
  if (!line.trimStart().startsWith('{')) return false;
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

/** Logs the result of a transform or an asynchronous request. `variantOf` returns the first variant of an endpoint. */
export function logEvent(
  groups: Pick<LogGroups, 'write'>,
  { kind, subject, detail, atMs }: PlatformEvent,
  variantOf: (endpoint: string) => string,
): void {
  if (kind.startsWith('transform.')) {
    const line = JSON.stringify({ event: kind, transform: subject, detail });
    groups.write(transformsLogGroup, resultsStream, line, atMs);
  } else if (kind.startsWith('async.')) {
    const line = JSON.stringify({ event: kind, endpoint: subject, ...(detail as object) });
    groups.write(endpointLogGroup(subject), streamName(`${variantOf(subject)}${recordStreams.asyncResults}`), line, atMs);
  }
}

/** AWS allows neither character in stream names. */
function streamName(text: string): string {
  return text.replaceAll(/[:*]/g, '-');
}

/** One line per request, one per control call, and the server's own log including its control loops. */
export const requestsLogGroup = '/penstock/requests';
/** One line per control call; the file `access.log`. */
export const accessLogGroup = '/penstock/access';
/** Events and errors of the server itself. */
export const platformLogGroup = '/penstock/platform';

/** Logs a failed request, with its id, to the group of its endpoint. */
export function logFailure(groups: Pick<LogGroups, 'write'>, line: RequestLine): void {
  if (line.status === 'ok' || line.status === 'cancelled') return;
  groups.write(endpointLogGroup(line.endpoint), `${line.variant}${recordStreams.failures}`, formatRequestLine(line).trimEnd(), line.atMs);
}
