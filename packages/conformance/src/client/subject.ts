/** The tested model: its metadata, and a valid request for it. */

import { affine, fixtures } from '../fixtures.ts';
import { messageOf, SuiteError } from '../suite-error.ts';
import { bytesOfTexts, bytesOfValues, type Datatype, elementCount, isDatatype } from './elements.ts';
import type { Json } from './wire.ts';

/** An input of a request. */
export interface Input {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
}

export interface InputSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface Binary {
  readonly inputs: readonly Json[];
  readonly bytes: Buffer;
}

/** The size for a variable dimension. */
const anySize = 1;

export class ModelUnderTest {
  readonly name: string;
  /** Never empty. Cases that need an invalid request modify the first input. */
  readonly inputs: readonly [Input, ...Input[]];
  /** From the metadata, or from the provided request if the metadata has none. */
  readonly specs: readonly InputSpec[];
  readonly outputs: readonly InputSpec[];

  /** `provided` are inputs that the model is known to accept. Throws if none can be generated. */
  constructor(name: string, metadata: Json, provided?: readonly Input[]) {
    this.name = name;
    const specs = specsOf(metadata['inputs']);
    const [first, ...others] = provided ?? specs.map((spec) => sample(name, spec));
    if (first === undefined) throw new Error(`the metadata of model '${name}' has no inputs: pass a request with --input`);
    this.inputs = [first, ...others];
    this.specs = specs.length > 0 ? specs : this.inputs;
    this.outputs = specsOf(metadata['outputs']);
  }

  get isAffine(): boolean {
    return this.name === fixtures.affine;
  }

  get first(): Input {
    return this.inputs[0];
  }

  /** The expected shape of the first input, as error messages show it. */
  get firstShape(): string {
    return `[${(this.specs.find(({ name }) => name === this.first.name) ?? this.first).shape.join(',')}]`;
  }

  /** A valid request, optionally with a modified first input. */
  request(first: Json = {}, more: Json = {}): Json {
    return { inputs: [{ ...this.first, ...first }, ...this.inputs.slice(1)], ...more };
  }

  /** The same request with binary inputs. Their bytes follow in the order of the inputs. */
  binary(): Binary {
    const parts = this.inputs.map((input) => ({ input, bytes: bytesOfInput(input) }));
    return {
      inputs: parts.map(({ input: { name, datatype, shape }, bytes }) => ({
        name,
        datatype,
        shape,
        parameters: { binary_data_size: bytes.length },
      })),
      bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
    };
  }
}

/** The inputs of a request file. Throws `invalid_request` if it is malformed. */
export function readInputs(text: string): Input[] {
  const { inputs } = parsed(text) as { readonly inputs?: unknown };
  const specs = specsOf(inputs);
  if (!Array.isArray(inputs) || inputs.length === 0 || specs.length !== inputs.length) {
    throw new SuiteError('invalid_request', 'expected a request: {"inputs": [{"name", "datatype", "shape", "data"}, …]}');
  }
  return specs.map((spec, index) => {
    const { data } = inputs[index] as Json;
    const elements = Array.isArray(data) ? (data.flat(Number.POSITIVE_INFINITY) as unknown[]) : [];
    if (elements.length === elementCount(spec.shape)) return { ...spec, data: elements };
    const found = `input '${spec.name}': shape [${spec.shape.join(',')}] needs ${elementCount(spec.shape)} elements, got ${elements.length}`;
    throw new SuiteError('invalid_request', found);
  });
}

function parsed(text: string): object {
  try {
    return Object(JSON.parse(text)) as object;
  } catch (cause) {
    throw new SuiteError('invalid_request', `the request is not valid JSON: ${messageOf(cause)}`, { cause });
  }
}

export function bytesOfInput({ datatype, data }: Input): Buffer {
  return datatype === 'BYTES' ? bytesOfTexts(data.map(String)) : bytesOfValues(datatype, data);
}

/** The tensors of a metadata document. Malformed ones are ignored here, because case C5 reports them. */
export function specsOf(tensors: unknown): InputSpec[] {
  if (!Array.isArray(tensors)) return [];
  return (tensors as Json[]).flatMap(({ name, datatype, shape }) => {
    const sizes = Array.isArray(shape) ? shape.map(Number) : null;
    return typeof name === 'string' && isDatatype(datatype) && sizes !== null ? [{ name, datatype, shape: sizes }] : [];
  });
}

function sample(model: string, { name, datatype, shape }: InputSpec): Input {
  if (model === fixtures.affine) return { name, datatype, shape: [2, 3], data: affine.elements };
  const sizes = shape.map((size) => (size < 0 ? anySize : size));
  const data = Array.from({ length: elementCount(sizes) }, (_, index) => sampleElement(datatype, index));
  return { name, datatype, shape: sizes, data };
}

/** Small values, valid as indices and without overflow. */
function sampleElement(datatype: Datatype, index: number): unknown {
  if (datatype === 'BYTES') return 'a';
  if (datatype === 'BOOL') return index % 2 === 0;
  return datatype.startsWith('FP') ? (index % 3) / 2 : index % 2;
}

/** Whether a request can be expressed in JSON, which has no form for FP16. */
export function isJsonable(specs: readonly InputSpec[]): boolean {
  return specs.length > 0 && specs.every(({ datatype }) => datatype !== 'FP16' && datatype !== 'BF16');
}
