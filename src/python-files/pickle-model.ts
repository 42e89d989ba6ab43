/** Pickles, also those of joblib and cloudpickle: scikit-learn's models, and whatever has its interface. */
import { PlatformError } from '../errors.ts';
import { ByteReader, packingOfFile } from './byte-reader.ts';
import { isKnownName, libraryPackages } from './pickle/known-names.ts';
import { type PickleContents, readPickles } from './pickle/read-pickle.ts';
import { isKind, type PickleName, type PickleValue } from './pickle/values.ts';
import { printable } from './printable.ts';
import type { PythonImports, RecognisedModel, RecognitionLimits } from './recognised-model.ts';

/** Root classes that hold rows, not models. */
const noModels: Readonly<Record<string, string>> = {
  'numpy.ndarray': 'a NumPy array',
  'numpy._core.multiarray._reconstruct': 'a NumPy array',
  'numpy.core.multiarray._reconstruct': 'a NumPy array',
  'numpy._core.numeric._frombuffer': 'a NumPy array',
  'pandas.core.frame.DataFrame': 'a DataFrame',
  'pandas.core.series.Series': 'a Series',
  'collections.OrderedDict': 'a dict',
};
const importsListedMax = 1000;

/** Throws `invalid_request` if the file is damaged, `too_large` beyond the limits. */
export async function readPickleFile(path: string, { bytesMax, opcodesMax }: RecognitionLimits): Promise<PickleContents> {
  const reader = ByteReader.ofFile(path, await packingOfFile(path), bytesMax);
  try {
    return await readPickles(reader, opcodesMax);
  } finally {
    await reader.close();
  }
}

/** Throws `invalid_request` if the file is damaged, or certainly holds no model. `what` names the file in messages. */
export async function recognisePickle(path: string, what: string, limits: RecognitionLimits): Promise<RecognisedModel> {
  const contents = await readPickleFile(path, limits);
  const wrong = noModelOf(contents.value);
  if (wrong !== null) {
    throw new PlatformError(
      'invalid_request',
      `${what} holds ${wrong}: expected an object with predict(). Save the model itself, or put a model.py beside it whose load() makes one`,
    );
  }
  return {
    flavour: 'sklearn',
    entry: '',
    form: 'tensors',
    imports: importsOf([contents]),
    libraries: librariesOf(contents.names.map(({ module }) => module)),
    madeWith: contents.sklearnVersion === null ? {} : { 'scikit-learn': contents.sklearnVersion },
    notes: notesOf(contents),
  };
}

/** Names outside of the known libraries, and anything that no library's file does, are what an approver must accept. */
export function importsOf(files: readonly PickleContents[]): PythonImports {
  const names = files.flatMap((file) => [...file.names]);
  const all = distinct(names.map(textOf));
  const outside = distinct(names.filter((name) => !isKnownName(name)).map(textOf));
  const oddities = distinct(files.flatMap(({ oddities: odd }) => odd.map((what) => `(the file ${what})`)));
  return { all: all.slice(0, importsListedMax), outside: [...outside, ...oddities].slice(0, importsListedMax) };
}

/** The packages of imported modules, of those that are known. */
export function librariesOf(modules: readonly string[]): string[] {
  const roots = modules.map((module) => module.split('.')[0] as string);
  return distinct(roots.flatMap((root) => (Object.hasOwn(libraryPackages, root) ? [libraryPackages[root] as string] : [])));
}

function notesOf({ value, sklearnVersion }: PickleContents): string[] {
  const holds = isKind(value, 'instance') ? [`holds ${textOf(value.of)}`] : [];
  return [...holds, ...(sklearnVersion === null ? [] : [`made with scikit-learn ${sklearnVersion}`])];
}

function noModelOf(value: PickleValue): string | null {
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'number') return 'a number';
  if (isKind(value, 'plain')) return value.what;
  return isKind(value, 'instance') ? (noModels[textOf(value.of)] ?? null) : null;
}

function textOf({ module, name }: PickleName): string {
  return printable(`${module}.${name}`);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
