/** Own code: a Python file with a function `predict` or a class `Model`. */
import { open } from 'node:fs/promises';
import { PlatformError } from '../errors.ts';
import { librariesOf } from './pickle-model.ts';
import { type PythonSource, readPythonSource } from './python-source.ts';
import type { RecognisedModel } from './recognised-model.ts';

const sourceBytesMax = 4 * 2 ** 20;

/** Throws `too_large`, and `invalid_request` if the file is not UTF-8. */
export async function readSourceFile(path: string, what: string): Promise<PythonSource> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > sourceBytesMax) {
      throw new PlatformError('too_large', `${what} has ${size} bytes: expected a Python file of at most ${sourceBytesMax} bytes`);
    }
    const bytes = Buffer.alloc(size);
    const { bytesRead } = await file.read(bytes, 0, size, 0);
    return readPythonSource(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, bytesRead)));
  } catch (error) {
    if (error instanceof PlatformError || !(error instanceof TypeError)) throw error;
    throw new PlatformError('invalid_request', `${what} is not UTF-8: expected Python source`, { cause: error });
  } finally {
    await file.close();
  }
}

/** Null if the file has neither `predict` nor `Model`. Throws `invalid_request` if it has both. */
export function recogniseCode(source: PythonSource, what: string, entry: string): RecognisedModel | null {
  const hasFunction = source.functions.has('predict') || source.others.has('predict');
  const hasClass = source.classes.has('Model') || source.others.has('Model');
  if (!hasFunction && !hasClass) return null;
  if (hasFunction && hasClass) {
    throw new PlatformError(
      'invalid_request',
      `${what} has both a function predict (line ${lineOf(source, 'predict')}) and a class Model (line ${lineOf(source, 'Model')}): expected one of them. Rename the other`,
    );
  }
  return {
    flavour: 'code',
    entry,
    form: null,
    imports: null,
    libraries: librariesOf([...source.modules]),
    madeWith: {},
    notes: [],
  };
}

function lineOf({ functions, classes }: PythonSource, name: string): string {
  return String((functions.get(name) ?? classes.get(name))?.line ?? 'of an import');
}
