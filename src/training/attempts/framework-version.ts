/** The framework version that the image of a job names, beside that of its environment. Images of AWS are names here: they bring no packages. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

interface Framework {
  /** As its package is called. */
  readonly name: string;
  /** As many parts as the image names: `1.2`. */
  readonly version: string;
}

const packageOf: Readonly<Record<string, string>> = {
  'sagemaker-scikit-learn': 'scikit-learn',
  'sagemaker-xgboost': 'xgboost',
  'pytorch-training': 'torch',
  'huggingface-pytorch-training': 'torch',
  'tensorflow-training': 'tensorflow',
};

/** `…/sagemaker-scikit-learn:1.2-1-cpu-py3` names scikit-learn 1.2. Null for other images. Pure. */
export function namedFramework(image: string | null): Framework | null {
  const [, repository = '', version] = /([^/:]+):(\d+(?:\.\d+)+)(?:-|$)/.exec(image ?? '') ?? [];
  return version !== undefined && Object.hasOwn(packageOf, repository) ? { name: packageOf[repository] as string, version } : null;
}

/** The note of a job whose environment has another version of the framework, or none; null if there is nothing to say. */
export async function frameworkNote(image: string | null, environment: string | null, python: string): Promise<string | null> {
  const named = namedFramework(image);
  if (named === null || environment === null) return null;
  const installed = await installedVersion(python, named.name);
  if (installed !== null && `${installed}.`.startsWith(`${named.version}.`)) return null;
  const has = installed === null ? `has no ${named.name}` : `has ${installed}`;
  return `the image names ${named.name} ${named.version}, and environment ${environment} ${has}: results may differ`;
}

/** Reads the names of folders: no Python runs. Null if the package is not in the environment itself. */
async function installedVersion(python: string, name: string): Promise<string | null> {
  const lib = join(dirname(dirname(python)), 'lib');
  const wanted = new RegExp(`^${name.replaceAll('-', '[-_.]')}-(\\d[^-]*)\\.dist-info$`, 'i');
  for (const version of await namesIn(lib)) {
    if (!version.startsWith('python3')) continue;
    for (const folder of ['site-packages', 'dist-packages']) {
      for (const each of await namesIn(join(lib, version, folder))) {
        const found = wanted.exec(each)?.[1];
        if (found !== undefined) return found;
      }
    }
  }
  return null;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}
