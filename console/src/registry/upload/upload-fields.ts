/** Converts the fields of the upload form. Pure functions. */
import type { NewVersion } from '../../api/models.ts';
import { sampleTypeOf } from './python-text.ts';

/** Derives a valid group name from a file name: `digits_mlp.v2.onnx` becomes `digits-mlp-v2`. */
export function groupOf(fileName: string): string {
  const stem = fileName.replace(/\.[^.]*$/, '');
  return stem
    .replace(/[^a-zA-Z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
}

/** What the form holds, apart from the group. */
export interface UploadFields {
  readonly description: string;
  readonly accuracy: number | null;
  /** Of a Python model; null: the default one. */
  readonly environment: string | null;
  /** Rows with which a Python model is opened. */
  readonly sample: File | null;
  /** Of a TorchScript file: `x FP32 [-1,30]`, several apart by semicolons. Empty: the sample shows them. */
  readonly inputs: string;
}

export const emptyFields: UploadFields = { description: '', accuracy: null, environment: null, sample: null, inputs: '' };

export function newVersionOf({ description, accuracy, environment, sample, inputs }: UploadFields): NewVersion {
  return {
    description: description.trim(),
    metrics: accuracy === null ? undefined : JSON.stringify({ accuracy }),
    environment,
    inputs: inputs.trim() === '' ? undefined : JSON.stringify(inputsOf(inputs) ?? []),
    sample: sample === null ? null : { body: sample, contentType: sampleTypeOf(sample.name) ?? 'application/octet-stream' },
  };
}

export interface DeclaredInput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** Null if the text is malformed. The server checks the datatypes. */
export function inputsOf(text: string): DeclaredInput[] | null {
  const found = text.split(';').map((part) => /^\s*(\S+)\s+([A-Z][A-Z0-9]+)\s+\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]\s*$/.exec(part));
  const inputs = found.flatMap((match) => {
    const [, name, datatype, shape] = match ?? [];
    return name === undefined || datatype === undefined || shape === undefined
      ? []
      : [{ name, datatype, shape: shape.split(',').map(Number) }];
  });
  return inputs.length === found.length ? inputs : null;
}
