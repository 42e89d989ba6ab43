/** `model-settings.json` of MLServer, which KServe uses as well: names the library, and where the model file is. */
import { PlatformError } from '../errors.ts';
import type { PythonFlavour } from '../python-model.ts';
import { printable } from './printable.ts';

export interface MlserverSettings {
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
export function mlserverSettings(text: string): MlserverSettings {
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
