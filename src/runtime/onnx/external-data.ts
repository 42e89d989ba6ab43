/**
 * Tensors of an ONNX model that are not in its file but in data files beside it. Models above 2 GiB have no other form, and it is the
 * default of torch.onnx.export. Here each of these files is checked against what the tensors say, before onnxruntime maps it.
 */
import {
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type SparseTensorProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType as Type,
} from 'onnx-buf';
import { PlatformError } from '../../errors.ts';
import type { DataFile } from '../worker-files.ts';
import { dataFileName } from './data-file-name.ts';

/** What the tensors need of one file. */
interface Needed {
  tensors: number;
  /** Where the last tensor in the file ends. */
  bytes: number;
}

/** Bits of an element; strings have no fixed size, and no external form. */
const elementBits: Readonly<Record<number, number>> = {
  [Type.FLOAT]: 32,
  [Type.UINT8]: 8,
  [Type.INT8]: 8,
  [Type.UINT16]: 16,
  [Type.INT16]: 16,
  [Type.INT32]: 32,
  [Type.INT64]: 64,
  [Type.BOOL]: 8,
  [Type.FLOAT16]: 16,
  [Type.DOUBLE]: 64,
  [Type.UINT32]: 32,
  [Type.UINT64]: 64,
  [Type.COMPLEX64]: 64,
  [Type.COMPLEX128]: 128,
  [Type.BFLOAT16]: 16,
  [Type.FLOAT8E4M3FN]: 8,
  [Type.FLOAT8E4M3FNUZ]: 8,
  [Type.FLOAT8E5M2]: 8,
  [Type.FLOAT8E5M2FNUZ]: 8,
  [Type.UINT4]: 4,
  [Type.INT4]: 4,
  [Type.FLOAT4E2M1]: 4,
  [Type.FLOAT8E8M0]: 8,
  [Type.UINT2]: 2,
  [Type.INT2]: 2,
};

/** As in a message of the Open Inference Protocol. */
const dimensionsMax = 64;

/**
 * Returns the names of the data files that the model needs, in the order in which it names them. Throws `invalid_request` if a name leads
 * out of the folder, or if a file is missing, shorter or longer than its tensors.
 */
export function checkExternalData(model: ModelProto, files: readonly Pick<DataFile, 'name' | 'bytes'>[]): string[] {
  const needed = new Map<string, Needed>();
  for (const tensor of tensorsOf(model)) {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) continue;
    const { name, end } = placeOf(tensor);
    const { tensors, bytes } = needed.get(name) ?? { tensors: 0, bytes: 0 };
    needed.set(name, { tensors: tensors + 1, bytes: Math.max(bytes, end) });
  }
  for (const [name, need] of needed) checkFile(name, need, files.find((file) => file.name === name)?.bytes ?? null);
  return [...needed.keys()];
}

function checkFile(name: string, { tensors, bytes: expected }: Needed, found: number | null): void {
  if (found === expected) return;
  const weights = tensors === 1 ? 'one tensor is' : `${tensors} tensors are`;
  if (found === null) {
    throw invalidData(
      `the data file ${name} is missing: ${weights} in it, expected ${expected} bytes. Send it together with the model: ` +
        'as a folder or as a .zip or .tar.gz archive, or run penstock register FILE.onnx where it is beside the model',
    );
  }
  if (found < expected) {
    throw invalidData(`the data file ${name} is cut off: expected ${expected} bytes, got ${found}. Copy or export it again`);
  }
  throw invalidData(
    `the data file ${name} is too long: expected ${expected} bytes, where its last tensor ends, got ${found}. ` +
      'It belongs to another model or was appended to: delete it and export the model again',
  );
}

/** The file of an external tensor, and where the tensor ends in it. */
function placeOf({ name: tensor, externalData, dataType, dims }: TensorProto): { readonly name: string; readonly end: number } {
  const entry = (wanted: string): string | undefined => {
    const values = externalData.filter(({ key }) => key === wanted).map(({ value }) => value);
    if (values.length > 1) throw invalidData(`tensor '${tensor}' has ${values.length} values for ${wanted} of its data: expected one`);
    return values[0];
  };
  const name = dataFileName(entry('location') ?? '', tensor);
  const bits = elementBits[dataType];
  if (bits === undefined)
    throw invalidData(`tensor '${tensor}' has the datatype ${Type[dataType] ?? dataType}, which cannot be in a data file`);
  if (dims.length > dimensionsMax) throw invalidData(`tensor '${tensor}' has ${dims.length} dimensions: expected at most ${dimensionsMax}`);
  const elements = dims.reduce((product, size) => product * size, 1n);
  const bytes = Number((elements * BigInt(bits) + 7n) / 8n);
  const offset = numberOf(entry('offset'), 'offset', tensor) ?? 0;
  const length = numberOf(entry('length'), 'length', tensor) ?? bytes;
  // onnxruntime reads 0 as "not given".
  if (length !== 0 && length !== bytes) {
    throw invalidData(`tensor '${tensor}' says that it has ${length} bytes in ${name}: expected ${bytes} for [${dims.join(',')}]`);
  }
  return { name, end: offset + bytes };
}

function numberOf(text: string | undefined, what: string, tensor: string): number | null {
  if (text === undefined || text === '') return null;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw invalidData(`tensor '${tensor}' has the ${what} '${text.slice(0, 40)}': expected a number of bytes`);
  return value;
}

function invalidData(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/** Tensors of the main graph, the model's own functions and its training info. */
function* tensorsOf({ graph, functions, trainingInfo }: ModelProto): Generator<TensorProto> {
  if (graph !== undefined) yield* tensorsIn(graph);
  for (const { node, attributeProto } of functions) {
    for (const { attribute } of node) yield* tensorsInAttributes(attribute);
    yield* tensorsInAttributes(attributeProto);
  }
  for (const { initialization, algorithm } of trainingInfo) {
    if (initialization !== undefined) yield* tensorsIn(initialization);
    if (algorithm !== undefined) yield* tensorsIn(algorithm);
  }
}

/** Every tensor of a graph, including sparse ones, attributes, and graphs within its nodes (loops, branches). */
function* tensorsIn({
  initializer,
  sparseInitializer,
  node,
}: Pick<GraphProto, 'initializer' | 'sparseInitializer' | 'node'>): Generator<TensorProto> {
  yield* initializer;
  for (const sparse of sparseInitializer) yield* tensorsOfSparse(sparse);
  for (const { attribute } of node) yield* tensorsInAttributes(attribute);
}

function* tensorsInAttributes(attributes: readonly AttributeProto[]): Generator<TensorProto> {
  for (const { t, tensors, sparseTensor, sparseTensors, g, graphs } of attributes) {
    if (t !== undefined) yield t;
    yield* tensors;
    for (const sparse of sparseTensor === undefined ? sparseTensors : [sparseTensor, ...sparseTensors]) yield* tensorsOfSparse(sparse);
    for (const graph of g === undefined ? graphs : [g, ...graphs]) yield* tensorsIn(graph);
  }
}

function* tensorsOfSparse({ values, indices }: SparseTensorProto): Generator<TensorProto> {
  if (values !== undefined) yield values;
  if (indices !== undefined) yield indices;
}
