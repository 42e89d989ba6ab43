/**
 * The models that the finer cases want, by the names under which they are looked for. Their files are shipped
 * (`docs/conformance.md`); whoever cannot run ONNX may serve models of his own that do the same. A server without them is asked
 * what can be asked of any model.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const fixtures = {
  /** x FP32 [-1,3] -> y = 2x + 1 [-1,3], sum of all y FP32 []. Not to be batched. */
  affine: 'test-affine',
  /** in_T [-1,2] -> out_T [-1,2], the identity for 13 datatypes. */
  dtypes: 'test-dtypes',
  /** The same for 12: those that are not for raw bytes only, which is FP16. */
  typed: 'test-typed',
  /** text BYTES [-1] -> label BYTES [-1], probabilities FP32 [-1,2]. */
  text: 'spam-text',
  /** pixels FP32 [-1,64] -> label INT64 [-1], probabilities FP32 [-1,10]. */
  digits: 'digits-mlp',
  /** x FP32 [-1,256], iters INT64 [] -> y FP32 [-1,256]; about 4 us an iteration. One instance of it. */
  slow: 'test-slow-loop',
} as const;
export type Fixture = keyof typeof fixtures;

/** Where its file lies: two of them are in the catalogue anyway. */
export function fixtureFile(name: string): string {
  const file = `${name.replaceAll('-', '_')}.onnx`;
  const places = ['conformance', 'catalogue'].map((folder) => fileURLToPath(new URL(`../../assets/${folder}/${file}`, import.meta.url)));
  const place = places.find((each) => existsSync(each));
  assert(place !== undefined, `${file} is shipped`);
  return place;
}

/** Input and answer of `affine`. */
export const affine = {
  elements: [1, 2, 3, -1, 0, 0.5],
  bytes: Buffer.from('0000803f0000004000004040000080bf000000000000003f', 'hex'),
  answer: [3, 5, 7, -1, 1, 2],
  answerBytes: Buffer.from('000040400000a0400000e040000080bf0000803f00000040', 'hex'),
  sum: 17,
} as const;
