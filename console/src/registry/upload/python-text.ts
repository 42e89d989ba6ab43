/** Sentences on Python models. Pure functions. */
import type { PreviewBody, VersionBody } from '../../../../src/api/index.ts';

type Recognised = NonNullable<PreviewBody['python']>;
type Flavour = Recognised['flavour'];
type Imports = NonNullable<VersionBody['python']>['imports'];

const flavourNames: Readonly<Partial<Record<Flavour, string>>> = {
  sklearn: 'scikit-learn',
  xgboost: 'XGBoost',
  lightgbm: 'LightGBM',
  catboost: 'CatBoost',
  torchscript: 'TorchScript',
  'torch-export': 'torch.export',
  mlflow: 'MLflow',
  tensorflow: 'TensorFlow SavedModel',
  keras: 'Keras',
  code: 'own code',
  'script-mode': 'a script of SageMaker',
};

/** `scikit-learn`, `own code`. A pickle can hold anything: it is named after scikit-learn only if it needs that. */
export function flavourText(flavour: Flavour, needs: readonly string[]): string {
  if (flavour === 'sklearn' && !needs.includes('scikit-learn')) return 'a pickle';
  return flavourNames[flavour] ?? flavour;
}

/** Files of these libraries describe trees: they hold no code. */
const withoutCode: ReadonlySet<Flavour> = new Set<Flavour>(['xgboost', 'lightgbm', 'catboost']);
const ownCode: ReadonlySet<Flavour> = new Set<Flavour>(['code', 'script-mode']);

/** What opening the model runs: `imports` if its files name that, `code` if it is code, `library` if only its library knows. */
export function runsOf(flavour: Flavour, imports: Imports): 'nothing' | 'imports' | 'code' | 'library' {
  if (withoutCode.has(flavour) || imports?.all.length === 0) return 'nothing';
  if (imports !== null) return 'imports';
  return ownCode.has(flavour) ? 'code' : 'library';
}

const forms: Readonly<Record<NonNullable<Recognised['form']>, string>> = {
  tensors: 'takes rows of numbers or texts, in batches',
  json: 'takes rows of JSON, in batches',
  bytes: 'takes one body at a time',
  stream: 'streams its results, one request at a time',
};

/** How its function takes requests; null if only opening it shows that. */
export function formText(form: Recognised['form']): string | null {
  return form === null ? null : forms[form];
}

/** `scikit-learn 1.9.1, numpy`: the needed packages, with the versions that wrote the files, if these are known. */
export function packagesText({ needs, made_with: versions }: Pick<Recognised, 'needs' | 'made_with'>): string {
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [...known, ...needs.filter((name) => versions[name] === undefined)].join(', ');
}

/** What real rows are for, in one sentence. */
export function sampleAdvice({ flavour, form }: Pick<Recognised, 'flavour' | 'form'>): string {
  if (flavour === 'torchscript') return 'Needed: a TorchScript file does not show what it takes.';
  if (flavour === 'mlflow' && form === null) return 'Needed: its MLmodel has no signature.';
  if (flavour === 'code') return 'Needed if predict() has no annotations.';
  return 'If given, it is opened and tested with real rows.';
}

/** `the environment sklearn`, or that of its own requirements, which may have to be built. */
export function environmentText({ runtime, python }: Pick<VersionBody, 'runtime' | 'python'>): string {
  const name = runtime.kind === 'python' ? runtime.environment.name : null;
  const requirements = python?.requirements ?? null;
  if (name === null && requirements !== null) return `an environment of its own, from ${requirements}`;
  return `the environment ${name ?? 'default'}`;
}

type Stage = NonNullable<VersionBody['python']>['stage'];

/** What a running opening does now, the number of its step first. */
export function stageSentence(stage: Stage, environment: string): string {
  if (stage === 'environment') return `Step 1 of 3: preparing ${environment}…`;
  if (stage === 'loading') return `Step 2 of 3: a worker runs its code in ${environment}, and reads its signature…`;
  if (stage === 'probe') return 'Step 3 of 3: testing whether rows can share a batch…';
  return 'Waiting for the server to open it…';
}

const sampleTypes: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  npy: 'application/x-npy',
  json: 'application/json',
  jsonl: 'application/jsonlines',
  txt: 'text/plain',
};
export const sampleFileBytesMax: number = 2 ** 20;

/** The content type of a file with rows; null if its name has none of the known endings. */
export function sampleTypeOf(fileName: string): string | null {
  return sampleTypes[fileName.slice(fileName.lastIndexOf('.') + 1).toLowerCase()] ?? null;
}
