/**
 * The JSON bodies of invoke:
 *
 *   {"instances": [row, row, …]}    one value or list a row; with several inputs {"name": value, …} a row
 *   {"inputs": [{"name", "shape", "datatype"?, "data"}, …]}    whole tensors, as the Open Inference Protocol writes them
 *   [row, row, …]                   the instances alone
 *   {"features": row}               one row, as SageMaker's own algorithms take it, also among instances: of the one input
 */
import { asPlatformError, PlatformError } from '../../errors.ts';
import { describeTensor, elementCount, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { packElements } from './elements.ts';
import { fitShape, flattenInto, hasRows, type Invocation, namesOf, onlyInput, runOneByOne, tensorOfRows } from './invocation.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Decodes the text of a body: into one invocation, or into one for each row where the model takes a row at a time.
 * Throws `invalid_request` with what is wrong and where.
 */
export function decodeJson(signature: Signature, text: string): readonly Invocation[] {
  const value = parse(text);
  const bare = bareInstances(signature, value);
  if (bare !== null) return decodeInstances(signature, bare);
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
  if (instances !== undefined) return decodeInstances(signature, instances);
  return [fromTensors(signature, listOf('inputs', inputs))];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', `the body is not JSON: ${(cause as Error).message.slice(0, 200)}`, { cause });
  }
}

/**
 * The instances of a body that does not call them so: of a list of rows, of one row, and of `{"features": row}`. Null where it is
 * none of these. Throws `invalid_request` for a list that may as well be one row as many.
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

/** What stands in `instances`, parsed; the answer is as that of `decodeJson`. */
export function decodeInstances(signature: Signature, value: unknown): readonly Invocation[] {
  const instances = listOf('instances', value);
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

/** What is wrong with one of several instances, whose number is told. */
function ofInstance(error: unknown, index: number): PlatformError {
  const { code, message, hint } = asPlatformError(error);
  const named = message.startsWith('instances[0]')
    ? message.replace('instances[0]', `instances[${index}]`)
    : `instances[${index}]: ${message}`;
  return new PlatformError(code, named, { cause: error, ...(hint === undefined ? {} : { hint }) });
}

/** Whether the model has no dimension for the rows, so that each is a request of its own. */
function isOneByOne({ inputs }: Signature, instances: readonly unknown[]): boolean {
  if (inputs.some(hasRows)) return false;
  const [spec, ...others] = inputs;
  if (spec === undefined || others.length > 0) return instances.length > 1;
  const [first] = instances;
  const elements: unknown[] = [];
  flattenInto(isFields(first) ? (first[spec.name] ?? first[features]) : first, elements, `input '${spec.name}'`);
  return runOneByOne(spec, instances.length, elements.length);
}

function fromInstances(signature: Signature, given: readonly unknown[]): Invocation {
  const instances = withoutFeatures(signature, given);
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
  for (const [index, instance] of rows.entries()) {
    const stranger = Object.keys(instance).find((name) => !names.has(name));
    if (stranger !== undefined) throw unknownInput(signature, `instances[${index}]`, stranger);
  }
  return collect(signature, rows.length, (spec) => rows.map((row, index) => valueOf(row, spec, index)), signature.inputs);
}

/** Whoever trained elsewhere calls the row so; a model may have an input of that name. */
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
): Invocation {
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

/** Whose fault it is that they are no tensor together: the first row that is none by itself, or that is of another shape than those before it. */
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

/** An input without rows: either its rows fill the fixed first dimension, or every row gives the same value. */
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

function fromTensors(signature: Signature, list: readonly unknown[]): Invocation {
  const given = new Map<string, Fields>();
  for (const [index, item] of list.entries()) {
    if (!isFields(item) || typeof item.name !== 'string') {
      throw new PlatformError('invalid_request', `inputs[${index}] must be {"name": …, "shape": […], "data": […]}`);
    }
    const stranger = Object.keys(item).find((key) => !['name', 'shape', 'datatype', 'data', 'parameters'].includes(key));
    if (stranger !== undefined) throw new PlatformError('invalid_request', `inputs[${index}] has the unknown field '${stranger}'`);
    if (given.has(item.name)) throw new PlatformError('invalid_request', `input '${item.name}' is given twice`);
    if (!signature.inputs.some((spec) => spec.name === item.name)) throw unknownInput(signature, 'inputs', item.name);
    given.set(item.name, item);
  }
  const inputs = signature.inputs.map((spec) => tensorOf(spec, given.get(spec.name)));
  const counts = new Set(
    inputs.filter((_, index) => hasRows(signature.inputs[index] as TensorSpec)).map((input) => input.shape[0] as number),
  );
  if (counts.size > 1) {
    throw new PlatformError(
      'invalid_request',
      `the inputs differ in their number of rows (${[...counts].join(', ')}): send the same for each`,
    );
  }
  return { inputs, rows: [...counts][0] ?? 1 };
}

function tensorOf(spec: TensorSpec, item: Fields | undefined): Tensor {
  if (item === undefined) throw new PlatformError('invalid_request', `input '${spec.name}' (${describeTensor(spec)}) is missing`);
  if (item.datatype !== undefined && item.datatype !== spec.datatype) {
    throw new PlatformError(
      'invalid_request',
      `input '${spec.name}' is ${describeTensor(spec)}, got the datatype ${JSON.stringify(item.datatype)}`,
    );
  }
  if (item.data === undefined) throw new PlatformError('invalid_request', `input '${spec.name}' has no 'data'`);
  return whole(spec, item.data, item.shape);
}

function whole(spec: TensorSpec, data: unknown, shape: unknown): Tensor {
  const elements: unknown[] = [];
  const nested = flattenInto(data, elements, `input '${spec.name}'`);
  const given = shape === undefined ? nested : shapeOf(spec, shape);
  if (elementCount(given) !== elements.length) {
    throw new PlatformError(
      'invalid_request',
      `input '${spec.name}': the shape [${given.join(',')}] holds ${elementCount(given)} elements, 'data' has ${elements.length}`,
    );
  }
  const fitting = fitShape(spec.shape, given, elements.length);
  if (fitting === null || (shape !== undefined && given.length !== fitting.length)) {
    throw new PlatformError('invalid_request', `input '${spec.name}' is ${describeTensor(spec)}, got the shape [${given.join(',')}]`);
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
    `${where}: the model has no input '${name.slice(0, 80)}', it takes ${namesOf(signature.inputs)}`,
  );
}
