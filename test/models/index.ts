/**
 * The models tests run on, and what an independent runtime (python3-onnxruntime 1.21) computed for them.
 * Models of the catalogue and of the conformance suite live in assets/; the others beside this file. `README.md` says which is for what.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  bytesOf,
  type Datatype,
  datatypes,
  elementsOf,
  encodeStrings,
  isDatatype,
  newArray,
  type Tensor,
  walkStrings,
} from '../../src/tensor.ts';

/** Probabilities may differ by this much from the independent runtime's; labels and strings not at all. */
export const sampleTolerance = 1e-5;

export interface Sample {
  readonly inputs: readonly Tensor[];
  /** Sequences (iris_rf_zipmap's probabilities) are left out: no runtime of ours can fetch them. */
  readonly outputs: readonly Tensor[];
  /** The true labels of the rows, where the sample comes from real data. */
  readonly labels: readonly (string | number)[] | null;
}

interface TensorText {
  readonly dtype: string;
  readonly shape?: readonly number[];
  readonly data: readonly (string | number | bigint | boolean)[];
}

interface SampleText {
  readonly inputs: Readonly<Record<string, TensorText>>;
  readonly outputs: Readonly<Record<string, TensorText>>;
  readonly labels?: readonly (string | number)[];
}

/** The file of a model, by the name without `.onnx` (`digits_mlp`). */
export function modelPath(name: string): string {
  const places = [`../../assets/catalogue/${name}.onnx`, `../../assets/conformance/${name}.onnx`, `./${name}.onnx`].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const path = places.find((place) => existsSync(place));
  assert(path !== undefined, `no model ${name} in ${places.join(' or ')}`);
  return path;
}

/** The sample of a model. test_alloc, test_fixed_batch1 and test_random have none. */
export function sample(name: string): Sample {
  const text = readFileSync(samplePath(`${name}.json`), 'utf8');
  const { inputs, outputs, labels } = JSON.parse(text, exactNumber) as SampleText;
  return {
    inputs: Object.entries(inputs).map(([input, tensor]) => tensorOf(input, tensor, samplePath(`${name}.${input}.bin`))),
    outputs: Object.entries(outputs).flatMap(([output, tensor]) => (tensor.dtype === 'sequence' ? [] : [tensorOf(output, tensor, null)])),
    labels: labels ?? null,
  };
}

/** Asserts that the tensors are the expected ones: floats within the tolerance, everything else exactly. */
export function assertSameTensors(actual: readonly Tensor[], expected: readonly Tensor[], tolerance: number = sampleTolerance): void {
  assert.deepEqual(
    actual.map(({ name }) => name),
    expected.map(({ name }) => name),
  );
  for (const [i, want] of expected.entries()) assertSameTensor(actual[i] as Tensor, want, tolerance);
}

function assertSameTensor(got: Tensor, want: Tensor, tolerance: number): void {
  const { name, datatype, shape } = want;
  assert.deepEqual({ name: got.name, datatype: got.datatype, shape: [...got.shape] }, { name, datatype, shape: [...shape] });
  if (datatype !== 'FP32' && datatype !== 'FP64') {
    assert(Buffer.from(got.data).equals(want.data), `${name}: the bytes differ`);
    return;
  }
  const wanted = elementsOf(datatype, want.data);
  for (const [i, value] of elementsOf(datatype, got.data).entries()) {
    const distance = Math.abs(Number(value) - Number(wanted[i]));
    assert(distance <= tolerance, `${name}[${i}]: expected ${wanted[i]}, got ${value}`);
  }
}

/** The rows [start, end) of a tensor whose first dimension counts rows. */
export function rowsOf(tensor: Tensor, start: number, end: number): Tensor {
  const rows = tensor.shape[0] as number;
  const shape = [end - start, ...tensor.shape.slice(1)];
  if (tensor.datatype !== 'BYTES') {
    const bytesPerRow = tensor.data.byteLength / rows;
    return { ...tensor, shape, data: tensor.data.subarray(start * bytesPerRow, end * bytesPerRow) };
  }
  const ends = [0];
  walkStrings(tensor.data, (_, elementEnd) => ends.push(elementEnd));
  const perRow = (ends.length - 1) / rows;
  return { ...tensor, shape, data: tensor.data.subarray(ends[start * perRow], ends[end * perRow]) };
}

/** The binary file wins: half precision and odd floats are exact only there. */
function tensorOf(name: string, text: TensorText, binary: string | null): Tensor {
  const datatype = datatypeOf(text.dtype);
  const data = binary !== null && existsSync(binary) ? readFileSync(binary) : encode(datatype, text.data);
  return { name, datatype, shape: text.shape ?? [], data };
}

function encode(datatype: Datatype, values: TensorText['data']): Uint8Array {
  if (datatype === 'BYTES') return encodeStrings(values.map(String));
  const array = newArray(datatype, values.length);
  const half = new Float16Array(1);
  for (const [i, value] of values.entries()) {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(value);
    else if (datatype !== 'FP16') array[i] = Number(value);
    else {
      half[0] = Number(value);
      array[i] = new Uint16Array(half.buffer)[0] as number;
    }
  }
  return bytesOf(array);
}

function datatypeOf(dtype: string): Datatype {
  const found = Object.keys(datatypes).find((name) => isDatatype(name) && datatypes[name].onnx === dtype);
  assert(found !== undefined && isDatatype(found), `unknown dtype ${dtype}`);
  return found;
}

function samplePath(file: string): string {
  return fileURLToPath(new URL(`./samples/${file}`, import.meta.url));
}

/** Integers beyond 2^53 stay exact, as bigint. */
function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const isLarge = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  return isLarge && /^-?\d+$/.test(context?.source ?? '') ? BigInt(context?.source as string) : value;
}
