/** Detects the format of a body without a content type, or with a generic one. */
import { isUtf8 } from 'node:buffer';
import { checkJsonCost, type JsonLimits, type JsonObject, parseObject, textOf } from '../../codecs/index.ts';
import type { Signature } from '../../tensor.ts';

/** The detected format, with what detection has parsed already. */
export type Sniffed =
  | { readonly kind: 'npy' | 'raw' }
  /** `document` is parsed from `text`. */
  | { readonly kind: 'json'; readonly document: JsonObject; readonly text: string }
  /** JSON followed by binary tensors. */
  | { readonly kind: 'binary'; readonly document: JsonObject; readonly text: string; readonly rest: Buffer };

const npyMagic = Buffer.from('\x93NUMPY', 'latin1');
const raw = { kind: 'raw' } as const;

/** The limits of JSON with this text. */
type LimitsOf = (text: string) => JsonLimits;

/** Throws `invalid_request` or `too_large` if the body can only be JSON but does not parse within its limits. */
export function sniff({ inputs }: Signature, body: Buffer, limitsOf: LimitsOf): Sniffed {
  if (body.subarray(0, npyMagic.length).equals(npyMagic)) return { kind: 'npy' };
  const start = firstByte(body);
  if (body[start] !== 0x7b) return raw;
  const whole = parsed(body, limitsOf);
  if ('document' in whole) return { kind: 'json', ...whole };
  const end = endOfObject(body, start);
  const head = end === -1 ? whole : parsed(body.subarray(0, end), limitsOf);
  const rest = body.subarray(end);
  if ('document' in head && binaryBytes(head.document) === rest.length) return { kind: 'binary', ...head, rest };
  if (isMeantAsJson(inputs, body)) throw whole.problem;
  return raw;
}

/** Throws what `sniff` throws for JSON of too many values, and parses nothing. */
export function checkSniffed({ inputs }: Signature, body: Buffer, limitsOf: LimitsOf): void {
  const start = firstByte(body);
  if (body[start] !== 0x7b || !isUtf8(body) || !isMeantAsJson(inputs, body)) return;
  const end = endOfObject(body, start);
  if (end !== -1 && end !== body.length) return;
  const text = textOf(body);
  checkJsonCost(text, limitsOf(text));
}

/** Text for a text model may begin with a brace. */
function isMeantAsJson(inputs: Signature['inputs'], body: Buffer): boolean {
  return inputs.length !== 1 || (inputs[0]?.datatype !== 'BYTES' && isUtf8(body));
}

function firstByte(body: Buffer): number {
  let at = 0;
  while (at < body.length && isSpace(body[at] as number)) at++;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Parsing a large text takes long, so a problem is returned to be reported later: the text is parsed once. */
function parsed(
  bytes: Buffer,
  limitsOf: LimitsOf,
): { readonly document: JsonObject; readonly text: string } | { readonly problem: unknown } {
  try {
    const text = textOf(bytes);
    return { document: parseObject(text, limitsOf(text)), text };
  } catch (problem) {
    return { problem };
  }
}

/** The index after the JSON object that begins at `start`; -1 if it does not end. */
function endOfObject(body: Buffer, start: number): number {
  let depth = 0;
  let inString = false;
  for (let at = start; at < body.length; at++) {
    const byte = body[at];
    if (inString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) {
      inString = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++;
    } else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) {
      return at + 1;
    }
  }
  return -1;
}

/** The total of `binary_data_size`; -1 if there are no inputs. */
function binaryBytes({ inputs }: JsonObject): number {
  if (!Array.isArray(inputs)) return -1;
  let bytes = 0;
  for (const input of inputs as readonly ({ parameters?: { binary_data_size?: unknown } } | null)[]) {
    bytes += Number(input?.parameters?.binary_data_size ?? 0);
  }
  return bytes;
}
