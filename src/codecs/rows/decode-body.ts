/** Decodes rows in any form without tensor names: JSON, CSV or npy, by content type. */
import { PlatformError } from '../../errors.ts';
import { type Signature, takesJson } from '../../tensor.ts';
import { bodyTask, isShortBinary, isShortText } from '../body-task.ts';
import { anyJson, checkJsonCost, tensorLimits } from '../json-limits.ts';
import type { CsvOptions } from './csv.ts';
import { checkCsvBody, decodeCsvBody } from './csv-body.ts';
import { type RowInvocation, type RowLimits, rowsMaxOf } from './invocation.ts';
import { decodeJson } from './json-body.ts';
import { decodeJsonRows } from './json-rows.ts';
import { decodeNpy, npyHead } from './npy.ts';
import { utf8Text } from './utf8-text.ts';

/** The content types of rows. Without a content type, a body is JSON. */
export const bodyTypes = ['application/json', 'text/csv', 'application/x-npy'] as const;

/** A body to be decoded, with what its rows must match. */
export interface RowsBody {
  readonly signature: Signature;
  readonly contentType: string | undefined;
  readonly body: Buffer;
  /** The label column of a CSV. */
  readonly label: string | undefined;
  readonly limits: RowLimits;
}

/**
 * Decodes a body into one invocation, or into one per row if the model takes one row per request. Without a content type it is
 * treated as JSON. Throws `invalid_request`, `unsupported`, `too_large`.
 */
export function decodeRows({ signature, contentType, body, label, limits }: RowsBody): readonly RowInvocation[] {
  const type = mediaType(contentType);
  if (label !== undefined && type !== 'text/csv')
    throw new PlatformError('invalid_request', `'label' names a column of CSV: leave it out with ${type}`);
  if (takesJson(signature)) return decodeJsonRows(signature, type, body, limits);
  switch (type) {
    case 'application/json':
      return decodeJson(signature, utf8Text(body), limits);
    case 'text/csv':
      return decodeCsvBody(signature, body, csvOptions({ label, limits }));
    case 'application/x-npy':
      return decodeNpy(signature, body, limits);
    default:
      throw new PlatformError('unsupported', `content type '${type.slice(0, 80)}' is not read here: send ${bodyTypes.join(', ')}`);
  }
}

/** Throws what `decodeRows` would, as far as counting tells it: a fraction of the time of decoding. */
export function checkRows({ signature, contentType, body, label, limits }: RowsBody): void {
  const type = mediaType(contentType);
  if (type === 'application/json') {
    const text = utf8Text(body);
    checkJsonCost(text, takesJson(signature) ? anyJson : tensorLimits(text, signature.inputs, rowsMaxOf(signature.inputs, limits)));
  } else if (type === 'text/csv' && !takesJson(signature)) {
    checkCsvBody(signature, body, csvOptions({ label, limits }));
  }
}

function csvOptions({ label, limits }: Pick<RowsBody, 'label' | 'limits'>): CsvOptions {
  return { labelling: '?label=NAME (--label NAME)', limits, ...(label === undefined ? {} : { label }) };
}

export const checkRowsTask = bodyTask(import.meta.url, 'checkRowsTask', checkRows, () => []);

/** `decodeRows` as a task for a thread. */
export const decodeRowsTask = bodyTask(import.meta.url, 'decodeRowsTask', decodeRows, tensorBytes, checkRowsTask);

/** The data of all inputs, whose memory moves with the result of a task. */
export function* tensorBytes(invocations: readonly RowInvocation[]): Generator<Uint8Array> {
  for (const { inputs } of invocations) for (const { data } of inputs) yield data;
}

/** Whether the body is cheap enough to decode in place. */
export function isShortRows({ signature, contentType, body }: Pick<RowsBody, 'signature' | 'contentType' | 'body'>): boolean {
  return mediaType(contentType) === 'application/x-npy' ? isShortNpy(signature, body) : isShortText(signature, body.length);
}

/** An array of the model's own datatype is a view of the body; any other is converted. */
export function isShortNpy(signature: Signature, body: Buffer): boolean {
  if (isShortText(signature, body.length)) return true;
  const [spec] = signature.inputs;
  return spec !== undefined && isShortBinary(signature, body.length) && datatypeOf(body) === spec.datatype && spec.shape[0] === -1;
}

function datatypeOf(body: Buffer): string | undefined {
  try {
    return npyHead(body)?.datatype;
  } catch {
    return undefined; // decoding reports the error
  }
}

function mediaType(contentType: string | undefined): string {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return type === '' ? 'application/json' : type;
}
