/** What every form of the invoke body is decoded into, and the rules of shape they share. */
import { PlatformError } from '../../errors.ts';
import { describeTensor, elementCount, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { packElements } from './elements.ts';

export interface Invocation {
  /** Complete and in the order of the signature. */
  readonly inputs: readonly Tensor[];
  /** How many rows came: the first dimension of the inputs that have rows; 1 where none has. */
  readonly rows: number;
}

/** Whether the first dimension of this input counts rows. A scalar or a fixed first dimension is the same for all rows. */
export function hasRows(spec: TensorSpec): boolean {
  return spec.shape.length > 0 && spec.shape[0] === -1;
}

/**
 * Whether `rows` rows of `rowElements` elements each, for a model whose one input has no dimension that counts rows, are
 * a request each: they are unless together they fill the first dimension, and each by itself is not the whole input.
 */
export function runOneByOne(spec: TensorSpec, rows: number, rowElements: number): boolean {
  if (rows <= 1 || rowElements === 0 || hasRows(spec)) return false;
  const isWhole = !spec.shape.includes(-1) && elementCount(spec.shape) === rowElements;
  return isWhole || spec.shape[0] !== rows;
}

/** The one input of a model that takes one; forms without names (CSV, npy, bare rows) can feed no other. */
export function onlyInput(signature: Signature, form: string): TensorSpec {
  const [input, ...others] = signature.inputs;
  if (input !== undefined && others.length === 0) return input;
  throw new PlatformError(
    'invalid_request',
    `${form} feeds a model with one input, this one has ${signature.inputs.length} (${namesOf(signature.inputs)}): ` +
      `send JSON with named inputs, {"instances": [{"${input?.name ?? 'name'}": …}, …]}`,
  );
}

export function namesOf(specs: readonly TensorSpec[]): string {
  return specs.map((spec) => spec.name).join(', ');
}

/**
 * The shape that `count` elements given as `given` take, for the expected dimensions `wanted` (-1 varies).
 * Equal shapes fit, and so do a flat list and a shape that differs in dimensions of size 1 only. Any other
 * rearrangement is refused: an image with its channels last would silently become noise. Null where nothing fits.
 */
export function fitShape(wanted: readonly number[], given: readonly number[], count: number): number[] | null {
  if (matches(wanted, given)) return [...given];
  const varying = wanted.filter((size) => size === -1).length;
  const fixed = elementCount(wanted.filter((size) => size !== -1));
  if (given.length <= 1 && varying <= 1) {
    if (varying === 0) return fixed === count ? [...wanted] : null;
    return fixed > 0 && count % fixed === 0 ? wanted.map((size) => (size === -1 ? count / fixed : size)) : null;
  }
  const withoutOnes = (shape: readonly number[]) => shape.filter((size) => size !== 1);
  return varying === 0 && fixed === count && matches(withoutOnes(wanted), withoutOnes(given)) ? [...wanted] : null;
}

function matches(wanted: readonly number[], given: readonly number[]): boolean {
  return wanted.length === given.length && wanted.every((size, axis) => size === -1 || size === given[axis]);
}

/** A tensor of rows: `count` values a row, each row shaped as `given`. Throws `invalid_request` where that does not fit. */
export function tensorOfRows(spec: TensorSpec, rows: number, given: readonly number[], values: ArrayLike<unknown>): Tensor {
  const wanted = spec.shape.slice(1);
  const count = rows === 0 ? elementCount(wanted.map((size) => Math.max(size, 0))) : values.length / rows;
  const shape = rows === 0 ? wanted.map((size) => Math.max(size, 0)) : fitShape(wanted, given, count);
  if (shape === null) {
    const form = given.length <= 1 ? valuesText(count) : `the shape [${given.join(',')}]`;
    throw new PlatformError(
      'invalid_request',
      `a row of input '${spec.name}' has ${form}, the model takes ${describeTensor(spec)}: ${wantedText(wanted)} in each row`,
    );
  }
  return { name: spec.name, datatype: spec.datatype, shape: [rows, ...shape], data: packElements(spec.name, spec.datatype, values) };
}

/** A tensor that is the whole input. Throws `invalid_request` where the elements, given as `given`, do not fit. */
export function wholeTensor(spec: TensorSpec, given: readonly number[], values: ArrayLike<unknown>): Tensor {
  const shape = fitShape(spec.shape, given, values.length);
  if (shape === null) {
    throw new PlatformError('invalid_request', `input '${spec.name}' is ${describeTensor(spec)}, got the shape [${given.join(',')}]`);
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

/** Appends the elements of nested lists to `into` and answers their shape; throws where lists side by side differ. */
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
