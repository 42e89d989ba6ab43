/**
 * Maps container images of training jobs to what runs: a Python environment, or a command of the operator that speaks SageMaker's training
 * contract. Pure.
 */
import { type PlatformError } from '../../errors.ts';
import { builtInPython, type ImageEntry, imageEntryOf, unknownImage } from './images.ts';

/** What runs for one image of a training job. */
export interface TrainingImage {
  /** The name of a Python environment; null for a command of the operator. */
  readonly environment: string | null;
  /** The program of the image and its first arguments; null if the job must bring what it runs. */
  readonly command: readonly string[] | null;
  /** Variables of every job of this image. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Environments by the last part of the repository of AWS's images. */
const environmentOf: Readonly<Record<string, string>> = {
  'sagemaker-scikit-learn': 'sklearn',
  'sagemaker-xgboost': 'xgboost',
  'pytorch-training': 'pytorch',
  'huggingface-pytorch-training': 'pytorch',
  'tensorflow-training': 'tensorflow',
};
/** Environments by a word of the name, for the hint in the error. */
const frameworks: Readonly<Record<string, string>> = {
  'scikit-learn': 'sklearn',
  sklearn: 'sklearn',
  xgboost: 'xgboost',
  pytorch: 'pytorch',
  tensorflow: 'tensorflow',
};
const environmentDefault = 'python';
const namePattern = /^[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}$/;

/**
 * `penstock/python` and `penstock/python:NAME` select an environment. Other names select the first entry of the table that matches, and
 * without one AWS's framework images select the environment of the framework. Throws `invalid_request`, naming the table.
 */
export function resolveTrainingImage(entries: readonly ImageEntry[], image: string): TrainingImage {
  const { repository, runtime } = imageEntryOf(entries, image);
  const name = repository.split('/').at(-1) ?? '';
  const known = Object.hasOwn(environmentOf, name) ? environmentOf[name] : undefined;
  if (repository === builtInPython || repository.endsWith(`/${builtInPython}`)) {
    const [, tag = environmentDefault] = /^:([^@]*)/.exec(image.slice(repository.length)) ?? [];
    return pythonImage(namePattern.test(tag) && tag !== 'latest' ? tag : environmentDefault);
  }
  if (runtime?.kind === 'process') return { environment: null, command: runtime.command, variables: runtime.env };
  if (runtime?.kind === 'python') return pythonImage(runtime.environment ?? known ?? environmentDefault);
  if (runtime === null && known !== undefined) return pythonImage(known);
  throw unknownTrainingImage(entries, image, name);
}

function pythonImage(environment: string): TrainingImage {
  return { environment, command: null, variables: {} };
}

function unknownTrainingImage(entries: readonly ImageEntry[], image: string, name: string): PlatformError {
  const error = unknownImage(entries, image, [builtInPython, ...Object.keys(environmentOf)]);
  const [, environment] = Object.entries(frameworks).find(([word]) => name.toLowerCase().includes(word)) ?? [];
  if (environment !== undefined) error.message += `; or make the environment: penstock environments create ${environment}`;
  return error;
}
