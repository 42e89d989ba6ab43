/** Datatypes of NumPy, as pickles describe them: `numpy.dtype('f8', False, True)` and a state. */
import type { PickleDtype, PickleTuple, PickleValue } from './values.ts';
import { isKind } from './values.ts';

const itemHasObjects = 1;

/** Null if the arguments are not understood. */
export function dtypeOf(args: PickleValue): PickleDtype | null {
  const code = isKind(args, 'tuple') ? args.items[0] : null;
  if (typeof code !== 'string') return null;
  const [, letter = '', digits = ''] = /^([biufcOSUVMm])(\d{0,9})$/.exec(code) ?? [];
  if (letter === '') return null;
  const isFlexible = letter === 'V' || letter === 'S' || letter === 'U';
  const bytes = digits === '' ? (letter === 'M' || letter === 'm' ? 8 : null) : Number(digits) * (letter === 'U' ? 4 : 1);
  if (bytes === null || (bytes === 0 && !isFlexible)) return null;
  return { kind: 'dtype', code, bytes: letter === 'V' ? null : bytes, hasObjects: letter === 'O' };
}

/**
 * Applies the state (version, byte order, subtype, names, fields, bytes of an element, alignment, flags) that follows. False if it
 * is not understood, or if it changes the size.
 */
export function applyDtypeState(dtype: PickleDtype, state: PickleValue): boolean {
  if (!isKind(state, 'tuple')) return false;
  const bytes = state.items[5];
  if (dtype.code.startsWith('V')) {
    const flags = state.items[7];
    if (bytes !== Number(dtype.code.slice(1)) || typeof flags !== 'number') return false;
    dtype.bytes = bytes;
    dtype.hasObjects = (flags & itemHasObjects) !== 0;
    return true;
  }
  return bytes === -1 || bytes === dtype.bytes;
}

/** Bytes of an array with this shape; null if the shape is not understood, or too large for any file. */
export function arrayBytes(dtype: PickleDtype, shape: PickleTuple): number | null {
  let bytes = dtype.bytes;
  for (const size of shape.items) {
    if (bytes === null || typeof size !== 'number' || size < 0 || !Number.isSafeInteger(size)) return null;
    bytes *= size;
  }
  return bytes !== null && Number.isSafeInteger(bytes) ? bytes : null;
}
