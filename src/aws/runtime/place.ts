/** What a path of the runtime stands for: `/endpoints/{name}/invocations` and its relatives. */
import { AwsError } from '../service.ts';

const operations = {
  invocations: 'InvokeEndpoint',
  'invocations-response-stream': 'InvokeEndpointWithResponseStream',
  'async-invocations': 'InvokeEndpointAsync',
} as const;

export interface RuntimePlace {
  readonly operation: (typeof operations)[keyof typeof operations];
  /** Decoded. */
  readonly endpoint: string;
}

/** Throws `UnknownOperationException` for any other path or verb. */
export function placeOf(method: string, path: string): RuntimePlace {
  const [, first, name = '', call = '', ...rest] = path.split('/');
  if (method === 'POST' && first === 'endpoints' && name !== '' && rest.length === 0 && Object.hasOwn(operations, call)) {
    return { operation: operations[call as keyof typeof operations], endpoint: decoded(name) };
  }
  const known = Object.entries(operations).map(([last, operation]) => `${operation} (POST /endpoints/{EndpointName}/${last})`);
  throw new AwsError('UnknownOperationException', `${method} ${path.slice(0, 200)} is no operation; supported are ${known.join(', ')}`);
}

/** A broken escape is no endpoint's name: it is left as it is, and refused by the name's pattern. */
function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
