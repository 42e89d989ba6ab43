/** Interprets a signature for the page: which input is a picture, which output is the answer. */
import type { VersionBody } from '../../../src/api/index.ts';

export type InputSignature = VersionBody['signature'];
export type SignatureTensor = InputSignature['inputs'][number];

/** The number of values per row; null if a size is variable. */
export function valuesPerRow({ shape }: SignatureTensor): number | null {
  const rest = shape.slice(1);
  return rest.some((size) => size < 0) ? null : rest.reduce((product, size) => product * size, 1);
}

export const isText = ({ datatype }: SignatureTensor): boolean => datatype === 'BYTES';

export interface PictureShape {
  readonly width: number;
  readonly height: number;
  /** Values per pixel; 1 means grey. */
  readonly channels: number;
  /** True for NHWC (values of a pixel are adjacent), false for NCHW. */
  readonly isInterleaved: boolean;
}

const pictureSideMax = 512;

/** [N,H,W], [N,1 or 3,H,W], [N,H,W,1 or 3], or a square number of values under a name such as `pixels`. */
export function pictureShape(input: SignatureTensor): PictureShape | null {
  if (isText(input)) return null;
  const [, a = 0, b = 0, c = 0] = input.shape;
  const fits = (width: number, height: number): boolean => width >= 4 && height >= 4 && width <= pictureSideMax && height <= pictureSideMax;
  if (input.shape.length === 4) {
    if ((a === 1 || a === 3) && fits(c, b)) return { width: c, height: b, channels: a, isInterleaved: false };
    if ((c === 1 || c === 3) && fits(b, a)) return { width: b, height: a, channels: c, isInterleaved: true };
    return null;
  }
  if (input.shape.length === 3) return fits(b, a) ? { width: b, height: a, channels: 1, isInterleaved: true } : null;
  const side = Math.sqrt(a);
  const isNamed = /pixel|image|picture|digit/i.test(input.name);
  return input.shape.length === 2 && isNamed && Number.isInteger(side) && fits(side, side)
    ? { width: side, height: side, channels: 1, isInterleaved: true }
    : null;
}

export type InputMode = 'form' | 'csv' | 'picture';

/** A form with a field per value stays readable up to this many values. */
export const formValuesMax = 30;

/** The ways to give input, the one that fits the model best first. */
export function inputModes({ inputs }: InputSignature): readonly InputMode[] {
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined && pictureShape(only) !== null) return ['picture', 'csv', 'form'];
  const values = inputs.reduce((sum, input) => sum + (valuesPerRow(input) ?? Number.POSITIVE_INFINITY), 0);
  return values <= formValuesMax ? ['form', 'csv'] : ['csv', 'form'];
}

export interface AnswerShape {
  /** The output with the class or value; null if there are only scores, or several outputs. */
  readonly answer: string | null;
  /** The output is named like a label, so it is a class even without probabilities. */
  readonly isLabel: boolean;
  /** The output with a value per class; null if there is none. */
  readonly scores: string | null;
  /** The only output is a number that is not named like a class. */
  readonly isNumber: boolean;
}

const isFloat = ({ datatype }: SignatureTensor): boolean => /^(FP|BF)/.test(datatype);

/** Names used by skl2onnx, Core ML and TensorFlow: `output_label`, `classLabel`, `class_ids`. Other integers may be counts. */
const isNamedLabel = ({ name }: SignatureTensor): boolean => /label|class|categor/i.test(name);

export function answerShape({ outputs }: InputSignature): AnswerShape {
  const singles = outputs.filter((output) => !isFloat(output) && (valuesPerRow(output) ?? 1) === 1);
  const label = singles.find(isNamedLabel);
  const scores = outputs.find((output) => isFloat(output) && (valuesPerRow(output) ?? 2) > 1)?.name ?? null;
  if (label !== undefined) return { answer: label.name, scores, isLabel: true, isNumber: false };
  if (scores !== null) return { answer: singles[0]?.name ?? null, scores, isLabel: false, isNumber: false };
  const [only] = outputs;
  const isOne = outputs.length === 1 && only !== undefined;
  return { answer: isOne ? only.name : null, scores, isLabel: false, isNumber: isOne && !/^(BYTES|BOOL)$/.test(only.datatype) };
}
