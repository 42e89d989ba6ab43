/** Checks whether the inputs and outputs of a model have types that can be served, before onnxruntime rejects them by a number. */
import { type GraphProto, type ModelProto, type NodeProto, TensorProto_DataType, type TypeProto, type ValueInfoProto } from 'onnx-buf';
import { PlatformError } from '../../errors.ts';

/** Element types in ONNX's own notation. */
const elementNames: Readonly<Record<number, string>> = {
  [TensorProto_DataType.FLOAT]: 'float',
  [TensorProto_DataType.DOUBLE]: 'double',
};

/** Element types that onnxruntime's Node binding exchanges. */
const served = new Set<number>([
  TensorProto_DataType.FLOAT,
  TensorProto_DataType.UINT8,
  TensorProto_DataType.INT8,
  TensorProto_DataType.UINT16,
  TensorProto_DataType.INT16,
  TensorProto_DataType.INT32,
  TensorProto_DataType.INT64,
  TensorProto_DataType.STRING,
  TensorProto_DataType.BOOL,
  TensorProto_DataType.FLOAT16,
  TensorProto_DataType.DOUBLE,
  TensorProto_DataType.UINT32,
  TensorProto_DataType.UINT64,
]);

/** A type in ONNX's notation: `tensor(float)`, `seq(map(int64,tensor(float)))`, `optional(tensor(float))`. */
export function onnxTypeText(type: TypeProto | undefined): string {
  const value = type?.value;
  switch (value?.case) {
    case 'tensorType':
      return `tensor(${elementText(value.value.elemType)})`;
    case 'sparseTensorType':
      return `sparse_tensor(${elementText(value.value.elemType)})`;
    case 'sequenceType':
      return `seq(${onnxTypeText(value.value.elemType)})`;
    case 'optionalType':
      return `optional(${onnxTypeText(value.value.elemType)})`;
    case 'mapType':
      return `map(${elementText(value.value.keyType)},${onnxTypeText(value.value.valueType)})`;
    default:
      return 'unknown';
  }
}

/** An element type in ONNX's notation: `float`, `float8e4m3fn`. */
export function elementText(type: number): string {
  return elementNames[type] ?? TensorProto_DataType[type]?.toLowerCase() ?? `element type ${type}`;
}

/**
 * Throws `unsupported` if an input, or every output, has a type that cannot be served. Returns a note for each output that is dropped
 * because only it cannot.
 */
export function checkTypes({ graph }: ModelProto): string[] {
  if (graph === undefined) return [];
  for (const input of inputsOf(graph)) checkInput(input);
  for (const output of graph.output) checkElements('output', output);
  const dropped = graph.output.filter((output) => !isTensor(output));
  const described = dropped.map(({ name, type }) => `output '${name}' has the type ${onnxTypeText(type)}`);
  if (dropped.length === graph.output.length) {
    throw new PlatformError(
      'unsupported',
      `no output is a tensor: ${described.join(', ')}. Only tensors can be served: export the model with tensor outputs`,
    );
  }
  return described.map((text) => `${text}, which cannot be served; it is dropped`);
}

/** The inputs that a client sends: older files list the weights as inputs, too. */
function inputsOf(graph: GraphProto): ValueInfoProto[] {
  const weights = new Set(graph.initializer.map(({ name }) => name));
  return graph.input.filter(({ name }) => !weights.has(name));
}

function checkInput(input: ValueInfoProto): void {
  checkElements('input', input);
  if (isTensor(input)) return;
  throw new PlatformError(
    'unsupported',
    `input '${input.name}' has the type ${onnxTypeText(input.type)}, but only tensors can be served: export the model with one tensor input for each value`,
  );
}

/** A missing type is left to onnxruntime, which infers it. */
function isTensor({ type }: ValueInfoProto): boolean {
  return type?.value.case === undefined || type.value.case === 'tensorType';
}

function checkElements(kind: 'input' | 'output', { name, type }: ValueInfoProto): void {
  if (type?.value.case !== 'tensorType' || served.has(type.value.value.elemType)) return;
  const { elemType } = type.value.value;
  throw new PlatformError(
    'unsupported',
    `${kind} '${name}' has the type ${onnxTypeText(type)}, which onnxruntime does not exchange with Node: ${cureFor(elemType)}`,
  );
}

const floatExport = 'export the model in float32 or float16 (in PyTorch `model.float()` before the export)';

/** bfloat16 and the 8-bit floats with a sign have been widened before; of the rest of the narrow floats onnxruntime has no kernels on CPUs. */
const withoutKernels = new Set<number>([TensorProto_DataType.FLOAT4E2M1, TensorProto_DataType.FLOAT8E8M0]);

function cureFor(elementType: number): string {
  if (withoutKernels.has(elementType)) return floatExport;
  const isComplex = elementType === TensorProto_DataType.COMPLEX64 || elementType === TensorProto_DataType.COMPLEX128;
  return isComplex
    ? 'export the real and the imaginary parts as tensors of floats'
    : 'convert it by a Cast node in the model, for example to float';
}

/** The error of a load, with the cure if it is due to bfloat16: onnxruntime lacks most operators for it on CPUs, but does not say so. */
export function withTypeCure(error: unknown, { graph }: ModelProto): unknown {
  const isMissingOperator = error instanceof PlatformError && error.code === 'unsupported';
  if (!isMissingOperator || graph === undefined || !computesInBfloat16(graph)) return error;
  const message = `${error.message}. The model computes in bfloat16, for which onnxruntime has few operators on CPUs: ${floatExport}`;
  return new PlatformError('unsupported', message, { cause: error });
}

function computesInBfloat16({ initializer, node }: GraphProto): boolean {
  const isCast = ({ attribute }: NodeProto) =>
    attribute.some(({ name, i }) => name === 'to' && i === BigInt(TensorProto_DataType.BFLOAT16));
  return initializer.some(({ dataType }) => dataType === TensorProto_DataType.BFLOAT16) || node.some(isCast);
}
