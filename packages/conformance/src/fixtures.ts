/**
 * Models that some cases need, found by name. Their files are shipped (`docs/conformance.md`). A server that cannot run ONNX may serve its
 * own models with the same behaviour. Without them only the cases for arbitrary models run.
 */
export const fixtures = {
  /** x FP32 [-1,3] -> y = 2x + 1 [-1,3], sum of all y FP32 []. Must not be batched. */
  affine: 'test-affine',
  /** in_T [-1,2] -> out_T [-1,2], the identity for 13 datatypes. */
  dtypes: 'test-dtypes',
  /** The same for the 12 datatypes with a JSON form, without FP16. */
  typed: 'test-typed',
  /** text BYTES [-1] -> label BYTES [-1], probabilities FP32 [-1,2]. */
  text: 'spam-text',
  /** pixels FP32 [-1,64] -> label INT64 [-1], probabilities FP32 [-1,10]. */
  digits: 'digits-mlp',
  /** x FP32 [-1,256], iters INT64 [] -> y FP32 [-1,256]; about 4 us per iteration. Serve it with a single instance. */
  slow: 'test-slow-loop',
} as const;
export type Fixture = keyof typeof fixtures;

/** Input and output of `affine`. */
export const affine = {
  elements: [1, 2, 3, -1, 0, 0.5],
  bytes: Buffer.from('0000803f0000004000004040000080bf000000000000003f', 'hex'),
  answer: [3, 5, 7, -1, 1, 2],
  answerBytes: Buffer.from('000040400000a0400000e040000080bf0000803f00000040', 'hex'),
  sum: 17,
} as const;
