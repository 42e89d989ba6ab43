/**
 * Reads `multipart/form-data` (RFC 7578) as a stream, part by part: no part is held in memory. The caller bounds the bytes of each part;
 * this module bounds their number and their headers.
 */
import { PlatformError } from '../../errors.ts';

export interface FormPart {
  readonly name: string;
  /** Null for a field that is not a file. */
  readonly fileName: string | null;
  /** Must be read before the next part is requested; can be left unread. */
  readonly content: AsyncIterable<Buffer>;
}

const partsMax = 64;
/** Limit for the headers of one part. */
const headersBytesMax = 8 * 1024;

/** The boundary of a content type. Throws `invalid_request` for anything but multipart/form-data. */
export function boundaryOf(contentType: string | undefined): string {
  const [, quoted, plain] =
    /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70})(?![^\s;]))/i.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (boundary !== undefined) return boundary;
  throw invalid(`expected the content type multipart/form-data with a boundary, got '${(contentType ?? '').slice(0, 100)}'`);
}

/** Throws `invalid_request` for a body that is malformed or ends early. */
export async function* readForm(source: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<FormPart> {
  const bytes = new FormBytes(source, Buffer.from(`\r\n--${boundary}`, 'latin1'));
  try {
    await bytes.skipToDelimiter(); // RFC 2046 allows text before the first part, without meaning
    for (let parts = 1; await bytes.isPart(); parts++) {
      if (parts > partsMax) throw invalid(`more than ${partsMax} parts: send fewer`);
      const headers = await bytes.headers();
      yield { ...partOf(headers), content: bytes.untilDelimiter() };
      if (!bytes.isAtDelimiter) await bytes.skipToDelimiter();
    }
  } finally {
    await bytes.close();
  }
}

function partOf(headers: string): Pick<FormPart, 'name' | 'fileName'> {
  const [, disposition] = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(headers) ?? [];
  const name = parameterOf(disposition ?? '', 'name');
  if (name === null) throw invalid('a part has no name: expected a header Content-Disposition: form-data; name="spec"');
  return { name, fileName: parameterOf(disposition ?? '', 'filename') };
}

/** A quoted parameter, as browsers, fetch and curl write it: `"` is `%22`. */
function parameterOf(disposition: string, parameter: string): string | null {
  const [, quoted] = new RegExp(`(?:^|;)\\s*${parameter}="([^"]*)"`, 'i').exec(disposition) ?? [];
  return quoted === undefined ? null : quoted.replaceAll('%22', '"');
}

function invalid(problem: string): PlatformError {
  return new PlatformError('invalid_request', `the form is malformed: ${problem}`);
}

/** The bytes of a form, cut at its delimiter. */
class FormBytes {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** Begins as if a line had ended, because the first delimiter has no line before it. */
  #buffer: Buffer = Buffer.from('\r\n');
  isAtDelimiter = false;

  constructor(source: AsyncIterable<Uint8Array>, delimiter: Buffer) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = delimiter;
  }

  /** Everything before the next delimiter, which is consumed. */
  async *untilDelimiter(): AsyncGenerator<Buffer> {
    this.isAtDelimiter = false;
    for (;;) {
      const at = this.#buffer.indexOf(this.#delimiter);
      // The last bytes can be the beginning of a delimiter.
      const end = at === -1 ? Math.max(0, this.#buffer.length - this.#delimiter.length + 1) : at;
      const found = this.#buffer.subarray(0, end);
      this.#buffer = this.#buffer.subarray(at === -1 ? end : at + this.#delimiter.length);
      if (at !== -1) this.isAtDelimiter = true;
      if (found.length > 0) yield found;
      if (at !== -1) return;
      await this.#more();
    }
  }

  async skipToDelimiter(): Promise<void> {
    const rest = this.untilDelimiter();
    while ((await rest.next()).done !== true);
  }

  /** Whether a part follows the delimiter; false after the last one. */
  async isPart(): Promise<boolean> {
    while (this.#buffer.length < 2) await this.#more();
    const end = this.#buffer.toString('latin1', 0, 2);
    if (end !== '\r\n' && end !== '--') throw invalid('a boundary is followed by neither a part nor the end');
    this.#buffer = this.#buffer.subarray(2);
    return end === '\r\n';
  }

  async headers(): Promise<string> {
    for (;;) {
      const at = this.#buffer.indexOf('\r\n\r\n');
      if (at > headersBytesMax || (at === -1 && this.#buffer.length > headersBytesMax))
        throw invalid(`the headers of a part are longer than ${headersBytesMax} bytes`);
      if (at !== -1) {
        const headers = this.#buffer.toString('utf8', 0, at);
        this.#buffer = this.#buffer.subarray(at + 4);
        this.isAtDelimiter = false;
        return headers;
      }
      await this.#more();
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<void> {
    const next: IteratorResult<Uint8Array, unknown> = await this.#source.next();
    if (next.done === true) throw invalid('it ends before its last boundary: send it again');
    const { buffer, byteOffset, byteLength } = next.value;
    this.#buffer = Buffer.concat([this.#buffer, Buffer.from(buffer, byteOffset, byteLength)]);
  }
}
