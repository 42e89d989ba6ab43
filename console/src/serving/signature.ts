/** What a model takes and gives, as the page sees it: which input is a picture, which output is the answer. */
import type { VersionBody } from '../../../src/api/index.ts';

export type Signature = VersionBody['signature'];
export type TensorSpec = Signature['inputs'][number];

/** How many values a row has; null where the file does not say. */
export function valuesPerRow({ shape }: TensorSpec): number | null {
  const rest = shape.slice(1);
  return rest.some((size) => size < 0) ? null : rest.reduce((product, size) => product * size, 1);
}

export const isText = ({ datatype }: TensorSpec): boolean => datatype === 'BYTES';

export interface PictureShape {
  readonly width: number;
  readonly height: number;
  /** Values of a pixel; the picture is grey with one. */
  readonly channels: number;
  /** Whether the values of a pixel lie together (NHWC), or each channel by itself (NCHW). */
  readonly isInterleaved: boolean;
}

const pictureSideMax = 512;

/** [N,H,W], [N,1 or 3,H,W], [N,H,W,1 or 3], or as many values as a square has under a name that says picture. */
export function pictureShape(input: TensorSpec): PictureShape | null {
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

export interface AnswerShape {
  /** The output that is the class, or the value; null where only scores are given, or several values. */
  readonly answer: string | null;
  /** It is called a label: a class even where no probabilities stand beside it. */
  readonly isLabel: boolean;
  /** The output with a value for each class; null where there is none. */
  readonly scores: string | null;
  /** The only output is a number, and nothing says that it names a class. */
  readonly isNumber: boolean;
}

const isFloat = ({ datatype }: TensorSpec): boolean => /^(FP|BF)/.test(datatype);

/** As skl2onnx, Core ML and TensorFlow call it: `output_label`, `classLabel`, `class_ids`. A whole number by another name may be a count. */
const isNamedLabel = ({ name }: TensorSpec): boolean => /label|class|categor/i.test(name);

export function answerShape({ outputs }: Signature): AnswerShape {
  const singles = outputs.filter((output) => !isFloat(output) && (valuesPerRow(output) ?? 1) === 1);
  const label = singles.find(isNamedLabel);
  const scores = outputs.find((output) => isFloat(output) && (valuesPerRow(output) ?? 2) > 1)?.name ?? null;
  if (label !== undefined) return { answer: label.name, scores, isLabel: true, isNumber: false };
  if (scores !== null) return { answer: singles[0]?.name ?? null, scores, isLabel: false, isNumber: false };
  const [only] = outputs;
  const isOne = outputs.length === 1 && only !== undefined;
  return { answer: isOne ? only.name : null, scores, isLabel: false, isNumber: isOne && !/^(BYTES|BOOL)$/.test(only.datatype) };
}
