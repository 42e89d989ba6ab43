/**
 * JSON bytes into values. The text is parsed once, by `JSON.parse`; only a 64-bit integer beyond 2^53 makes it worth a
 * second time, with a reviver that sees the digits as they were written.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { messageOf } from '../../errors.ts';
import { invalid, shown } from './refusals.ts';

export type JsonObject = { readonly [key: string]: unknown };

const nestingMax = 100;

/** Below this size even the deepest nesting costs little, and 100 levels do not fit in half of 202 bytes. */
const harmlessBytes = 2 * nestingMax;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The bytes as text. Throws `invalid_request` where they are not UTF-8. */
export function textOf(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw invalid('the JSON is not valid UTF-8');
  return bytes.toString('utf8');
}

/** An object from JSON text. Throws `invalid_request`: not JSON, nested deeper than 100, or no object. */
export function parseObject(text: string): JsonObject {
  const value = parseBounded(text);
  if (!isObject(value)) throw invalid('the body is valid JSON, but not an object with "inputs"');
  return value;
}

/** Any JSON, of a nesting that is bounded. Throws `invalid_request`. */
export function parseBounded(text: string): unknown {
  if (text.length === 0) throw invalid('the body is empty, expected a JSON object with "inputs"');
  if (text.length > harmlessBytes && isDeeperThan(text, nestingMax)) throw invalid(`the JSON is nested deeper than ${nestingMax} levels`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`the body is not valid JSON: ${shown(messageOf(cause))}`);
  }
}

/**
 * Whether the text nests arrays and objects deeper than `levels`. It looks before `JSON.parse`, because a body of
 * nothing but brackets would take fifty times its size in memory.
 */
export function isDeeperThan(text: string, levels: number): boolean {
  // Few brackets at all, which native search finds out quickly, is the usual case of a large tensor.
  return countAtMost(text, '[', levels) + countAtMost(text, '{', levels) > levels && deepest(text) > levels;
}

function countAtMost(text: string, bracket: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf(bracket); at !== -1 && count <= limit; at = text.indexOf(bracket, at + 1)) count++;
  return count;
}

function deepest(text: string): number {
  let depth = 0;
  let most = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) {
      inString = true;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > most) most = depth;
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    }
  }
  return most;
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;

/**
 * The same text again, with every integer literal beyond 2^53 as an exact `bigint`. Exact, because each such literal
 * was parsed to an unsafe double; and slow (35 times), so only for text that holds one.
 */
export function parseWithExactIntegers(text: string): unknown {
  return parseWithSource(text, (_key, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value,
  );
}
