/** Formats the bytes of an output as elements of a JSON array, without brackets. */
import { type Datatype, decodeStrings, elementsOf, type Tensor } from '../../tensor.ts';
import { joinFloats } from '../rows/float-text.ts';
import { invalidRequest } from './request-errors.ts';

const binaryHint = 'ask for binary output: parameters.binary_data of the output, or binary_data_output of the request';

/** Throws `invalid_request` for values that JSON cannot represent: FP16, NaN, Infinity, strings that are not UTF-8. */
export function jsonElements({ name, datatype, data }: Tensor): string {
  switch (datatype) {
    case 'FP32':
      return joinFloats(finite(name, elementsOf(datatype, data) as Float32Array));
    case 'FP64':
      return finite(name, elementsOf(datatype, data) as Float64Array).join(',');
    case 'BOOL':
      return booleans(data);
    case 'BYTES':
      return decodeStrings(data)
        .map((text) => JSON.stringify(text))
        .join(',');
    case 'FP16':
    case 'BF16':
      throw invalidRequest(`output '${name}' is ${datatype}, which cannot be given as JSON, use binary data`, binaryHint);
    default:
      return elementsOf(datatype satisfies Exclude<Datatype, 'BYTES'>, data).join(',');
  }
}

/** Returns the values unchanged. Throws for NaN and infinities, which JSON cannot represent. */
function finite<Floats extends Float32Array | Float64Array>(name: string, values: Floats): Floats {
  let sum = 0;
  // 0 * x is 0 for every finite x and NaN otherwise: one multiplication per element, one test at the end.
  for (let index = 0; index < values.length; index++) sum += 0 * (values[index] as number);
  if (sum !== 0) throw invalidRequest(`output '${name}' holds NaN or Infinity, which JSON cannot carry`, binaryHint);
  return values;
}

function booleans(data: Uint8Array): string {
  let text = '';
  for (let index = 0; index < data.length; index++) text += (index === 0 ? '' : ',') + (data[index] === 0 ? 'false' : 'true');
  return text;
}
