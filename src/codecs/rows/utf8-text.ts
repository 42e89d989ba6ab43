/** Decodes bytes as text. */
import { PlatformError } from '../../errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws `invalid_request` for bytes that are not UTF-8. A byte order mark is dropped. */
export function utf8Text(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (cause) {
    throw new PlatformError('invalid_request', 'the body is not UTF-8 text', { cause });
  }
}
