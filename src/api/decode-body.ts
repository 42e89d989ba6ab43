/** Which form a body has, by its content type. */
import { decodeCsv, decodeJson, decodeNpy, type Invocation } from '../codecs/index.ts';
import { PlatformError } from '../errors.ts';
import type { Signature } from '../tensor.ts';

export const bodyTypes = ['application/json', 'text/csv', 'application/x-npy'] as const;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes a body, into one invocation or into one for each row where the model takes a row at a time. Without a content
 * type it is taken for JSON. Throws `invalid_request`, `unsupported`.
 */
export function decodeBody(
  signature: Signature,
  contentType: string | undefined,
  body: Uint8Array,
  label: string | undefined,
): readonly Invocation[] {
  const type = (contentType ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (label !== undefined && type !== 'text/csv')
    throw new PlatformError('invalid_request', `'label' names a column of CSV: leave it out with ${type}`);
  switch (type) {
    case '':
    case 'application/json':
      return decodeJson(signature, textOf(body));
    case 'text/csv':
      return decodeCsv(signature, textOf(body), { labelling: '?label=NAME (--label NAME)', ...(label === undefined ? {} : { label }) });
    case 'application/x-npy':
      return decodeNpy(signature, body);
    default:
      throw new PlatformError('unsupported', `content type '${type.slice(0, 80)}' is not read here: send ${bodyTypes.join(', ')}`);
  }
}

function textOf(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (cause) {
    throw new PlatformError('invalid_request', 'the body is not UTF-8 text', { cause });
  }
}
