/** Words of Python models that several modules share: what a file holds, how its function takes requests, what it runs in. */

/** The library that opens the model, or the convention that its own code follows. */
export const pythonFlavours = [
  'sklearn',
  'skops',
  'xgboost',
  'lightgbm',
  'catboost',
  'torchscript',
  'torch-export',
  'mlflow',
  'tensorflow',
  'keras',
  'code',
  'script-mode',
] as const;
/** What a file holds, which decides by which library it is opened. */
export type PythonFlavour = (typeof pythonFlavours)[number];

/**
 * How the function takes requests. `tensors` and `json` (rows of JSON, as elements of BYTES tensors) form batches; `bytes` and `stream`
 * take one request at a time.
 */
export const pythonForms = ['tensors', 'json', 'bytes', 'stream'] as const;
/** How the model's function takes a request: as tensors, as JSON, as bytes, or as a stream. */
export type PythonForm = (typeof pythonForms)[number];

/** Of an opening: its environment is found or built, a worker starts and opens the model, batches of its rows are tried. */
export const openingStages = ['environment', 'loading', 'probe'] as const;
/** What a running opening does. */
export type OpeningStage = (typeof openingStages)[number];

/** Where a Python model runs. */
export interface EnvironmentRef {
  /** The requested environment of config.json or `penstock environments`; null: the default, or that of the model's own requirements. */
  readonly name: string | null;
  /** Key of the environment that was built for it; null for an interpreter of the operator. */
  readonly lock: string | null;
}

/** What the registry stores of a Python model, and a worker needs to load it. */
export interface PythonRuntime {
  readonly kind: 'python';
  readonly environment: EnvironmentRef;
  readonly flavour: PythonFlavour;
  /** Null until the model was opened, unless its file shows the form. */
  readonly form: PythonForm | null;
  /** Path of the file to open inside of the bundle, or empty for the bundle itself. */
  readonly entry: string;
  /** Modules that were imported when the model was opened; empty until then. */
  readonly modules: readonly string[];
  /** Versions of the libraries that opening it loaded, if they may change: by package. Absent in an environment with a lock. */
  readonly libraries?: Readonly<Record<string, string>>;
  /** Environment variables that its code reads; absent if there are none. */
  readonly variables?: Readonly<Record<string, string>>;
  /** What a file takes that does not say it itself, as its user declared it. */
  readonly inputs?: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
}
