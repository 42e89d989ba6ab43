/** Messages to a Python worker and its answers. The worker runs foreign code, so its answers are checked like input from outside. */
import { PlatformError } from '../errors.ts';
import { type PythonFlavour, type PythonForm, type PythonRuntime, pythonForms } from '../python-model.ts';
import { datatypes, jsonSignature, type Signature, type TensorSpec } from '../tensor.ts';
import type { SampleBody } from './probe/sample-rows.ts';

/** What a worker must know of a model that was opened before. */
export interface PythonLoad {
  readonly flavour: PythonFlavour;
  readonly form: PythonForm;
  /** Path of the file to open inside of the folder; empty for the folder. */
  readonly entry: string;
  readonly signature: Signature;
  /** Environment variables that its code reads. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Versions of libraries when it was opened, by package: a note says which differ now. */
  readonly libraries?: Readonly<Record<string, string>>;
}

/** What a worker needs to open a model for the first time. */
export interface PythonOpen {
  readonly flavour: PythonFlavour;
  readonly entry: string;
  readonly sample: SampleBody | null;
  /** Environment variables that its code reads. */
  readonly variables?: Readonly<Record<string, string>>;
  /** For a file that does not say what it takes. */
  readonly inputs?: PythonRuntime['inputs'];
}

/** What opening a model showed. */
export interface OpenedPython {
  readonly form: PythonForm;
  readonly signature: Signature;
  readonly facts: PythonFacts;
  readonly notes: readonly string[];
}

/** What opening a model showed. Foreign code reports it, so it is checked like input from outside. */
export interface PythonFacts {
  /** `3.11.7` */
  readonly python: string;
  /** Versions by the name of the package. */
  readonly libraries: Readonly<Record<string, string>>;
  /** Names of the imported modules. */
  readonly modules: readonly string[];
  /** Columns of the rows by name, if the model knows them. */
  readonly columns?: readonly { readonly name: string; readonly datatype: string }[];
  /** Labels of a classifier, as texts. */
  readonly classes?: readonly string[];
}

const tensorsMax = 4096;
const rankMax = 32;
const namesMax = 20_000;
const notesMax = 50;
const textMax = 1000;

/** Throws `model_failed` if the worker did not keep to the protocol. */
export function openedOf(answer: unknown): OpenedPython {
  const { form, inputs, outputs, facts, notes } = recordOf(answer, 'an object');
  if (!pythonForms.includes(form as PythonForm)) throw malformed(`form ${shown(form)}`);
  const known = factsOf(facts);
  return {
    form: form as PythonForm,
    signature: signatureOf(form as PythonForm, { inputs: specsOf(inputs), outputs: specsOf(outputs) }, known),
    facts: known,
    notes: textsOf(notes ?? [], notesMax),
  };
}

/** The signature with what clients need to know: which texts are JSON, and the names of the columns of a row. */
function signatureOf(form: PythonForm, signature: Signature, { columns }: PythonFacts): Signature {
  if (form === 'json') return jsonSignature;
  const [input, ...others] = signature.inputs;
  if (input === undefined || others.length > 0 || columns === undefined) return signature;
  const isRow = input.shape.length === 2 && input.shape[0] === -1 && input.shape[1] === columns.length;
  const names = columns.map(({ name }) => name);
  if (!isRow || new Set(names).size < names.length) return signature;
  return { ...signature, inputs: [{ ...input, columns: names }] };
}

function factsOf(provided: unknown): PythonFacts {
  const { python, libraries, modules, columns, classes } = recordOf(provided, 'facts');
  const versions = Object.entries(recordOf(libraries ?? {}, 'libraries')).slice(0, namesMax);
  return {
    python: textOf(python),
    libraries: Object.fromEntries(versions.map(([name, version]) => [textOf(name), textOf(version)])),
    modules: textsOf(modules ?? [], namesMax),
    ...(columns === undefined || columns === null ? {} : { columns: listOf(columns, namesMax).map(columnOf) }),
    ...(classes === undefined || classes === null ? {} : { classes: textsOf(classes, namesMax) }),
  };
}

function columnOf(provided: unknown): { readonly name: string; readonly datatype: string } {
  const { name, datatype } = recordOf(provided, 'a column');
  return { name: textOf(name), datatype: textOf(datatype) };
}

function specsOf(provided: unknown): readonly TensorSpec[] {
  const specs = listOf(provided, tensorsMax).map((each): TensorSpec => {
    const { name, datatype, shape } = recordOf(each, 'a tensor');
    const isDatatype = typeof datatype === 'string' && Object.hasOwn(datatypes, datatype);
    const sizes = listOf(shape, rankMax);
    const isShape = sizes.every((size) => Number.isSafeInteger(size) && (size as number) >= -1);
    if (!isDatatype || !isShape) throw malformed(`a tensor of ${shown(datatype)} ${shown(shape)}`);
    return { name: textOf(name), datatype: datatype as TensorSpec['datatype'], shape: sizes as number[] };
  });
  if (new Set(specs.map(({ name }) => name)).size < specs.length) throw malformed('two tensors of one name');
  return specs;
}

function recordOf(provided: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof provided !== 'object' || provided === null || Array.isArray(provided)) throw malformed(`${shown(provided)} for ${what}`);
  return provided as Record<string, unknown>;
}

function listOf(provided: unknown, max: number): readonly unknown[] {
  if (!Array.isArray(provided) || provided.length > max) throw malformed(`${shown(provided)} for a list of at most ${max}`);
  return provided;
}

function textsOf(provided: unknown, max: number): readonly string[] {
  return listOf(provided, max).map(textOf);
}

function textOf(provided: unknown): string {
  if (typeof provided !== 'string') throw malformed(`${shown(provided)} for a text`);
  return provided.slice(0, textMax);
}

function shown(provided: unknown): string {
  return (JSON.stringify(provided) ?? 'nothing').slice(0, 100);
}

function malformed(what: string): PlatformError {
  return new PlatformError('model_failed', `the Python worker answered ${what}: expected the description of a model`);
}
