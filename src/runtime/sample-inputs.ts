/** Inputs that a model plausibly takes, made from its signature alone: for readiness, the batchability probe and profiles. */
import type { Random } from '../random.ts';
import { bytesOf, elementCount, encodeStrings, newArray, type Signature, type Tensor, type TensorSpec } from '../tensor.ts';

/** What stands for a varying size other than the rows: a sequence length, an image side. */
const dynamicSizeUsual = 16;
const words = ['free', 'meeting', 'tomorrow', 'offer', 'thanks', 'report', 'click', 'hello'] as const;

/**
 * One tensor for each input. Floats lie in [0, 1), integers are 0 or 1 (an index that every table has), strings are
 * words. `rows` counts only where the first dimension varies.
 */
export function sampleInputs(signature: Signature, rows: number, random: Random, dynamicSize: number = dynamicSizeUsual): Tensor[] {
  return signature.inputs.map((spec) => sampleTensor(spec, rows, random, dynamicSize));
}

function sampleTensor(spec: TensorSpec, rows: number, random: Random, dynamicSize: number): Tensor {
  const shape = spec.shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? rows : dynamicSize));
  return { name: spec.name, datatype: spec.datatype, shape, data: sampleData(spec, elementCount(shape), random) };
}

function sampleData(spec: TensorSpec, count: number, random: Random): Uint8Array {
  const { datatype } = spec;
  if (datatype === 'BYTES') {
    const text = () => Array.from({ length: 4 }, () => words[Math.floor(random.next() * words.length)]).join(' ');
    return encodeStrings(Array.from({ length: count }, text));
  }
  const array = newArray(datatype, count);
  for (let index = 0; index < count; index++) {
    const share = random.next();
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[index] = share < 0.5 ? 0n : 1n;
    else if (array instanceof Float32Array || array instanceof Float64Array) array[index] = share;
    else if (datatype === 'FP16') array[index] = halfBits(share);
    else if (datatype === 'BF16') array[index] = bfloatBits(share);
    else array[index] = share < 0.5 ? 0 : 1;
  }
  return bytesOf(array);
}

/** The FP16 bits of a share in [0, 1), cut to 10 bits below one half: plausible is enough, exact is not asked for. */
function halfBits(share: number): number {
  return 0x3800 | Math.floor(share * 0x400); // [0.5, 1)
}

function bfloatBits(share: number): number {
  return 0x3f00 | Math.floor(share * 0x80); // [0.5, 1)
}
