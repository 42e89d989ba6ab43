/** SageMaker's script mode: a Python file, by default `inference.py`, with functions of fixed names. */
import { PlatformError } from '../errors.ts';
import { librariesOf } from './pickle-model.ts';
import type { PythonSource } from './python-source.ts';
import type { RecognisedModel } from './recognised-model.ts';

const names = ['model_fn', 'input_fn', 'predict_fn', 'output_fn', 'transform_fn'];

/** Null if the file has none of the functions. Throws `invalid_request` for combinations that SageMaker's toolkit rejects. */
export function recogniseScript(source: PythonSource, entry: string): RecognisedModel | null {
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
