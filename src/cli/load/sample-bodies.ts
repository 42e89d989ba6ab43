/** Made-up requests for a load: random values that fit the signature of a model. */
import { jsonElements, predictionsJson } from '../../codecs/index.ts';
import type { Random } from '../../random.ts';
import { sampleInputs } from '../../runtime/index.ts';
import type { Signature, Tensor } from '../../tensor.ts';
import type { LoadBodies } from './load-bodies.ts';

const rowsMost = 16;
/** Characters of all bodies together. At least one is made. */
const charactersMost = 8 * 2 ** 20;

/** One row per request, as JSON. Throws `PlatformError` for a row that no request, or no JSON, can hold. */
export function sampleBodies(signature: Signature, random: Random): LoadBodies {
  const bodies: string[] = [];
  let characters = 0;
  while (bodies.length < rowsMost && (bodies.length === 0 || characters + (bodies[0] as string).length <= charactersMost)) {
    const inputs = sampleInputs(signature, 1, random);
    const isRow = signature.inputs.length > 0 && signature.inputs.every(({ shape }) => shape[0] === -1);
    const body = isRow ? `{"instances":${predictionsJson(inputs, 1)}}` : `{"inputs":[${inputs.map(tensorText).join(',')}]}`;
    bodies.push(body);
    characters += body.length;
  }
  return { contentType: 'application/json', bodies, rowsCount: bodies.length };
}

/** For inputs without rows. Instances have a form for 16-bit floats too, tensors in JSON do not. */
function tensorText(tensor: Tensor): string {
  const { name, datatype, shape } = tensor;
  return `${JSON.stringify({ name, datatype, shape }).slice(0, -1)},"data":[${jsonElements(tensor)}]}`;
}
