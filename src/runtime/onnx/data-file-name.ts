/** Names of data files: the `location` of a tensor with external data. Pure. */
import { PlatformError } from '../../errors.ts';

/** The name of a model file that is stored together with its data files. */
export const modelFileName = 'model.onnx';
const nameBytesMax = 1024;
/** onnxruntime reads such a location as an address in its memory. */
const memoryAddress = '_ORT_MEM_ADDR_';

/**
 * The name of a data file relative to the folder of the model, without `./`. Throws `invalid_request` if it is not the name of a file in
 * that folder.
 */
export function dataFileName(location: string, tensor: string): string {
  const parts = location.split('/').filter((part) => part !== '' && part !== '.');
  const name = parts.join('/');
  const why = problemOf(location, parts);
  if (why === null) return name;
  throw new PlatformError(
    'invalid_request',
    `tensor '${tensor.slice(0, 200)}' is in the data file '${location.slice(0, 200)}', ${why}: expected the name of a file in the folder of the model. ` +
      'Save the model again with its data beside it: onnx.save(model, path, save_as_external_data=True)',
  );
}

function problemOf(location: string, parts: readonly string[]): string | null {
  if (parts.length === 0 || location.endsWith('/')) return 'which names no file';
  if (location.startsWith('/') || /^[a-z]:/i.test(location)) return 'which is an absolute path';
  if (parts.includes('..')) return 'which leads out of the folder of the model';
  if (parts.includes(memoryAddress)) return 'which names memory';
  if (/[\\\p{Cc}]/u.test(location)) return 'which has a backslash or a control character';
  if (Buffer.byteLength(location) > nameBytesMax) return `which has more than ${nameBytesMax} bytes`;
  if (parts[0]?.toLowerCase() === modelFileName) return 'which is the name of the model itself here';
  return null;
}
