/** Parses the paths of the runtime API: `/endpoints/{name}/invocations` and its siblings. */
import { AwsError } from '../service.ts';

const operations = {
  invocations: 'InvokeEndpoint',
  'invocations-response-stream': 'InvokeEndpointWithResponseStream',
  'async-invocations': 'InvokeEndpointAsync',
} as const;

/** The operation that a path means, and the endpoint in it. */
export interface RuntimePath {
  readonly operation: (typeof operations)[keyof typeof operations];
  /** Decoded. */
  readonly endpoint: string;
}

/** Throws `UnknownOperationException` for any other path or method. */
export function parseRuntimePath(method: string, path: string): RuntimePath {
  const [, first, name = '', call = '', ...rest] = path.split('/');
  if (method === 'POST' && first === 'endpoints' && name !== '' && rest.length === 0 && Object.hasOwn(operations, call)) {
    return { operation: operations[call as keyof typeof operations], endpoint: decoded(name) };
  }
  const known = Object.entries(operations).map(([last, operation]) => `${operation} (POST /endpoints/{EndpointName}/${last})`);
  throw new AwsError(
    'UnknownOperationException',
    `${method} ${path.slice(0, 200)} is not an operation: expected one of ${known.join(', ')}`,
  );
}

/** Leaves an invalid escape as it is: the pattern of endpoint names rejects it later. */
function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
