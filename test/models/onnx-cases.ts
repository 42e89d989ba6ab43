/** Cases of the ONNX project's backend tests, as `bench/onnx-backend/cases.py` writes them: a model, inputs, and what onnxruntime returned. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Datatype, elementsOf, type Tensor } from '../../src/tensor.ts';
import { modelPath, sample } from './index.ts';

export interface OnnxCase {
  readonly name: string;
  readonly modelPath: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Two runs gave different results: only names, datatypes and shapes can be compared. */
  readonly random: boolean;
  /** The type that no protocol carries; null if all inputs and outputs can be served. */
  readonly unserved: string | null;
}

interface TensorText {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Base64. */
  readonly data: string;
}

interface CaseText extends Pick<OnnxCase, 'random' | 'unserved'> {
  readonly inputs: readonly TensorText[];
  readonly outputs: readonly TensorText[];
}

/** All cases of a folder, by name. */
export function onnxCases(folder: string): OnnxCase[] {
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return names.map(({ name }) => onnxCase(join(folder, name), name)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The models of this folder with samples, as cases. */
export function ownCases(): OnnxCase[] {
  const files = readdirSync(new URL('samples/', import.meta.url)).filter((file) => file.endsWith('.json'));
  return files.map((file) => {
    const name = file.slice(0, -'.json'.length);
    // Its table of probabilities is only in the sample of the same model without ZipMap.
    const { outputs } = sample(name === 'iris_rf_zipmap' ? 'iris_rf' : name);
    return { name, modelPath: modelPath(name), inputs: sample(name).inputs, outputs, random: false, unserved: null };
  });
}

function onnxCase(folder: string, name: string): OnnxCase {
  const { inputs, outputs, ...rest } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CaseText;
  return { name, modelPath: join(folder, 'model.onnx'), inputs: inputs.map(tensorOf), outputs: outputs.map(tensorOf), ...rest };
}

function tensorOf({ data, ...tensor }: TensorText): Tensor {
  return { ...tensor, data: new Uint8Array(Buffer.from(data, 'base64')) };
}

/** How the outputs differ from the case's; null if they are equal, floats up to the last digits. */
export function caseDifference(outputs: readonly Tensor[], { outputs: expected, random }: OnnxCase): string | null {
  const names = (tensors: readonly Tensor[]): string => tensors.map(({ name }) => name).join(', ');
  if (names(outputs) !== names(expected)) return `outputs ${names(outputs)}, expected ${names(expected)}`;
  for (const [index, want] of expected.entries()) {
    const got = outputs[index] as Tensor;
    const [form, wanted] = [got, want].map(({ datatype, shape }) => `${datatype} [${shape.join()}]`) as [string, string];
    if (form !== wanted) return `output '${want.name}' is ${form}, expected ${wanted}`;
    if (!random && !isEqual(got, want)) return `output '${want.name}' has other values`;
  }
  return null;
}

function isEqual({ datatype, data }: Tensor, want: Tensor): boolean {
  if (Buffer.compare(data, want.data) === 0) return true;
  if (datatype !== 'FP32' && datatype !== 'FP64') return false;
  const wanted = elementsOf(datatype, want.data);
  return elementsOf(datatype, data).every((value, index) => {
    const [a, b] = [Number(value), Number(wanted[index])];
    return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-6 + 1e-5 * Math.abs(b);
  });
}
