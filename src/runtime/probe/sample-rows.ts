/** The first rows of a sample that comes with a model: a body as clients send it. */
import { decodeRows } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import { type Signature, type Tensor, takesJson } from '../../tensor.ts';
import { type Row, rowOf } from './probe-rows.ts';

/** A body as a client would send it, stored with the version. */
export interface SampleBody {
  readonly contentType: string;
  readonly body: Buffer;
  /** The column of a CSV that is the label, not an input. */
  readonly label?: string;
}

/** Only the beginning of a CSV is read, and no larger body of another form: this blocks the server. */
const bytesMax = 256 * 1024;
const rowsMax = 16;
/** A sample may have any number of rows in its bytes. */
const limits = { rowsMax: bytesMax, requestsMax: bytesMax };

/** At most sixteen rows. None if the sample does not fit the model: it can be registered anyway. */
export function firstRows(signature: Signature, { contentType, body, label }: SampleBody): Row[] {
  try {
    const beginning = beginningOf(contentType, body);
    const rowsOfJson = takesJson(signature) && contentType === 'application/json' ? listedRows(beginning) : beginning;
    const invocations = decodeRows({ signature, contentType, body: rowsOfJson, label, limits });
    return invocations
      .slice(0, rowsMax)
      .flatMap(({ inputs, rows }) => rowsIn(signature, inputs, rows))
      .slice(0, rowsMax);
  } catch (error) {
    if (error instanceof PlatformError) return [];
    throw error;
  }
}

function beginningOf(contentType: string, body: Buffer): Buffer {
  if (body.length <= bytesMax) return body;
  if (contentType !== 'text/csv') return Buffer.alloc(0);
  return body.subarray(0, body.lastIndexOf('\n', bytesMax) + 1);
}

/** A sample that is a list has a row in each element, although such a request would be one row. */
function listedRows(body: Buffer): Buffer {
  return body.toString('latin1').trimStart().startsWith('[') ? Buffer.concat([Buffer.from('{"instances":'), body, Buffer.from('}')]) : body;
}

function rowsIn({ inputs: specs }: Signature, inputs: readonly Tensor[], rows: number): Row[] {
  return Array.from({ length: Math.min(rows, rowsMax) }, (_, row) =>
    inputs.map((input, index) => (specs[index]?.shape[0] === -1 ? (rowOf([input], row, rows)[0] as Tensor) : input)),
  );
}
