/** NumPy's names of datatypes: most clients build their tensors with it, and it makes FP64 unless told otherwise. */
import { type Datatype, isDatatype } from '../tensor.ts';

const numpyTypes: Readonly<Partial<Record<Datatype, string>>> = {
  BOOL: 'bool',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
};

/** How to convert an array of one datatype to another, to append to an error; empty if NumPy has no such conversion. */
export function conversionHint(from: unknown, to: Datatype): string {
  if (!isDatatype(from) || from === to || numpyTypes[from] === undefined || numpyTypes[to] === undefined) return '';
  return `. Convert the array with .astype('${numpyTypes[to]}')`;
}
