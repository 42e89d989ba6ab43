/** Finds the answer to a row in the outputs of a model. Pure. */
import { PlatformError } from '../errors.ts';
import { floatTypes, scoreOutputOf } from '../selection/index.ts';
import type { Signature, TensorSpec } from '../tensor.ts';

/** Names of outputs, as in the results of the transform. */
export interface AnswerForm {
  /** Results are objects by output; otherwise the only output itself. */
  readonly isNamed: boolean;
  /** The output with the class or the value of a row; null: the class with the largest score. */
  readonly answer: string | null;
  /** The output with one score per class; null if there is none. */
  readonly scores: string | null;
  /** The number of scores; null if the signature leaves it open. */
  readonly classes: number | null;
  /** Scores are 32-bit floats. */
  readonly isSingle: boolean;
}

const answerNames = ['label', 'output_label', 'class', 'prediction'];

/** Throws `unsupported` if the outputs hold no answer to a row. */
export function answerFormOf(name: string, signature: Signature, isClass: boolean): AnswerForm {
  const { outputs } = signature;
  const isNamed = outputs.length > 1;
  const floats = outputs.filter(({ datatype }) => floatTypes.includes(datatype));
  if (!isClass) {
    const values = floats.filter(isOneARow);
    const [value, ...others] = values;
    if (value === undefined || others.length > 0) {
      throw unsupported(`${name} has ${values.length} outputs with one value per row: expected exactly one`);
    }
    return { isNamed, answer: value.name, scores: null, classes: null, isSingle: value.datatype === 'FP32' };
  }
  const scores = scoreOutputOf(signature);
  const answer = answerOf(outputs.filter((output) => !floats.includes(output) && isOneARow(output)));
  if (scores === null && answer === null) {
    throw unsupported(`${name} has neither a class per row nor one score per class: ${shapesText(outputs)}`);
  }
  const count = scores?.shape[1] ?? -1;
  return {
    isNamed,
    answer: answer?.name ?? null,
    scores: scores?.name ?? null,
    classes: count > 0 ? count : null,
    isSingle: scores?.datatype === 'FP32',
  };
}

/** The output with the first of the usual names, or the only one. */
function answerOf(outputs: readonly TensorSpec[]): TensorSpec | null {
  for (const name of answerNames) {
    const found = outputs.find((output) => output.name === name);
    if (found !== undefined) return found;
  }
  return outputs.length === 1 ? (outputs[0] ?? null) : null;
}

function isOneARow({ shape }: TensorSpec): boolean {
  return shape[0] === -1 && (shape.length === 1 || (shape.length === 2 && shape[1] === 1));
}

function shapesText(outputs: readonly TensorSpec[]): string {
  return outputs
    .slice(0, 8)
    .map(({ name, datatype, shape }) => `${name.slice(0, 60)} ${datatype}[${shape.join(',')}]`)
    .join(', ');
}

function unsupported(message: string): PlatformError {
  return new PlatformError('unsupported', message);
}
