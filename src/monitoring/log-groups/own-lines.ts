/** Where our own lines go, by AWS's names. */
import { formatRequestLine, type RequestLine } from '../request-line.ts';
import type { LogGroups } from './log-groups.ts';

/** Of what the workers and containers of an endpoint print, and of its failed requests. */
export function endpointLogGroup(endpoint: string): string {
  return `/aws/sagemaker/Endpoints/${endpoint}`;
}

/** Of every request, a line each; and of what the server itself does, its control loops among it. */
export const requestsLogGroup = '/penstock/requests';
export const platformLogGroup = '/penstock/platform';

/** A request that failed is told of where its endpoint's lines are, with its id. */
export function tellFailure(groups: Pick<LogGroups, 'write'>, line: RequestLine): void {
  if (line.status === 'ok' || line.status === 'cancelled') return;
  groups.write(endpointLogGroup(line.endpoint), `${line.variant}/requests`, formatRequestLine(line).trimEnd(), line.atMs);
}
