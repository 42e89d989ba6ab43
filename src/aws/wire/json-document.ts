/** Documents of JSON 1.1 and 1.0. */
import { checkJsonCost, documentLimits } from '../../codecs/index.ts';
import { messageOf } from '../../errors.ts';
import { AwsError, type AwsOutput } from '../service.ts';

/** Parses the object in a body; an empty body is an empty object. Throws `AwsError` SerializationException. */
export function parseDocument(body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  const text = body.toString('utf8');
  try {
    checkJsonCost(text, documentLimits);
  } catch (cause) {
    throw new AwsError('SerializationException', messageOf(cause), { cause });
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new AwsError('SerializationException', `the body is not valid JSON: ${messageOf(cause).slice(0, 200)}`, { cause });
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new AwsError('SerializationException', 'the body must be a JSON object');
  }
  return document as Record<string, unknown>;
}

/** Encodes times as epoch seconds. */
export function encodeDocument(output: AwsOutput): string {
  return JSON.stringify(output, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key]; // JSON.stringify converts a Date to text before it calls the replacer, so read the raw value.
    if (raw instanceof Date) return raw.getTime() / 1000;
    if (raw instanceof Uint8Array) return Buffer.from(raw).toString('base64');
    return value;
  });
}
