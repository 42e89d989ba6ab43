/** Where our own lines go, by AWS's names. */
import type { PlatformEvent } from '../records/events.ts';
import { formatRequestLine, type RequestLine } from '../request-log/request-line.ts';
import type { LogGroups } from './log-groups.ts';

/** Of what the workers and containers of an endpoint print, and of its failed requests. */
export function endpointLogGroup(endpoint: string): string {
  return `/aws/sagemaker/Endpoints/${endpoint}`;
}

/** Of the workers of all transforms, and of how these ended. */
const transformsLogGroup = '/aws/sagemaker/TransformJobs';
/** Workers of a transform bear its name in place of an endpoint's. */
const transformPrefix = 'transform:';

interface Worker {
  readonly endpoint: string;
  readonly variant: string;
  readonly id: string;
}

/** A line that a worker printed, or that tells of it, in a stream of its own. */
export function tellOfWorker(groups: Pick<LogGroups, 'write'>, { endpoint, variant, id }: Worker, line: string): void {
  const isTransform = endpoint.startsWith(transformPrefix);
  const name = isTransform ? endpoint.slice(transformPrefix.length) : variant;
  groups.write(isTransform ? transformsLogGroup : endpointLogGroup(endpoint), streamName(`${name}/${id}`), line);
}

/** What became of a transform, or of an asynchronous request to an endpoint whose first variant this is. */
export function tellOfEvent(
  groups: Pick<LogGroups, 'write'>,
  { kind, subject, detail, atMs }: PlatformEvent,
  variantOf: (endpoint: string) => string,
): void {
  if (kind.startsWith('transform.')) {
    const line = JSON.stringify({ event: kind, transform: subject, detail });
    groups.write(transformsLogGroup, streamName(`${subject}/job`), line, atMs);
  } else if (kind.startsWith('async.')) {
    const line = JSON.stringify({ event: kind, endpoint: subject, ...(detail as object) });
    groups.write(endpointLogGroup(subject), streamName(`${variantOf(subject)}/async/data-log`), line, atMs);
  }
}

/** AWS takes neither of these in the name of a stream. */
function streamName(text: string): string {
  return text.replaceAll(/[:*]/g, '-');
}

/** Of every request and of every control call, a line each; and of what the server itself does, its control loops among it. */
export const requestsLogGroup = '/penstock/requests';
export const accessLogGroup = '/penstock/access';
export const platformLogGroup = '/penstock/platform';

/** A request that failed is told of where its endpoint's lines are, with its id. */
export function tellFailure(groups: Pick<LogGroups, 'write'>, line: RequestLine): void {
  if (line.status === 'ok' || line.status === 'cancelled') return;
  groups.write(endpointLogGroup(line.endpoint), `${line.variant}/requests`, formatRequestLine(line).trimEnd(), line.atMs);
}
