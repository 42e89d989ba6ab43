/** Error messages of rejected inference requests. Clients and the conformance suite depend on their text. */
import { PlatformError } from '../../errors.ts';
import { describeTensor, type TensorSpec } from '../../tensor.ts';
import { conversionHint } from '../numpy-types.ts';

/** The caller's mistake. All other functions here build on it. */
export function invalidRequest(message: string, hint?: string): PlatformError {
  return new PlatformError('invalid_request', message, hint === undefined ? {} : { hint });
}

/** For an input that the signature does not have. */
export function unexpectedInput(model: string, name: string, specs: readonly TensorSpec[]): PlatformError {
  return invalidRequest(`model '${model}': unexpected input '${truncated(name)}'; expected inputs: ${tensorNames(specs)}`);
}

/** For a request without an array of inputs. */
export function missingInputs(specs: readonly TensorSpec[]): PlatformError {
  if (specs.length === 0) return invalidRequest(`'inputs' must be [], because the model has no inputs`);
  return invalidRequest(`'inputs' must be an array of tensors; expected inputs: ${tensorNames(specs)}`);
}

/** For a request that lacks one of the inputs. */
export function missingInput(model: string, spec: TensorSpec): PlatformError {
  return invalidRequest(`model '${model}': missing input '${spec.name}' (${describeTensor(spec)})`);
}

/** For a datatype other than that of the signature. Nothing is converted. */
export function invalidDatatype(spec: TensorSpec, datatype: unknown): PlatformError {
  const got = typeof datatype === 'string' ? truncated(datatype) : 'missing';
  return invalidRequest(`input '${spec.name}': datatype is ${got}, expected ${spec.datatype}${conversionHint(datatype, spec.datatype)}`);
}

/** For a shape with another number of dimensions. */
export function invalidRank(spec: TensorSpec, shape: readonly number[]): PlatformError {
  return invalidRequest(
    `input '${spec.name}': shape is [${truncated(shape.join(','))}], expected [${spec.shape.join(',')}] (rank ${spec.shape.length}, got ${shape.length})`,
  );
}

/** For a shape with another size where the signature fixes it. */
export function invalidDimension(spec: TensorSpec, shape: readonly number[], dimension: number): PlatformError {
  const [expected, got] = [spec.shape[dimension], shape[dimension]];
  return invalidRequest(
    `input '${spec.name}': shape is [${shape.join(',')}], expected [${spec.shape.join(',')}] (dimension ${dimension} is ${expected}, got ${got})`,
  );
}

/** For data with more or fewer elements than its shape says. */
export function invalidCount(spec: TensorSpec, shape: readonly number[], elements: number, needed: number): PlatformError {
  return invalidRequest(`input '${spec.name}': 'data' has ${elements} elements, shape [${shape.join(',')}] needs ${needed}`);
}

/** For a single element of a wrong kind or range; names its index. */
export function invalidElement(spec: TensorSpec, index: number, value: unknown, expected: string): PlatformError {
  return invalidRequest(`input '${spec.name}': element ${index} is ${shownValue(value)}, ${spec.datatype} needs ${expected}`);
}

/** For an input that has both JSON and binary data, or neither. */
export function ambiguousData(spec: TensorSpec): PlatformError {
  return invalidRequest(`input '${spec.name}': give exactly one of 'data' and parameters.binary_data_size`);
}

/** For more rows than the model's batch dimension allows. */
export function batchTooLarge(spec: TensorSpec, rows: number, batchSizeMax: number): PlatformError {
  return invalidRequest(`input '${spec.name}': batch ${rows} is larger than max_batch_size ${batchSizeMax}`, 'send it as several requests');
}

/** For a requested output that the signature does not have. */
export function unexpectedOutput(model: string, name: string, specs: readonly TensorSpec[]): PlatformError {
  return invalidRequest(`unexpected inference output '${truncated(name)}' for model '${model}'; outputs: ${tensorNames(specs)}`);
}

/** For a parameter of a wrong kind. `where` names the request or the tensor. */
export function invalidParameter(where: string, name: string, value: unknown, expected: string): PlatformError {
  return invalidRequest(`${where}: parameter '${name}' is ${shownValue(value)}, expected ${expected}`);
}

/** Names for an error message; `none` for a model without. */
export function tensorNames(specs: readonly TensorSpec[]): string {
  return specs.length === 0 ? 'none' : specs.map(({ name }) => name).join(', ');
}

/** A value sent by a client, truncated for a message. */
export function truncated(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function shownValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'bigint' ? value.toString() : truncated(JSON.stringify(value));
}
