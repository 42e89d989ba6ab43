/**
 * The JSON bodies of invoke:
 *
 *   {"instances": [row, row, …]}    a row is a value or a list; with several inputs it is {"name": value, …}
 *   {"inputs": [{"name", "shape", "datatype"?, "data"}, …]}    whole tensors, as the Open Inference Protocol writes them
 *   [row, row, …]                   the instances alone
 *   {"dataframe_split": …}          and other forms of MLflow, for a model with named columns: `columns.ts`
 *   {"features": row}               one row, as for SageMaker's own algorithms; also as an instance; only for a single input
 */
import { asPlatformError, PlatformError } from '../../errors.ts';
import { describeTensor, elementCount, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { checkJsonCost, tensorLimits } from '../json-limits.ts';
import { conversionHint } from '../numpy-types.ts';
import { dataframeRows, valuesByColumn } from './columns.ts';
import { packElements } from './elements.ts';
import {
  anyRows,
  fitShape,
  flattenInto,
  hasRows,
  onlyInput,
  type RowInvocation,
  type RowLimits,
  rowsMaxOf,
  runOneByOne,
  specNames,
  tensorOfRows,
  tooManyRows,
} from './invocation.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Decodes the text of a body into one invocation, or into one per row if the model takes one row per request. Throws
 * `invalid_request` with error and location, `too_large` for more rows than allowed.
 */
export function decodeJson(signature: Signature, text: string, limits: RowLimits = anyRows): readonly RowInvocation[] {
  checkJsonCost(text, tensorLimits(text, signature.inputs, rowsMaxOf(signature.inputs, limits)));
  const value = parse(text);
  const bare = dataframeRows(signature, value) ?? bareInstances(signature, value);
  if (bare !== null) return decodeInstances(signature, bare, limits);
  if (!isFields(value)) throw new PlatformError('invalid_request', 'the body is not a JSON object: send {"instances": [row, …]}');
  const body = value;
  const { instances, inputs } = body;
  const unknown = Object.keys(body).filter((key) => key !== 'instances' && key !== 'inputs');
  if (unknown.length > 0) {
    throw new PlatformError('invalid_request', `unknown field '${unknown[0]}': send {"instances": [row, …]} or {"inputs": [tensor, …]}`);
  }
  if ((instances === undefined) === (inputs === undefined)) {
    throw new PlatformError('invalid_request', 'expected one of {"instances": [row, …]} and {"inputs": [tensor, …]}');
  }
  if (instances !== undefined) return decodeInstances(signature, instances, limits);
  return [fromTensors(signature, listOf('inputs', inputs), limits)];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', `the body is not JSON: ${(cause as Error).message.slice(0, 200)}`, { cause });
  }
}

/**
 * The instances of a body without the key `instances`: a list of rows, one row, or `{"features": row}`. Null if it is none of these. Throws
 * `invalid_request` for a list that could be one row or many.
 */
export function bareInstances({ inputs }: Signature, body: unknown): readonly unknown[] | null {
  if (isFields(body)) return isFeatures(body) ? [body] : null;
  if (!Array.isArray(body)) return null;
  const list: readonly unknown[] = body;
  const [spec, ...others] = inputs;
  if (list.length === 0 || spec === undefined || others.length > 0 || list.some((each) => typeof each === 'object')) return list;
  const row = hasRows(spec) ? spec.shape.slice(1) : spec.shape;
  if (row.includes(-1)) {
    throw new PlatformError('invalid_request', `a list of single values is one row or many for input '${spec.name}': send [row, …]`);
  }
  return elementCount(row) === 1 ? list : [list];
}

const features = 'features';

function isFeatures(value: Fields): boolean {
  const [name, ...others] = Object.keys(value);
  return name === features && others.length === 0;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(field: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new PlatformError('invalid_request', `'${field}' must be a list, got ${typeof value}`);
  return value;
}

/** Decodes parsed `instances`; returns the same as `decodeJson`. */
export function decodeInstances(signature: Signature, value: unknown, limits: RowLimits = anyRows): readonly RowInvocation[] {
  const instances = listOf('instances', value);
  const rowsMax = rowsMaxOf(signature.inputs, limits);
  if (instances.length > rowsMax) throw tooManyRows(rowsMax);
  if (instances.length === 0) throw new PlatformError('invalid_request', `'instances' is empty: send at least one row`);
  if (!isOneByOne(signature, instances)) return [fromInstances(signature, instances)];
  return instances.map((instance, index) => {
    try {
      return fromInstances(signature, [instance]);
    } catch (error) {
      throw ofInstance(error, index);
    }
  });
}

/** The error of one of several instances, with the index of the instance. */
function ofInstance(error: unknown, index: number): PlatformError {
  const { code, message, hint } = asPlatformError(error);
  const named = message.startsWith('instances[0]')
    ? message.replace('instances[0]', `instances[${index}]`)
    : `instances[${index}]: ${message}`;
  return new PlatformError(code, named, { cause: error, ...(hint === undefined ? {} : { hint }) });
}

/** Whether the model has no row dimension, so each row is a separate request. */
function isOneByOne({ inputs }: Signature, instances: readonly unknown[]): boolean {
  if (inputs.some(hasRows)) return false;
  const [spec, ...others] = inputs;
  if (spec === undefined || others.length > 0) return instances.length > 1;
  const [first] = instances;
  const elements: unknown[] = [];
  flattenInto(isFields(first) ? (first[spec.name] ?? first[features]) : first, elements, `input '${spec.name}'`);
  return runOneByOne(spec, instances.length, elements.length);
}

function fromInstances(signature: Signature, provided: readonly unknown[]): RowInvocation {
  const instances = withoutFeatures(signature, provided);
  if (!instances.some(isFields)) {
    const spec = onlyInput(signature, 'a list of bare rows');
    return collect(signature, instances.length, () => instances, [spec]);
  }
  const isNamed = isFields(instances[0]);
  const other = instances.findIndex((instance) => isFields(instance) !== isNamed);
  if (other !== -1) {
    const differs = isNamed ? 'must name its inputs, as instances[0] does' : 'names its inputs, instances[0] does not';
    throw new PlatformError('invalid_request', `instances[${other}] ${differs}: rows of one request must be alike`);
  }
  const names = new Set(signature.inputs.map((spec) => spec.name));
  const rows = instances as readonly Fields[];
  const [only] = signature.inputs as [TensorSpec];
  const values = signature.inputs.length === 1 ? valuesByColumn(only, rows) : null;
  if (values !== null) return collect(signature, rows.length, () => values, [only]);
  for (const [index, instance] of rows.entries()) {
    const unknownField = Object.keys(instance).find((name) => !names.has(name));
    if (unknownField !== undefined) throw unknownInput(signature, `instances[${index}]`, unknownField);
  }
  return collect(signature, rows.length, (spec) => rows.map((row, index) => valueOf(row, spec, index)), signature.inputs);
}

/** Unwraps `features`, which SageMaker's algorithms use as the name of a row, unless the model has an input of that name. */
function withoutFeatures({ inputs }: Signature, instances: readonly unknown[]): readonly unknown[] {
  if (inputs.length !== 1 || inputs[0]?.name === features) return instances;
  return instances.every((each) => isFields(each) && isFeatures(each)) ? instances.map((each) => (each as Fields)[features]) : instances;
}

function valueOf(row: Fields, spec: TensorSpec, index: number): unknown {
  if (!Object.hasOwn(row, spec.name)) {
    throw new PlatformError('invalid_request', `instances[${index}] lacks the input '${spec.name}' (${describeTensor(spec)})`);
  }
  return row[spec.name];
}

function collect(
  signature: Signature,
  rows: number,
  column: (spec: TensorSpec) => readonly unknown[],
  specs: readonly TensorSpec[],
): RowInvocation {
  const inputs = specs.map((spec) => (hasRows(spec) ? stack(spec, column(spec)) : shared(signature, spec, column(spec))));
  return { inputs, rows: specs.some(hasRows) ? rows : 1 };
}

function stack(spec: TensorSpec, values: readonly unknown[]): Tensor {
  try {
    return stacked(spec, values).tensor;
  } catch (error) {
    throw values.length === 1 ? error : faultIn(spec, values, error);
  }
}

function stacked(spec: TensorSpec, values: readonly unknown[]): { readonly tensor: Tensor; readonly row: readonly number[] } {
  const elements: unknown[] = [];
  const [, ...row] = flattenInto(values, elements, `input '${spec.name}'`);
  return { tensor: tensorOfRows(spec, values.length, row, elements), row };
}

/** Finds the row that prevents a common tensor: the first that is invalid alone, or whose shape differs from those before it. */
function faultIn(spec: TensorSpec, values: readonly unknown[], error: unknown): unknown {
  let before: string | null = null;
  for (const [index, value] of values.entries()) {
    try {
      const shape = `[${stacked(spec, [value]).row.join(',')}]`;
      before ??= shape;
      if (shape === before) continue;
      const message = `input '${spec.name}' has the shape ${shape}, in instances before it ${before}: rows of one request must be alike`;
      return ofInstance(new PlatformError('invalid_request', message), index);
    } catch (own) {
      return ofInstance(own, index);
    }
  }
  return error;
}

/** Decodes an input without rows: either its rows fill the fixed first dimension, or every row has the same value. */
function shared(signature: Signature, spec: TensorSpec, values: readonly unknown[]): Tensor {
  if (signature.inputs.length === 1 && spec.shape.length > 0 && spec.shape[0] === values.length) return stack(spec, values);
  const first = JSON.stringify(values[0]);
  if (values.some((value) => JSON.stringify(value) !== first)) {
    throw new PlatformError(
      'invalid_request',
      `input '${spec.name}' (${describeTensor(spec)}) is one for the whole request: give the same value in every row`,
    );
  }
  return whole(spec, values[0], undefined);
}

function fromTensors(signature: Signature, list: readonly unknown[], { rowsMax }: RowLimits): RowInvocation {
  const provided = new Map<string, Fields>();
  for (const [index, item] of list.entries()) {
    if (!isFields(item) || typeof item.name !== 'string') {
      throw new PlatformError('invalid_request', `inputs[${index}] must be {"name": …, "shape": […], "data": […]}`);
    }
    const unknownField = Object.keys(item).find((key) => !['name', 'shape', 'datatype', 'data', 'parameters'].includes(key));
    if (unknownField !== undefined) throw new PlatformError('invalid_request', `inputs[${index}] has the unknown field '${unknownField}'`);
    if (provided.has(item.name)) throw new PlatformError('invalid_request', `input '${item.name}' is given twice`);
    if (!signature.inputs.some((spec) => spec.name === item.name)) throw unknownInput(signature, 'inputs', item.name);
    provided.set(item.name, item);
  }
  const inputs = signature.inputs.map((spec) => tensorOf(spec, provided.get(spec.name)));
  const counts = new Set(
    inputs.filter((_, index) => hasRows(signature.inputs[index] as TensorSpec)).map((input) => input.shape[0] as number),
  );
  if (counts.size > 1) {
    throw new PlatformError(
      'invalid_request',
      `the inputs differ in their number of rows (${[...counts].join(', ')}): send the same for each`,
    );
  }
  const [rows = 1] = counts;
  if (rows > rowsMax) throw tooManyRows(rowsMax);
  return { inputs, rows };
}

function tensorOf(spec: TensorSpec, item: Fields | undefined): Tensor {
  if (item === undefined) throw new PlatformError('invalid_request', `input '${spec.name}' (${describeTensor(spec)}) is missing`);
  if (item.datatype !== undefined && item.datatype !== spec.datatype) {
    throw new PlatformError(
      'invalid_request',
      `input '${spec.name}' is ${describeTensor(spec)}, got the datatype ${JSON.stringify(item.datatype)}${conversionHint(item.datatype, spec.datatype)}`,
    );
  }
  if (item.data === undefined) throw new PlatformError('invalid_request', `input '${spec.name}' has no 'data'`);
  return whole(spec, item.data, item.shape);
}

function whole(spec: TensorSpec, data: unknown, shape: unknown): Tensor {
  const elements: unknown[] = [];
  const nested = flattenInto(data, elements, `input '${spec.name}'`);
  const provided = shape === undefined ? nested : shapeOf(spec, shape);
  if (elementCount(provided) !== elements.length) {
    throw new PlatformError(
      'invalid_request',
      `input '${spec.name}': the shape [${provided.join(',')}] holds ${elementCount(provided)} elements, 'data' has ${elements.length}`,
    );
  }
  const fitting = fitShape(spec.shape, provided, elements.length);
  if (fitting === null || (shape !== undefined && provided.length !== fitting.length)) {
    throw new PlatformError('invalid_request', `input '${spec.name}' is ${describeTensor(spec)}, got the shape [${provided.join(',')}]`);
  }
  return { name: spec.name, datatype: spec.datatype, shape: fitting, data: packElements(spec.name, spec.datatype, elements) };
}

function shapeOf(spec: TensorSpec, shape: unknown): readonly number[] {
  if (Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return shape as number[];
  throw new PlatformError('invalid_request', `input '${spec.name}': 'shape' must be a list of whole numbers, such as [2,4]`);
}

function unknownInput(signature: Signature, where: string, name: string): PlatformError {
  return new PlatformError(
    'invalid_request',
    `${where}: the model has no input '${name.slice(0, 80)}', it takes ${specNames(signature.inputs)}`,
  );
}
