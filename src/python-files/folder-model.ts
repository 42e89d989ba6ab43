/** A folder, such as an unpacked archive: known layouts first, then the one file in it that is a model. */
import { PlatformError } from '../errors.ts';
import type { PythonFlavour } from '../python-model.ts';
import { readSourceFile, recogniseCode } from './code-model.ts';
import { recogniseFile } from './file-model.ts';
import { mlflowModel } from './mlflow-model.ts';
import { ModelFolder } from './model-folder.ts';
import type { PickleContents } from './pickle/read-pickle.ts';
import { importsOf, librariesOf, readPickleFile } from './pickle-model.ts';
import { printable } from './printable.ts';
import type { PythonSource } from './python-source.ts';
import type { RecognisedModel, RecognitionLimits } from './recognised-model.ts';

const textBytesMax = 4 * 2 ** 20;
const picklesMax = 100;
const pickleFile = /\.(?:pkl|pickle|joblib|cloudpickle)$/;
/** The names that KServe looks for. */
const usualNames = /^model\.(?:joblib|pkl|pickle|bst|json|ubj|txt|skops|cbm|keras|pt|pt2)$/;

type FolderRecogniser = (folder: ModelFolder, limits: RecognitionLimits, script: string | null) => Promise<RecognisedModel | null>;

/** The first that knows the folder decides; null passes it on. */
const recognisers: readonly FolderRecogniser[] = [mlflow, mlserver, tensorflow, code, script, triton, onlyModel];

/** Null if the folder holds no Python model. `scriptName`: the one of script mode; null: `inference.py`. Throws like `recogniseFile`. */
export async function recogniseFolder(
  path: string,
  limits: RecognitionLimits,
  scriptName: string | null = null,
): Promise<RecognisedModel | null> {
  const whole = await ModelFolder.open(path);
  if (whole.files.some((file) => file.endsWith('.onnx'))) return null;
  const folder = whole.withoutOuterFolders();
  for (const recognise of recognisers) {
    const found = await recognise(folder, limits, scriptName);
    if (found === null) continue;
    const requirements = ['requirements.txt', 'code/requirements.txt'].find((name) => folder.has(name));
    const entry = found.entry === '' ? folder.prefix.replace(/\/$/, '') : folder.prefix + found.entry;
    return { ...found, entry, ...(requirements === undefined ? {} : { requirements: folder.prefix + requirements }) };
  }
  return null;
}

async function mlflow(folder: ModelFolder, limits: RecognitionLimits): Promise<RecognisedModel | null> {
  if (!folder.has('MLmodel')) return null;
  const model = mlflowModel(await folder.text('MLmodel', textBytesMax));
  const pickles = folder.files.filter((name) => pickleFile.test(name));
  if (pickles.length > picklesMax) throw new PlatformError('too_large', `the folder has more than ${picklesMax} pickles`);
  const contents: PickleContents[] = [];
  for (const name of pickles) contents.push(await readPickleFile(folder.pathOf(name), limits));
  const modules = contents.flatMap(({ names }) => names.map(({ module }) => module));
  return {
    ...model,
    entry: '',
    imports: contents.length === 0 ? null : importsOf(contents),
    libraries: [...new Set([...model.libraries, ...librariesOf(modules)])].sort(),
  };
}

async function mlserver(folder: ModelFolder, limits: RecognitionLimits): Promise<RecognisedModel | null> {
  if (!folder.has('model-settings.json')) return null;
  const { flavour, path } = mlserverSettings(await folder.text('model-settings.json', textBytesMax));
  const named = path === null || path === '' ? null : path;
  if (named !== null && !folder.has(named)) {
    throw new PlatformError('invalid_request', `model-settings.json names '${named.slice(0, 200)}', which is not in the folder`);
  }
  const found = named === null ? await onlyModel(folder, limits) : await recogniseFile(folder.pathOf(named), named, limits);
  if (found?.flavour === flavour) return named === null ? found : { ...found, entry: named };
  const what = found === null ? 'no such model' : `a model of ${found.flavour}`;
  throw new PlatformError('invalid_request', `model-settings.json says that the model is of ${flavour}, but the folder has ${what}`);
}

async function tensorflow(folder: ModelFolder): Promise<RecognisedModel | null> {
  if (!folder.has('saved_model.pb')) return null;
  return { flavour: 'tensorflow', entry: '', form: 'tensors', imports: null, libraries: ['tensorflow'], madeWith: {}, notes: [] };
}

async function code(folder: ModelFolder): Promise<RecognisedModel | null> {
  if (!folder.has('model.py')) return null;
  return recogniseCode(await readSourceFile(folder.pathOf('model.py'), 'model.py'), 'model.py', 'model.py');
}

async function script(folder: ModelFolder, _: RecognitionLimits, named: string | null): Promise<RecognisedModel | null> {
  if (named !== null && !folder.has(`code/${named}`) && !folder.has(named)) {
    throw new PlatformError(
      'invalid_request',
      `SAGEMAKER_PROGRAM names '${named.slice(0, 200)}', which is neither in code/ nor at the top of the archive`,
    );
  }
  const file = named ?? 'inference.py';
  for (const name of [`code/${file}`, file]) {
    const found = folder.has(name) ? recogniseScript(await readSourceFile(folder.pathOf(name), name), name) : null;
    if (found !== null) return found;
  }
  return null;
}

/** Triton's models of Python are written against its own classes. */
async function triton(folder: ModelFolder): Promise<null> {
  if (!folder.has('config.pbtxt') || !folder.files.some((name) => /^\d+\/model\.py$/.test(name))) return null;
  throw new PlatformError(
    'unsupported',
    "the folder holds a model of Triton's Python backend (config.pbtxt and model.py), which is not supported: write a model.py with load() and predict() at the top of a folder, without config.pbtxt",
  );
}

/** The one model file at the top of the folder; of several, the one with a name that KServe looks for. */
async function onlyModel(folder: ModelFolder, limits: RecognitionLimits): Promise<RecognisedModel | null> {
  const names = folder.files.filter((path) => !path.includes('/') && !path.endsWith('.py'));
  const usual = names.filter((name) => usualNames.test(name));
  const models: RecognisedModel[] = [];
  const failures: unknown[] = [];
  for (const name of usual.length === 1 ? usual : names) {
    try {
      const model = await recogniseFile(folder.pathOf(name), name, limits);
      if (model !== null) models.push({ ...model, entry: name });
    } catch (error) {
      failures.push(error); // Matters only if no other file is the model.
    }
  }
  const [model, ...others] = models;
  if (model === undefined && failures.length > 0) throw failures[0];
  if (others.length === 0) return model ?? null;
  const listed = models.slice(0, 5).map(({ entry }) => entry);
  throw new PlatformError(
    'invalid_request',
    `the folder holds ${models.length} models (${listed.join(', ')}): expected one. Register each alone, or add a model.py that loads them`,
  );
}

/** SageMaker's script mode: a Python file, by default `inference.py`, with functions of fixed names. */
const names = ['model_fn', 'input_fn', 'predict_fn', 'output_fn', 'transform_fn'];

/** Null if the file has none of the functions. Throws `invalid_request` for combinations that SageMaker's toolkit rejects. */
function recogniseScript(source: PythonSource, entry: string): RecognisedModel | null {
  const written = names.filter((name) => source.functions.has(name) || source.others.has(name));
  if (written.length === 0) return null;
  const parts = written.filter((name) => name !== 'model_fn' && name !== 'transform_fn');
  if (written.includes('transform_fn') && parts.length > 0) {
    throw new PlatformError(
      'invalid_request',
      `${entry} has transform_fn and ${parts.join(', ')}: expected transform_fn alone, or input_fn, predict_fn and output_fn`,
    );
  }
  const takesBodies = written.some((name) => name === 'transform_fn' || name === 'input_fn' || name === 'output_fn');
  return {
    flavour: 'script-mode',
    entry,
    form: takesBodies ? 'bytes' : null,
    imports: null,
    libraries: librariesOf([...source.modules]),
    madeWith: {},
    notes: [`has ${written.join(', ')}`],
  };
}

/** `model-settings.json` of MLServer, which KServe uses as well: names the library, and where the model file is. */
interface MlserverSettings {
  readonly flavour: PythonFlavour;
  /** Path inside of the folder; null for the usual name of the library. */
  readonly path: string | null;
}

const implementations: Readonly<Record<string, PythonFlavour>> = {
  'mlserver_sklearn.SKLearnModel': 'sklearn',
  'mlserver_xgboost.XGBoostModel': 'xgboost',
  'mlserver_lightgbm.LightGBMModel': 'lightgbm',
  'mlserver_mlflow.MLflowRuntime': 'mlflow',
};

/** Throws `invalid_request` if the text is malformed, `unsupported` for other implementations. */
function mlserverSettings(text: string): MlserverSettings {
  const settings = parsed(text);
  const implementation = settings['implementation'];
  if (typeof implementation !== 'string' || !Object.hasOwn(implementations, implementation)) {
    throw new PlatformError(
      'unsupported',
      `model-settings.json has the implementation '${printable(String(implementation))}', which is not supported: expected one of ${Object.keys(implementations).join(', ')}. For own code, write a model.py with load() and predict()`,
    );
  }
  const { uri } = (settings['parameters'] ?? {}) as { readonly uri?: unknown };
  return { flavour: implementations[implementation] as PythonFlavour, path: typeof uri === 'string' ? inside(uri) : null };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const settings = JSON.parse(text) as unknown;
    if (typeof settings === 'object' && settings !== null) return settings as Readonly<Record<string, unknown>>;
  } catch {
    // Reported below.
  }
  throw new PlatformError('invalid_request', 'model-settings.json is malformed: expected a JSON object');
}

function inside(uri: string): string {
  const parts = uri.split('/').filter((part) => part !== '' && part !== '.');
  if (uri.startsWith('/') || parts.includes('..') || uri.includes(':')) {
    throw new PlatformError('invalid_request', `model-settings.json has the uri '${printable(uri)}': expected a path inside of its folder`);
  }
  return parts.join('/');
}
