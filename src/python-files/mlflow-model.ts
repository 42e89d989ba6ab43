/** Folders that MLflow saved: MLmodel names the loader, the versions and the signature. */
import { PlatformError } from '../errors.ts';
import type { Datatype, TensorSpec } from '../tensor.ts';
import { librariesOf } from './pickle-model.ts';
import { printable } from './printable.ts';
import type { RecognisedModel } from './recognised-model.ts';
import { readYaml, type YamlValue } from './yaml-subset.ts';

const columnDatatypes: Readonly<Record<string, Datatype>> = {
  boolean: 'BOOL',
  integer: 'INT32',
  long: 'INT64',
  float: 'FP32',
  double: 'FP64',
  string: 'BYTES',
  binary: 'BYTES',
  datetime: 'BYTES',
};
const tensorDatatypes: Readonly<Record<string, Datatype>> = {
  bool: 'BOOL',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  object: 'BYTES',
  str: 'BYTES',
};
const columnsMax = 10_000;

/** Without `imports`: the files of the folder decide. Throws `invalid_request` if the text is not an MLmodel. */
export function mlflowModel(text: string): Omit<RecognisedModel, 'entry' | 'imports'> {
  const root = readYaml(text, 'MLmodel');
  const flavours = member(root, 'flavors');
  const pyfunc = member(flavours, 'python_function');
  const loader = member(pyfunc, 'loader_module');
  if (typeof loader !== 'string') {
    throw new PlatformError(
      'invalid_request',
      'MLmodel has no flavor python_function with a loader_module: expected a model that mlflow.pyfunc can load',
    );
  }
  const inputs = schemaOf(member(member(root, 'signature'), 'inputs'));
  const library = loader.startsWith('mlflow.') ? (loader.split('.')[1] as string) : '';
  const code = member(pyfunc, 'code');
  const madeWith = versionsOf(root, flavours);
  const versions = Object.entries(madeWith).map((version) => version.join(' '));
  return {
    flavour: 'mlflow',
    form: inputs === null ? null : 'tensors',
    libraries: [...new Set(['mlflow', ...librariesOf([library])])].sort(),
    madeWith,
    ...(inputs === null ? {} : signatureOf(inputs)),
    notes: [
      `loads with ${printable(loader)}`,
      ...(versions.length === 0 ? [] : [`made with ${versions.join(', ')}`]),
      ...(typeof code === 'string' ? [`runs code of its folder ${printable(code)}`] : []),
      ...(inputs === null ? ['its MLmodel has no signature of columns or tensors: give a sample'] : []),
    ],
  };
}

/** One type for all columns makes one input of rows; otherwise each column is an input. Tensors are inputs as they are. */
function signatureOf(specs: readonly TensorSpec[]): Pick<RecognisedModel, 'inputs' | 'columns'> {
  const [first] = specs;
  const isTable = specs.every(({ shape, datatype }) => shape.length === 1 && datatype === first?.datatype && datatype !== 'BYTES');
  if (first === undefined || !isTable || specs.length === 1) return { inputs: specs };
  return {
    inputs: [{ name: 'x', datatype: first.datatype, shape: [-1, specs.length] }],
    columns: specs.map(({ name }) => name),
  };
}

/** Null if the schema is missing, or has types that are not tensors. */
function schemaOf(text: YamlValue | undefined): TensorSpec[] | null {
  if (typeof text !== 'string') return null;
  const schema = parsed(text);
  if (!Array.isArray(schema) || schema.length === 0 || schema.length > columnsMax) return null;
  const specs = schema.map((item, index) => specOf(item as Readonly<Record<string, unknown>> | null, index));
  return specs.every((spec) => spec !== null) ? specs : null;
}

function specOf(item: Readonly<Record<string, unknown>> | null, index: number): TensorSpec | null {
  if (item === null || typeof item !== 'object') return null;
  const type = item['type'];
  const name = typeof item['name'] === 'string' ? item['name'] : index === 0 ? 'x' : `input_${index}`;
  if (type !== 'tensor') {
    const datatype = typeof type === 'string' && Object.hasOwn(columnDatatypes, type) ? columnDatatypes[type] : undefined;
    return datatype === undefined ? null : { name, datatype, shape: [-1] };
  }
  const { dtype, shape } = (item['tensor-spec'] ?? {}) as Readonly<Record<string, unknown>>;
  const datatype = typeof dtype === 'string' && Object.hasOwn(tensorDatatypes, dtype) ? tensorDatatypes[dtype] : undefined;
  const isShape = Array.isArray(shape) && shape.length <= 32 && shape.every((size) => Number.isSafeInteger(size) && size >= -1);
  return datatype === undefined || !isShape ? null : { name, datatype, shape: shape as number[] };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('invalid_request', 'the signature in MLmodel is malformed JSON. Save the model again', { cause });
  }
}

function versionsOf(root: YamlValue, flavours: YamlValue | undefined): Record<string, string> {
  const sklearn = member(member(flavours, 'sklearn'), 'sklearn_version');
  const xgboost = member(member(flavours, 'xgboost'), 'xgb_version');
  const all = { mlflow: member(root, 'mlflow_version'), 'scikit-learn': sklearn, xgboost };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, version]) => (typeof version === 'string' ? [[name, printable(version)]] : [])),
  );
}

function member(value: YamlValue | undefined, key: string): YamlValue | undefined {
  return value instanceof Map ? (value as ReadonlyMap<string, YamlValue>).get(key) : undefined;
}
