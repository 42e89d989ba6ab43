/** The sentences with which an inference request is refused. Clients and the conformance suite know them by heart. */
import { PlatformError } from '../../errors.ts';
import { describeTensor, type TensorSpec } from '../../tensor.ts';

export function invalid(message: string, hint?: string): PlatformError {
  return new PlatformError('invalid_request', message, hint === undefined ? {} : { hint });
}

export function unexpectedInput(model: string, name: string, specs: readonly TensorSpec[]): PlatformError {
  return invalid(`model '${model}': unexpected input '${shown(name)}'; expected inputs: ${namesOf(specs)}`);
}

export function missingInput(model: string, spec: TensorSpec): PlatformError {
  return invalid(`model '${model}': missing input '${spec.name}' (${describeTensor(spec)})`);
}

export function wrongDatatype(spec: TensorSpec, datatype: unknown): PlatformError {
  return invalid(
    `input '${spec.name}': datatype is ${typeof datatype === 'string' ? shown(datatype) : 'missing'}, expected ${spec.datatype}`,
  );
}

export function wrongRank(spec: TensorSpec, shape: readonly number[]): PlatformError {
  return invalid(
    `input '${spec.name}': shape is [${shown(shape.join(','))}], expected [${spec.shape.join(',')}] (rank ${spec.shape.length}, got ${shape.length})`,
  );
}

export function wrongDimension(spec: TensorSpec, shape: readonly number[], dimension: number): PlatformError {
  const [expected, got] = [spec.shape[dimension], shape[dimension]];
  return invalid(
    `input '${spec.name}': shape is [${shape.join(',')}], expected [${spec.shape.join(',')}] (dimension ${dimension} is ${expected}, got ${got})`,
  );
}

export function wrongCount(spec: TensorSpec, shape: readonly number[], elements: number, needed: number): PlatformError {
  return invalid(`input '${spec.name}': 'data' has ${elements} elements, shape [${shape.join(',')}] needs ${needed}`);
}

export function wrongElement(spec: TensorSpec, index: number, value: unknown, expected: string): PlatformError {
  return invalid(`input '${spec.name}': element ${index} is ${shownValue(value)}, ${spec.datatype} needs ${expected}`);
}

export function dataTwiceOrNever(spec: TensorSpec): PlatformError {
  return invalid(`input '${spec.name}': give exactly one of 'data' and parameters.binary_data_size`);
}

export function batchTooLarge(spec: TensorSpec, rows: number, batchSizeMax: number): PlatformError {
  return invalid(`input '${spec.name}': batch ${rows} is larger than max_batch_size ${batchSizeMax}`, 'send it as several requests');
}

export function unexpectedOutput(model: string, name: string, specs: readonly TensorSpec[]): PlatformError {
  return invalid(`unexpected inference output '${shown(name)}' for model '${model}'; outputs: ${namesOf(specs)}`);
}

export function wrongParameter(where: string, name: string, value: unknown, expected: string): PlatformError {
  return invalid(`${where}: parameter '${name}' is ${shownValue(value)}, expected ${expected}`);
}

export function namesOf(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => name).join(', ');
}

/** What a client sent, cut to a length that suits a message. */
export function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function shownValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return typeof value === 'bigint' ? value.toString() : shown(JSON.stringify(value));
}
