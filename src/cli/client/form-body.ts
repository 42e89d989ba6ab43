/** Encodes a form of several parts (`multipart/form-data`, RFC 7578) as a stream, so that files of any size are sent. */
import { randomUUID } from 'node:crypto';

/** One part of a form. */
export interface SentPart {
  readonly name: string;
  /** Undefined for a field that is not a file. */
  readonly fileName?: string | undefined;
  readonly content: AsyncIterable<Uint8Array> | string;
}

/** Calls `onEnd` when the last byte was taken. */
export function formBody(
  parts: readonly SentPart[],
  onEnd: () => void = () => undefined,
): { readonly contentType: string; readonly body: AsyncIterable<Uint8Array> } {
  const boundary = `penstock-${randomUUID()}`;
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: encoded(parts, boundary, onEnd) };
}

async function* encoded(parts: readonly SentPart[], boundary: string, onEnd: () => void): AsyncGenerator<Uint8Array> {
  for (const { name, fileName, content } of parts) {
    const file = fileName === undefined ? '' : `; filename="${escaped(fileName)}"`;
    yield Buffer.from(`--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"${file}\r\n\r\n`);
    if (typeof content === 'string') yield Buffer.from(content);
    else yield* content;
    yield Buffer.from('\r\n');
  }
  yield Buffer.from(`--${boundary}--\r\n`);
  onEnd();
}

/** As browsers and fetch escape names (https://html.spec.whatwg.org/#multipart-form-data). */
function escaped(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
