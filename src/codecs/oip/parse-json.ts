/**
 * Parses JSON bytes. The text is parsed once, by `JSON.parse`; only a 64-bit integer beyond 2^53 requires a second parse, with a
 * reviver that sees the original digits.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { messageOf } from '../../errors.ts';
import { anyJson, checkJsonCost, type JsonLimits } from '../json-limits.ts';
import { invalidRequest, truncated } from './request-errors.ts';

/** A parsed object of unknown members. */
export type JsonObject = { readonly [key: string]: unknown };

/** False for null and arrays. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The bytes as text. Throws `invalid_request` if they are not UTF-8. */
export function textOf(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw invalidRequest('the JSON is not valid UTF-8');
  return bytes.toString('utf8');
}

/**
 * An object from JSON text. Throws `invalid_request` if it is not JSON or not an object, `too_large` if it exceeds the limits.
 */
export function parseObject(text: string, limits: JsonLimits = anyJson): JsonObject {
  const value = parseBounded(text, limits);
  if (!isJsonObject(value)) throw invalidRequest('the body is valid JSON, but not an object with "inputs"');
  return value;
}

/** Any JSON within the limits: 100 levels, and for large texts as many values as `limits` allows. Throws `invalid_request`, `too_large`. */
export function parseBounded(text: string, limits: JsonLimits = anyJson): unknown {
  if (text.length === 0) throw invalidRequest('the body is empty, expected a JSON object with "inputs"');
  checkJsonCost(text, limits);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidRequest(`the body is not valid JSON: ${truncated(messageOf(cause))}`);
  }
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
/** Longer integers fit no datatype, and the cost of a `BigInt` grows faster than its number of digits. */
const wideInteger = /^-?\d{1,20}$/;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

/**
 * Parses the text again, with every integer literal beyond 2^53 as an exact `bigint`. They are found because the first parse turned them
 * into unsafe doubles. This is 35 times as slow, so it is only used for text that contains such a literal.
 */
export function parseWithExactIntegers(text: string): unknown {
  return parseWithSource(text, (_key, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && wideInteger.test(source) ? BigInt(source) : value,
  );
}
