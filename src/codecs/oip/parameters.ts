/** The `parameters` of an inference request that this server uses; any other key is accepted. */
import { PlatformError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from './parse-json.ts';
import { invalidParameter, invalidRequest } from './request-errors.ts';

/** With defaults for what the client did not send. */
export interface InferParameters {
  /** Whether outputs are binary if they do not specify it. */
  readonly binaryOutput: boolean;
  /** Undefined if the client sent none; then the timeout of the endpoint applies. */
  readonly timeoutMs: number | undefined;
  /** 0 default, 1 highest. */
  readonly priority: number | undefined;
  /** Whether the response reports the time of each stage. */
  readonly timings: boolean;
  /** `accuracy` or `cost`: which plans of a selection may answer. */
  readonly prefer: string | undefined;
  /** Whether the response reports which model answered each row. */
  readonly explain: boolean;
}

/** Of a request without `parameters`; shared, so that most requests allocate none. */
export const noParameters: InferParameters = {
  binaryOutput: false,
  timeoutMs: undefined,
  priority: undefined,
  timings: false,
  prefer: undefined,
  explain: false,
};

const binaryParameters: InferParameters = { ...noParameters, binaryOutput: true };

/**
 * `isBinary`: whether outputs are binary by default. Throws `invalid_request` if a known parameter has the wrong type, `unsupported` for
 * sequences.
 */
export function readParameters(value: unknown, isBinary: boolean): InferParameters {
  if (value === undefined || value === null) return isBinary ? binaryParameters : noParameters;
  if (!isJsonObject(value)) throw invalidRequest(`'parameters' of the request must be an object of strings, numbers and booleans`);
  checkScalars(value);
  const sequence = value['sequence_id'];
  if (sequence !== undefined && sequence !== 0 && sequence !== '') {
    throw new PlatformError('unsupported', 'sequences (parameter sequence_id) are not supported by this server');
  }
  const timeoutUs = wholeNumber(value, 'timeout', 'a whole number of microseconds (0 = none)');
  return {
    binaryOutput: flag(value, 'binary_data_output', isBinary),
    timeoutMs: timeoutUs === undefined || timeoutUs === 0 ? undefined : timeoutUs / 1000,
    priority: wholeNumber(value, 'priority', 'an integer, 0 for the default or from 1 (highest)'),
    timings: flag(value, 'timings', false),
    prefer: text(value, 'penstock_prefer', 'accuracy or cost'),
    explain: flag(value, 'penstock_explain', false),
  };
}

function checkScalars(parameters: JsonObject): void {
  for (const key in parameters) {
    const value = parameters[key];
    if (typeof value === 'object' && value !== null) throw invalidParameter('request', key, value, 'a string, a number or a boolean');
  }
}

function flag(parameters: JsonObject, key: string, byDefault: boolean): boolean {
  const value = parameters[key];
  if (value === undefined) return byDefault;
  if (typeof value !== 'boolean') throw invalidParameter('request', key, value, 'true or false');
  return value;
}

function text(parameters: JsonObject, key: string, expected: string): string | undefined {
  const value = parameters[key];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw invalidParameter('request', key, value, expected);
  return value;
}

function wholeNumber(parameters: JsonObject, key: string, expected: string): number | undefined {
  const value = parameters[key];
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw invalidParameter('request', key, value, expected);
  return value as number;
}
