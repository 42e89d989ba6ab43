/** The decoded form of every invoke body, and their common shape rules. */
import { PlatformError } from '../../errors.ts';
import { bytesOf, describeTensor, elementCount, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { packElements } from './elements.ts';

/** Tensors of one request, whatever format they came in. */
export interface RowInvocation {
  /** Complete and in the order of the signature. */
  readonly inputs: readonly Tensor[];
  /** Number of rows: the first dimension of the inputs that have rows; 1 if none has. */
  readonly rows: number;
  /** How a model that takes rows of JSON lists their results; absent: as predictions. */
  readonly reply?: 'value' | 'lines';
}

/** Whether the first dimension of this input counts rows. A scalar or a fixed first dimension is shared by all rows. */
export function hasRows(spec: TensorSpec): boolean {
  return spec.shape.length > 0 && spec.shape[0] === -1;
}

/** Limits of rows per body. */
export interface RowLimits {
  /** For a model whose first dimension counts rows. */
  readonly rowsMax: number;
  /** For a model with one row per request: each row becomes a request. */
  readonly requestsMax: number;
}

/** No limits, for callers that limit the text themselves, such as transforms. */
export const anyRows: RowLimits = { rowsMax: Number.POSITIVE_INFINITY, requestsMax: Number.POSITIVE_INFINITY };

/** The maximum rows of a body for these inputs. */
export function rowsMaxOf(inputs: readonly TensorSpec[], { rowsMax, requestsMax }: RowLimits): number {
  // The rows of a single input can fill a fixed first dimension. Then they are one request.
  const fixed = inputs.map(({ shape }) => shape[0] ?? 1);
  return inputs.some(hasRows) ? rowsMax : Math.max(requestsMax, ...fixed);
}

/** The error with its remedy, the same for all formats. */
export function tooManyRows(rowsMax: number): PlatformError {
  return new PlatformError('too_large', `the body has more than ${rowsMax} rows, which is the most that one request may have`, {
    hint: 'send fewer rows at once, or use a transform',
  });
}

/**
 * Whether `rows` rows of `rowElements` elements each are separate requests, for a model whose only input has no row dimension. They are
 * separate unless together they fill the first dimension and no single row is the whole input.
 */
export function runOneByOne(spec: TensorSpec, rows: number, rowElements: number): boolean {
  if (rows <= 1 || rowElements === 0 || hasRows(spec)) return false;
  const isWhole = !spec.shape.includes(-1) && elementCount(spec.shape) === rowElements;
  return isWhole || spec.shape[0] !== rows;
}

/**
 * The input of a model that has only one. Throws for several inputs, because forms without names (CSV, npy, bare rows) cannot address them.
 */
export function onlyInput(signature: Signature, form: string): TensorSpec {
  const [input, ...others] = signature.inputs;
  if (input !== undefined && others.length === 0) return input;
  if (input === undefined) throw noInputs(form);
  throw new PlatformError(
    'invalid_request',
    `${form} feeds a model with one input, this one has ${signature.inputs.length} (${specNames(signature.inputs)}): ` +
      `send JSON with named inputs, {"instances": [{"${input.name}": …}, …]}`,
  );
}

/** For a form of body that a model without inputs cannot take. */
export function noInputs(form: string): PlatformError {
  return new PlatformError('invalid_request', `${form} has values, but the model has no inputs: send {"inputs": []}`);
}

/** For error messages. */
export function specNames(specs: readonly TensorSpec[]): string {
  return specs.length === 0 ? 'none' : specs.map((spec) => spec.name).join(', ');
}

/**
 * The shape of `count` elements whose provided shape is `provided`, for the expected dimensions `wanted` (-1 varies). An equal shape fits,
 * as do a flat list and a shape that differs only in dimensions of size 1. Any other rearrangement is rejected, because it would silently
 * turn an image with its channels last into noise. Returns null if nothing fits.
 */
export function fitShape(wanted: readonly number[], provided: readonly number[], count: number): number[] | null {
  if (matches(wanted, provided)) return [...provided];
  const varying = wanted.filter((size) => size === -1).length;
  const fixed = elementCount(wanted.filter((size) => size !== -1));
  if (provided.length <= 1 && varying <= 1) {
    if (varying === 0) return fixed === count ? [...wanted] : null;
    return fixed > 0 && count % fixed === 0 ? wanted.map((size) => (size === -1 ? count / fixed : size)) : null;
  }
  const withoutOnes = (shape: readonly number[]) => shape.filter((size) => size !== 1);
  return varying === 0 && fixed === count && matches(withoutOnes(wanted), withoutOnes(provided)) ? [...wanted] : null;
}

function matches(wanted: readonly number[], provided: readonly number[]): boolean {
  return wanted.length === provided.length && wanted.every((size, axis) => size === -1 || size === provided[axis]);
}

/** A tensor of rows, each of the shape `provided`. Throws `invalid_request` if that does not fit the input. */
export function tensorOfRows(spec: TensorSpec, rows: number, provided: readonly number[], values: ArrayLike<unknown>): Tensor {
  const wanted = spec.shape.slice(1);
  const count = rows === 0 ? elementCount(wanted.map((size) => Math.max(size, 0))) : values.length / rows;
  const shape = rows === 0 ? wanted.map((size) => Math.max(size, 0)) : fitShape(wanted, provided, count);
  if (shape === null) {
    const form = provided.length <= 1 ? valuesText(count) : `the shape [${provided.join(',')}]`;
    throw new PlatformError(
      'invalid_request',
      `a row of input '${spec.name}' has ${form}, the model takes ${describeTensor(spec)}: ${wantedText(wanted)} in each row`,
    );
  }
  return { name: spec.name, datatype: spec.datatype, shape: [rows, ...shape], data: packElements(spec.name, spec.datatype, values) };
}

/** Like `tensorOfRows`, for 32-bit floats. The caller has checked their number. */
export function tensorOfFloats(spec: TensorSpec, rows: number, values: Float32Array): Tensor {
  return { name: spec.name, datatype: 'FP32', shape: [rows, ...spec.shape.slice(1)], data: bytesOf(values) };
}

/** A tensor that is the whole input, of the shape `provided`. Throws `invalid_request` if that does not fit the input. */
export function wholeTensor(spec: TensorSpec, provided: readonly number[], values: ArrayLike<unknown>): Tensor {
  const shape = fitShape(spec.shape, provided, values.length);
  if (shape === null) {
    throw new PlatformError('invalid_request', `input '${spec.name}' is ${describeTensor(spec)}, got the shape [${provided.join(',')}]`);
  }
  return { name: spec.name, datatype: spec.datatype, shape, data: packElements(spec.name, spec.datatype, values) };
}

function wantedText(wanted: readonly number[]): string {
  if (wanted.length === 0) return 'one value';
  return wanted.includes(-1) ? `values of the shape [${wanted.join(',')}]` : valuesText(elementCount(wanted));
}

function valuesText(count: number): string {
  return count === 1 ? '1 value' : `${count} values`;
}

/** Appends the elements of nested lists to `into` and returns their shape; throws if sibling lists differ. */
export function flattenInto(value: unknown, into: unknown[], what: string, depth = 0): number[] {
  if (!Array.isArray(value)) {
    into.push(value);
    return [];
  }
  if (depth === 16) throw new PlatformError('invalid_request', `${what} is nested more than 16 lists deep`);
  const list: readonly unknown[] = value;
  if (!Array.isArray(list[0])) {
    for (const element of list) {
      if (Array.isArray(element)) throw ragged(what);
      into.push(element);
    }
    return [list.length];
  }
  let shape: number[] | undefined;
  for (const part of list) {
    const inner = flattenInto(part, into, what, depth + 1);
    if (shape !== undefined && (shape.length !== inner.length || !matches(shape, inner))) throw ragged(what);
    shape = inner;
  }
  return [list.length, ...(shape ?? [])];
}

function ragged(what: string): PlatformError {
  return new PlatformError('invalid_request', `${what} is ragged: lists side by side must have the same length`);
}
