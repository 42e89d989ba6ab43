/** Documents as JSON 1.1 and 1.0 carry them. */
import { messageOf } from '../../errors.ts';
import { AwsError, type AwsOutput } from '../service.ts';

/** Deeper documents are refused: what walks through them must not run out of stack. */
const depthMax = 64;

/** The object in a body; an empty body is an empty one. Throws `AwsError` SerializationException. */
export function parseDocument(body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  const text = body.toString('utf8');
  if (depthOf(text) > depthMax) throw new AwsError('SerializationException', `the document is nested more than ${depthMax} deep`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new AwsError('SerializationException', `the body is not JSON: ${messageOf(cause).slice(0, 200)}`, { cause });
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new AwsError('SerializationException', 'the body must be a JSON object');
  }
  return document as Record<string, unknown>;
}

/** How deep brackets are nested, whether they fit together or not. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInText = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isInText) {
      if (code === 0x5c) i++;
      else if (code === 0x22) isInText = false;
    } else if (code === 0x22) {
      isInText = true;
    } else if (code === 0x7b || code === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
  return deepest;
}

/** Times become epoch seconds. */
export function encodeDocument(output: AwsOutput): string {
  return JSON.stringify(output, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key]; // JSON.stringify has made a text of a Date before it asks
    if (raw instanceof Date) return raw.getTime() / 1000;
    if (raw instanceof Uint8Array) return Buffer.from(raw).toString('base64');
    return value;
  });
}
